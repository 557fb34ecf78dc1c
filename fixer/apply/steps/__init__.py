"""Kinds of steps: how each is performed and undone."""
