"""Findings that several sibling causes share."""
