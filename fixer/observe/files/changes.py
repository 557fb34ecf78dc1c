"""What may have been mended since a program ended: names and ages of its code and settings, never what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.formats.source_paths import (
    drop_in_folders,
    folders_of,
    module_folders,
    named_paths,
    settings_folders,
    wanted_module,
)
from fixer.model.facts import Known
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.service import Service
from fixer.observe.files.application_code import folders_on_disk, on_disk
from fixer.observe.view.node_view import CHANGED_FILES

_ENDED = ("failed", "activating")
_BOXES = ("exited", "dead", "restarting")
_MOST = 4
_STATES = ("FATAL", "BACKOFF", "EXITED", "STARTING")


def change_queries(services: Sequence[Service]) -> Iterator[tuple[str, Query]]:
    """Of a service that ended by itself, or does so again and again."""
    for service in services:
        if not service.is_app_server or not isinstance(service.log, Known) or not _ended(service):
            continue
        if service.container is not None:
            yield from _mounted(service)
            continue
        patterns = tuple(_patterns(service))
        if patterns:
            yield service.node, ReadGlob(patterns, 0, CHANGED_FILES)
        yield from ((service.node, ReadFile(path, 0)) for path in named_paths(service))


def _mounted(service: Service) -> Iterator[tuple[str, Query]]:
    """A container's files are its image's: what is mounted into it can change."""
    named = (on_disk(service, folder) for folder in folders_of(service))
    places = dict.fromkeys((*(place for place in named if place is not None), *folders_on_disk(service)))
    for node, folder in tuple(places)[:_MOST]:
        plain = _plain(folder.rstrip("/"))
        yield node, ReadGlob((f"{plain}/*", f"{plain}/.env*", f"{plain}/*/*.py"), 0, CHANGED_FILES)


def _ended(service: Service) -> bool:
    if service.unit is not None:
        return service.unit.active_state in _ENDED or service.unit.n_restarts > 0
    if service.container is not None:
        return service.container.status in _BOXES or service.container.restart_count > 0
    return service.program is not None and service.program.state in _STATES


def _patterns(service: Service) -> Iterator[str]:
    for folder in map(_plain, folders_of(service)):
        yield from (f"{folder}/*", f"{folder}/.env*", f"{folder}/*/*.py")
    for place in map(_plain, settings_folders(service)):
        yield from (place, f"{place}.*", f"{place}/*")
    yield from map(_plain, drop_in_folders(service))
    module = wanted_module(service)
    if module:
        name = _plain(module.split(".")[0] if service.runtime != "node" else module)
        ends = ("",) if service.runtime == "node" else ("", ".py", ".*.so")
        for folder in module_folders(service):
            yield folder
            yield from (f"{folder}/{name}{end}" for end in ends)


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[\\" else c for c in text)
