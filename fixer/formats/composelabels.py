"""The files of a compose project as the labels of its containers name them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.model.snapshot import Container

LABEL = "com.docker.compose."


def compose_paths(container: Container) -> tuple[str, ...]:
    """The files that the container's labels name."""
    directory = container.label(LABEL + "project.working_dir") or ""
    return tuple(label_paths(container, "project.config_files", directory))


def environment_paths(container: Container) -> tuple[str, ...]:
    """The files whose variables are put into the compose files: as named, else `.env` beside them."""
    directory = container.label(LABEL + "project.working_dir") or ""
    named = tuple(label_paths(container, "project.environment_file", directory))
    return named or ((posixpath.join(directory, ".env"),) if directory else ())


def label_paths(container: Container, label: str, directory: str) -> Iterator[str]:
    """The paths of one label, from the project's folder on. Whoever made an image may have written the label, so what
    is not called as such files are is not read: it would be shown, and kept in bundles."""
    for path in (container.label(LABEL + label) or "").split(","):
        name = posixpath.basename(path.strip()).lower()
        if name.endswith((".yml", ".yaml", ".json")) or ("env" in name and label == "project.environment_file"):
            yield posixpath.normpath(posixpath.join(directory, path.strip()))
