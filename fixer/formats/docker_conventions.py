"""The Docker host as its containers ask for it: by a name that Docker has for it, or by its address on a network."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from fixer.model.service import Container

DOCKER_HOST_NAMES = frozenset({"host.docker.internal", "gateway.docker.internal"})


def is_docker_host(host: str, addresses: Sequence[str], containers: Iterable[Container]) -> bool:
    """Whether a container that asks for this host, or for all these addresses, asks the machine that it runs on."""
    if host.lower() in DOCKER_HOST_NAMES:
        return True
    known = {address for container in containers for address in container.gateways}
    return bool(addresses) and known.issuperset(addresses)


# The files of a compose project as the labels of its containers name them.
LABEL_PREFIX = "com.docker.compose."


def compose_paths(container: Container) -> tuple[str, ...]:
    """The files that the container's labels name."""
    directory = container.label(LABEL_PREFIX + "project.working_dir") or ""
    return tuple(label_paths(container, "project.config_files", directory))


def environment_paths(container: Container) -> tuple[str, ...]:
    """The files whose variables are put into the compose files: as named, else `.env` beside them."""
    directory = container.label(LABEL_PREFIX + "project.working_dir") or ""
    named = tuple(label_paths(container, "project.environment_file", directory))
    return named or ((posixpath.join(directory, ".env"),) if directory else ())


def label_paths(container: Container, label: str, directory: str) -> Iterator[str]:
    """The paths of one label, from the project's folder on. Whoever made an image may have written the label, so what
    is not called as such files are is not read: it would be shown, and kept in bundles."""
    for path in (container.label(LABEL_PREFIX + label) or "").split(","):
        name = posixpath.basename(path.strip()).lower()
        if name.endswith((".yml", ".yaml", ".json")) or ("env" in name and label == "project.environment_file"):
            yield posixpath.normpath(posixpath.join(directory, path.strip()))


# Which files a compose project is deployed from, where its containers do not all name the same.
ProjectFiles = tuple[str, str, str]
"""What the labels of a container say: its files by commas, the folder, the files of variables."""


def widest_project_files(told: Iterable[ProjectFiles]) -> ProjectFiles | None:
    """The one whose files include those of all others, in their order: a file that was added later changes the labels
    only of what it changes. None where there is none."""
    named = [one for one in dict.fromkeys(told) if one[0]]
    longest = max(named, key=lambda one: len(_config_paths(one)), default=None)
    if longest is None:
        return None
    paths = _config_paths(longest)
    nested = all(other[1:] == longest[1:]
                 and [path for path in paths if path in _config_paths(other)] == _config_paths(other)
                 for other in named)
    return longest if nested else None


def _config_paths(told: ProjectFiles) -> list[str]:
    return [path.strip() for path in told[0].split(",")]


# Where a container's paths lie on its engine's machine, and under which paths another one sees the same. Pure.


def path_on_engine(container: Container, path: str) -> str | None:
    """The path on the engine's machine of a container's path in a bind mount or a volume."""
    best: tuple[str, str] | None = None
    for source, destination in container.shares:
        root = destination.rstrip("/")
        if _is_in(path, root) and (best is None or len(root) > len(best[1])):
            best = (source.rstrip("/"), root)
    return None if best is None else best[0] + path[len(best[1]):]


def path_in_container(container: Container, place: str) -> str | None:
    """The path by which a container sees a path of its engine's machine; None where nothing shows it to it."""
    for source, destination in container.shares:
        root = source.rstrip("/")
        if _is_in(place, root):
            path = destination.rstrip("/") + place[len(root):]
            if path_on_engine(container, path) == place:      # nothing is mounted over it
                return path
    return None


def _is_in(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
