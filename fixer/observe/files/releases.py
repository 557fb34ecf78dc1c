"""Releases beside the one that runs: where a service starts behind a link (`current`), what else it could lead to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.start_files import app_file, start_words, within_release
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.service import Service
from fixer.observe.files.application_code import LIMIT, named_sources, names_no_target
from fixer.observe.view.node_view import View

DEPTH = 6                # folders of a path that are looked at
MOST = 40                # releases
_OF_SYSTEM = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/etc/", "/proc/", "/dev/", "/bin/", "/lib", "/sbin/")


def release_queries(service: Service, view: View | None) -> Iterator[Query]:
    """First whether a folder that it starts in is a link, then the same file of all that lies beside its end."""
    if view is None or service.container is not None:
        return
    sources = _sources(service)
    for path in _folders(service) if sources else ():
        yield ReadFile(path, 1)
    for source in sources:
        yield from (query for query in (_beside(view, service, source),) if query is not None)


def release_paths(service: Service, view: View | None) -> Iterator[str]:
    """The files of other releases that were read."""
    for source in _sources(service) if view is not None and service.container is None else ():
        query = _beside(view, service, source) if view is not None else None
        answer = view.node.answers.get(query) if view is not None and query is not None else None
        yield from (file.path for file in answer.files if file.status == "ok") if answer is not None else ()


def _sources(service: Service) -> tuple[str, ...]:
    """What its log names, or the file of the application that it did not find where it starts."""
    folder = service.unit.working_directory if service.unit is not None else ""
    inside = app_file(service.argv) if folder.startswith("/") and names_no_target(service) else None
    return (*named_sources(service), *(() if inside is None else (posixpath.join(folder, inside),)))


def _beside(view: View, service: Service, source: str) -> ReadGlob | None:
    for path in _folders(service):
        file = view.files.get(path)
        place = None if file is None or file.stat is None else within_release(path, file.stat, source)
        if place is not None:
            release, inner = place
            plain = "".join(f"\\{c}" if c in "*?[\\" else c for c in posixpath.dirname(release))
            return ReadGlob((f"{plain}/*/{inner}",), LIMIT, MOST)
    return None


def _folders(service: Service) -> tuple[str, ...]:
    """The folders that lead to where it starts, and to the programs and folders that its command names."""
    words = start_words(service)
    found: dict[str, None] = {}
    for word in words:
        parts = posixpath.normpath(word).strip("/").split("/") if word.startswith("/") else []
        for count in range(2, min(len(parts), DEPTH) + 1):
            found.setdefault("/" + "/".join(parts[:count]))
    return tuple(path for path in found if not path.startswith(_OF_SYSTEM))
