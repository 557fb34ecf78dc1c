"""Names that a host gives to its parts: units, programs, containers, networks, projects, files. They are no secret.

Each is known by where it stands, never by its look. An index of a bundle shows most of them anyway. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from fixer.lazy.regex import regex
from fixer.model.capture import Capture, NodeCapture
from fixer.model.plan import Step
from fixer.model.query import Answer, Command, Query, ReadFile, ReadGlob, ReadTree
from fixer.model.service import Container, Service, configured_sockets
from fixer.model.snapshot import Snapshot
from fixer.redaction.allowed import row
from fixer.redaction.masks import known_words

_NAMES = row("INSPECT_NAME")
_LABELS = row("INSPECT_LABEL")
_INSPECTED = frozenset(("docker-project", "docker-container", "docker-published", "docker-called"))
_HOST_KEYS = frozenset(("com.docker.compose.service", "Aliases", "DNSNames"))
_PROGRAM = regex(rb"^\[(?:program|group|fcgi-program|eventlistener):([^\]\s]+)\]", re.MULTILINE)
_YAML_KEY = regex(rb"^[ \t]{1,8}([A-Za-z0-9_][A-Za-z0-9_.-]*):[ \t]*\r?$", re.MULTILINE)
_STEP_FIELDS = ("node", "name", "unit", "program", "group", "project", "service", "network", "container", "path",
                "display_path", "link_target", "working_dir", "conf_path", "error_log", "aliases", "config_files",
                "environment_files")


def words_of_capture(capture: Capture) -> frozenset[str]:
    """Return the words of all names in a capture that would be masked as drawn."""
    return known_words((capture.target.address, *(name for node in capture.nodes for name in _names_of_node(node))))


def hosts_of_capture(capture: Capture) -> frozenset[str]:
    """Return the names under which containers are asked: their own, those of their services, and aliases."""
    boxes = (box for node in capture.nodes for query, answer in node.answers.items() for box in _boxes(query, answer))
    return frozenset(name.removeprefix("/") for box in boxes for name in _hosts_of_inspect(box, "", 0))


def _boxes(query: Query, answer: Answer) -> list[object]:
    """Return what an answer of `docker inspect` lists."""
    if not isinstance(query, Command) or query.name not in _INSPECTED:
        return []
    try:
        listed = json.loads(answer.data)
    except (ValueError, RecursionError):
        return []
    return listed if isinstance(listed, list) else [listed]


def _hosts_of_inspect(item: object, key: str, depth: int) -> Iterator[str]:
    if isinstance(item, dict):
        for name, value in item.items():
            yield from _hosts_of_inspect(value, str(name), depth + 1)
    elif isinstance(item, list):
        for value in item:
            yield from _hosts_of_inspect(value, key, depth)
    elif isinstance(item, str) and (key in _HOST_KEYS or (key == "Name" and depth == 1)):
        yield item


def _names_of_node(node: NodeCapture) -> Iterator[str]:
    yield node.name
    for query, answer in node.answers.items():
        yield from _names_of_query(query)
        yield from _names_of_answer(query, answer)


def _names_of_query(query: Query) -> Iterator[str]:
    match query:
        case ReadFile():
            yield query.path
        case ReadTree():
            yield query.root
        case ReadGlob():
            yield from query.patterns
        case Command():
            yield from query.args
        case _:
            return


def _names_of_answer(query: Query, answer: Answer) -> Iterator[str]:
    for file in answer.files:
        yield file.path
        if file.stat is not None:
            yield from filter(None, (file.stat.link_target, file.stat.real_path))
        for found in (_PROGRAM, _YAML_KEY) if file.path.endswith((".conf", ".ini", ".yml", ".yaml")) else ():
            yield from (name.decode("latin-1") for name in found.findall(file.data))
    for box in _boxes(query, answer):
        yield from _names_of_inspect(box, "", "")


def _names_of_inspect(item: object, key: str, above: str) -> Iterator[str]:
    if isinstance(item, dict):
        for name, value in item.items():
            if key == "Networks":
                yield str(name)
            yield from _names_of_inspect(value, str(name), key)
    elif isinstance(item, list):
        for value in item:
            yield from _names_of_inspect(value, key, above)
    elif isinstance(item, str) and (_LABELS if above == "Labels" else _NAMES).fullmatch(key):
        yield item


def words_of_snapshot(snapshot: Snapshot) -> frozenset[str]:
    """Return the words of all names in a snapshot that would be masked as drawn."""
    return known_words(_names_of_snapshot(snapshot))


def _names_of_snapshot(snapshot: Snapshot) -> Iterator[str]:
    yield snapshot.target.address
    for node in snapshot.nodes:
        yield node.name
        yield from (path for path, _ in node.files)
        yield from node.missing_paths
    for service in snapshot.services:
        yield from _names_of_service(service)
    for container in snapshot.named_containers:
        yield from _names_of_container(container)
    for nginx in snapshot.nginxes:
        yield from (nginx.conf_path, nginx.error_log_path, nginx.prefix)
    for file in snapshot.files:
        yield from (file.path, file.real_path)
    for entry in snapshot.boot_entries:
        yield from (entry.file, entry.name)
    yield from (path for path, _ in snapshot.engine_files)
    if snapshot.compose is not None:
        yield from (snapshot.compose.project, snapshot.compose.working_dir, *snapshot.compose.config_files)
        yield from (missing.path for missing in snapshot.compose.missing_env_files)
        yield from (name for service in snapshot.compose.uncreated for name in (service.service, *service.names))


def _names_of_service(service: Service) -> Iterator[str]:
    yield from (service.id, service.name, *service.env_files, *service.absent_env_files)
    if service.boot_entry is not None:
        yield service.boot_entry.file
    yield from configured_sockets(service)
    yield from (network.name for network in service.compose_networks)
    if service.unit is not None:
        yield from (service.unit.name, service.unit.fragment_path, service.unit.working_directory)
    if service.container is not None:
        yield from _names_of_container(service.container)


def _names_of_container(container: Container) -> Iterator[str]:
    yield from (container.name, container.service or "", container.project or "", container.working_dir)
    yield from (name for network, _, aliases in container.networks for name in (network, *aliases))
    yield from (path for pair in container.shares for path in pair)
    yield from (path for source, to, _ in container.mounts for path in (source, to))
    yield from (value for label, value in container.labels if _LABELS.fullmatch(label))


def words_of_steps(steps: Iterable[Step]) -> frozenset[str]:
    """Return the words of all names that steps act on."""
    return known_words(_names_of_steps(steps))


def _names_of_steps(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        for field in _STEP_FIELDS:
            value = getattr(step, field, None)
            if isinstance(value, str):
                yield value
            elif isinstance(value, tuple):
                yield from value
