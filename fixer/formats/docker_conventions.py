"""Conventions of Docker and compose: names of the Docker host, project files in labels, shared paths."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from fixer.formats.folders import is_within
from fixer.model.service import Container

DOCKER_HOST_NAMES = frozenset({"host.docker.internal", "gateway.docker.internal"})


def is_docker_host(host: str, addresses: Sequence[str], containers: Iterable[Container]) -> bool:
    """Return whether a container that connects to this host, or all these addresses, reaches its own machine."""
    if host.lower() in DOCKER_HOST_NAMES:
        return True
    known = {address for container in containers for address in container.gateways}
    return bool(addresses) and known.issuperset(addresses)


LABEL_PREFIX = "com.docker.compose."
DEPENDS_ON_LABEL = f"{LABEL_PREFIX}depends_on"      # service:condition:restart, separated by commas


def depends_on_conditions(container: Container) -> list[tuple[str, str]]:
    """Return (service, condition) of all services that Compose starts before this one."""
    words = [part.split(":") for part in (container.label(DEPENDS_ON_LABEL) or "").split(",")]
    return [(word[0], word[1]) for word in words if len(word) > 1]


def compose_paths(container: Container) -> tuple[str, ...]:
    """Return the compose files that the container's labels name."""
    directory = container.label(LABEL_PREFIX + "project.working_dir") or ""
    return tuple(label_paths(container, "project.config_files", directory))


def environment_paths(container: Container) -> tuple[str, ...]:
    """Return the files whose variables are inserted into the compose files: named ones, else `.env` in the folder."""
    directory = container.label(LABEL_PREFIX + "project.working_dir") or ""
    named = tuple(label_paths(container, "project.environment_file", directory))
    return named or ((posixpath.join(directory, ".env"),) if directory else ())


def label_paths(container: Container, label: str, directory: str) -> Iterator[str]:
    """Yield the paths of one label, relative to the project's folder.
    The author of an image can write the label, so only names of such files are read: they are shown, and stored in
    bundles."""
    for path in (container.label(LABEL_PREFIX + label) or "").split(","):
        name = posixpath.basename(path.strip()).lower()
        if name.endswith((".yml", ".yaml", ".json")) or ("env" in name and label == "project.environment_file"):
            yield posixpath.normpath(posixpath.join(directory, path.strip()))


# Files from which a compose project is deployed, if its containers do not all name the same.
ProjectFiles = tuple[str, str, str]
"""What the labels of a container say: its files by commas, the folder, the files of variables."""


def widest_project_files(told: Iterable[ProjectFiles]) -> ProjectFiles | None:
    """Return the entry whose files include those of all others, in order; None if there is none.
    A file that was added later changes only the labels of the services that it changes."""
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


# Paths of a container on its engine's machine, and the reverse. Pure.


def path_on_engine(container: Container, path: str) -> str | None:
    """Return the path on the engine's machine of a container's path in a bind mount or a volume."""
    best: tuple[str, str] | None = None
    for source, destination in container.shares:
        root = destination.rstrip("/")
        if is_within(path, destination) and (best is None or len(root) > len(best[1])):
            best = (source.rstrip("/"), root)
    return None if best is None else best[0] + path[len(best[1]):]


NAMED_VOLUMES = "/volumes/"       # a named volume lies at …/volumes/PROJECT_NAME/_data of the engine's machine


def is_place(told: str, place: str) -> bool:
    """Return whether `place`, on the engine's machine, is `told`, of which only the end is known in a named volume."""
    return place == told or (told.startswith(NAMED_VOLUMES) and place.endswith(told))


def place_in_mount(container: Container, told: str) -> str | None:
    """Return the whole path on the engine's machine of a place, of which only the end is known in a named volume. None
    if the container mounts no such volume."""
    if not told.startswith(NAMED_VOLUMES):
        return told
    folder = told[:told.index("/_data") + len("/_data")] if "/_data" in told else told
    found = (source.rstrip("/") for source, _ in container.shares)
    return next((source + told[len(folder):] for source in found if source.endswith(folder)), None)


def path_in_container(container: Container, place: str) -> str | None:
    """Return the container's path for a path of its engine's machine; None if it is not mounted."""
    for source, destination in container.shares:
        root = source.rstrip("/")
        if is_within(place, source):
            path = destination.rstrip("/") + place[len(root):]
            if path_on_engine(container, path) == place:  # nothing is mounted over it
                return path
    return None
