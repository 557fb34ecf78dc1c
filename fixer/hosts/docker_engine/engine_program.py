"""The engine's command line: docker, or podman, which takes the same words.

A run has one target, and that has one engine: the program is chosen once, by what is installed on the engine's machine,
and by which of two engines knows the container."""

from __future__ import annotations

import os
from collections.abc import Callable

PROGRAMS = ("docker", "podman")

_chosen: list[str] = []


def engine_program() -> str:
    """Return the program of the chosen engine; docker where neither is installed, so that errors name it."""
    if not _chosen:
        _chosen.append(next(filter(_is_installed, PROGRAMS), PROGRAMS[0]))
    return _chosen[0]


def choose_engine(answers: Callable[[str], bool]) -> bool:
    """Choose the first program that `answers`, for the rest of the run; False if none does."""
    found = next(filter(answers, PROGRAMS), None)
    if found is not None:
        _chosen[:] = [found]
    return found is not None


def _is_installed(program: str) -> bool:
    """Return whether PATH leads to it. shutil would import every kind of compression: 2 ms."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(f"{folder}/{program}", os.X_OK) and not os.path.isdir(f"{folder}/{program}")
               for folder in folders if folder)
