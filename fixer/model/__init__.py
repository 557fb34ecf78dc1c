"""Frozen dataclasses that every stage uses. Pure; imports no other package of fixer."""
