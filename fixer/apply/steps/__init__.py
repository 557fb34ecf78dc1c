"""The kinds of step: how each is performed, and its inverse."""
