"""Compose files that define a service: the project's files, their includes, and the services that it extends."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from functools import partial

from fixer.formats.docker_conventions import LABEL_PREFIX, compose_paths, environment_paths
from fixer.formats.env_file import read_env_file
from fixer.formats.shell_words import Env, Piece, Word, expand_word, literal_word
from fixer.formats.yaml_spans import Map, Node, Scalar, Seq, line_of, parse_yaml
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.parse_cache import parse_once
from fixer.model.snapshot import Container
from fixer.observe.view.node_view import View

MAX_INCLUDE_DEPTH = 4       # nested includes, and services that extend services


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A compose file with the mapping of one service. Relative paths start from `folder`.
    `shared`: other services take their definition from the same mapping, so an edit there would change them too.
    `key_start` is the offset of the service's name, that of the mapping for a service that another one extends."""

    path: str
    data: bytes
    service: Map
    folder: str
    shared: bool = False
    key_start: int = 0

    def line(self, at: int) -> int:
        """Return the line of an offset."""
        return line_of(self.data, at)

    def owns(self, node: Node) -> bool:
        """Return False for a node from an alias or a merge: an edit there would change other services too."""
        return not self.shared and self.service.start <= node.start and node.end <= self.service.end

    def word(self, scalar: Scalar) -> Word:
        """Return a scalar as a word with its position; variables in it are compose's own."""
        start = scalar.start if scalar.exact and self.owns(scalar) else None
        return Word((Piece(scalar.text, self.path, self.line(scalar.start), start, expand=True),))


def interpolation_env(container: Container, engine: View) -> dict[str, Word]:
    """Return the variables that compose interpolates into its files."""
    found: dict[str, Word] = {}
    for path in environment_paths(container):
        found.update(read_env_file(path, engine.data(path) or b""))
    return found


def compose_files_of(container: Container, engine: View, outer: Env, name: str = "") -> list[ComposeFile]:
    """Return the files that define a container's service (or `name` of its project), the strongest last."""
    found: list[ComposeFile] = []
    for path, folder in _files_with_folders(container, engine, outer):
        root = _parse_file(path, engine)
        services = root.get("services") if root is not None else None
        service = services.get(name or container.service or "") if isinstance(services, Map) else None
        if root is not None and isinstance(service, Map):
            key = next((key.start for key, value in services.entries if value is service), service.start) if isinstance(
                services, Map) else service.start
            own = ComposeFile(path, engine.data(path) or b"", service, folder, key_start=key)
            found += [*_base_files(own, engine, outer, MAX_INCLUDE_DEPTH), own]
    return found


def compose_roots_of(container: Container, engine: View, outer: Env) -> list[Map]:
    """Return all files of a container's project, the strongest last."""
    return [root for path,
            _ in _files_with_folders(container, engine, outer) if (root := _parse_file(path, engine)) is not None]


def defined_services(container: Container, engine: View, outer: Env) -> tuple[str, ...]:
    """Return the names of all services of a container's project, each once."""
    found: dict[str, None] = {}
    for root in compose_roots_of(container, engine, outer):
        services = root.get("services")
        entries = services.entries if isinstance(services, Map) else []
        found.update({key.text: None for key, _ in entries if key.text != "<<"})
    return tuple(found)


def inactive_profiles(files: Sequence[ComposeFile], outer: Env) -> tuple[str, ...]:
    """Return a service's profiles if the project's variables enable none of them; else empty."""
    wanted = [v.text for file in files if isinstance(listed := file.service.get("profiles"), Seq)
              for v in listed.items if isinstance(v, Scalar)]
    turned_on = outer["COMPOSE_PROFILES"].text.split(",") if "COMPOSE_PROFILES" in outer else []
    return () if {"*", *wanted}.intersection(turned_on) else tuple(dict.fromkeys(wanted))


def paths_to_read(container: Container, engine: View) -> Iterator[str]:
    """Yield the compose files of a container's project, including files that those read so far refer to."""
    outer = interpolation_env(container, engine)
    yield from (path for path, _ in _files_with_folders(container, engine, outer))
    for file in compose_files_of(container, engine, outer):
        base = _extended_service(file, outer)
        if base is not None:
            yield base[0]


def _parse_file(path: str, engine: View) -> Map | None:
    data = engine.data(path)
    root = None if data is None else parse_once(partial(parse_yaml, data), "yaml", engine.files[path])
    return root if isinstance(root, Map) else None


def _files_with_folders(container: Container, engine: View, outer: Env) -> Iterator[tuple[str, str]]:
    """Yield (file, folder of its relative paths), an included file before the one that includes it."""
    listed = compose_paths(container)
    folder = container.label(LABEL_PREFIX + "project.working_dir") or (posixpath.dirname(listed[0]) if listed else "")
    seen: set[str] = set()
    for path in listed:
        yield from _with_includes((path, folder), engine, outer, seen, MAX_INCLUDE_DEPTH)


def _with_includes(place: tuple[str, str], engine: View, outer: Env, seen: set[str],
                   depth: int) -> Iterator[tuple[str, str]]:
    path, folder = place
    if path in seen:
        return
    seen.add(path)
    root = _parse_file(path, engine)
    listed = root.get("include") if root is not None and depth else None
    for item in listed.items if isinstance(listed, Seq) else ():
        for inner in _include_entries(item, folder, outer):
            yield from _with_includes(inner, engine, outer, seen, depth - 1)
    yield place


def _include_entries(item: Node | None, folder: str, outer: Env) -> Iterator[tuple[str, str]]:
    """Yield (file, folder) of an `include:` entry: a path, or a mapping with paths and an optional folder."""
    named = item.get("path") if isinstance(item, Map) else item
    paths = [_join_path(folder, p, outer) for p in (named.items if isinstance(named, Seq) else [named])
             if isinstance(p, Scalar)]
    told = item.get("project_directory") if isinstance(item, Map) else None
    inner = _join_path(folder, told, outer) if isinstance(told,
                                                          Scalar) else posixpath.dirname(paths[0]) if paths else ""
    yield from ((path, inner) for path in paths)


def _join_path(folder: str, scalar: Scalar, outer: Env) -> str:
    return posixpath.normpath(posixpath.join(folder, expand_word(_interpolated_word(scalar), outer).text))


def _interpolated_word(scalar: Scalar) -> Word:
    return Word(tuple(replace(piece, expand=True) for piece in literal_word(scalar.text).pieces))


def _extended_service(file: ComposeFile, outer: Env) -> tuple[str, str] | None:
    """Return (file, service) that a service extends; the same file if none is named."""
    node = file.service.get("extends")
    if isinstance(node, Scalar):
        return file.path, node.text
    name, path = (node.get("service"), node.get("file")) if isinstance(node, Map) else (None, None)
    if not isinstance(name, Scalar):
        return None
    return (_join_path(file.folder, path, outer) if isinstance(path, Scalar) else file.path), name.text


def _base_files(file: ComposeFile, engine: View, outer: Env, depth: int) -> Iterator[ComposeFile]:
    base = _extended_service(file, outer) if depth else None
    root = _parse_file(base[0], engine) if base is not None else None
    services = root.get("services") if root is not None else None
    service = services.get(base[1]) if base is not None and isinstance(services, Map) else None
    if base is None or root is None or not isinstance(service, Map):
        return
    folder = file.folder if base[0] == file.path else posixpath.dirname(base[0])
    found = ComposeFile(base[0], engine.data(base[0]) or b"", service, folder, shared=True, key_start=service.start)
    yield from (*_base_files(found, engine, outer, depth - 1), found)
