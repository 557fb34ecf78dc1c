"""Tell whether a path lies in a folder, by their words alone. Pure."""

from __future__ import annotations


def is_within(path: str, folder: str) -> bool:
    """Return True for the folder itself and all below it: an empty folder holds nothing, `/` all absolute paths."""
    return bool(path and folder) and f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def is_below(path: str, folder: str) -> bool:
    """Return True for what is in the folder, at any depth, and is not the folder itself."""
    return is_within(path, folder) and path.rstrip("/") != folder.rstrip("/")
