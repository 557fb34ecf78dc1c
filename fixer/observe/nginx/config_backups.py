"""Backup copies of a configuration file that nginx rejects: their queries, and those that were read completely."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.backup_names import backup_patterns, is_backup_name
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import FileAnswer, Query, ReadGlob
from fixer.model.snapshot import Container
from fixer.nginx.error_log import parse_test_output
from fixer.observe.docker.container_service import logs_query
from fixer.observe.nginx.nginx_masters import config_test_result
from fixer.observe.nginx.nginx_place import was_listed
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import ENGINE, View, container_of, is_readable

with lazy_imports():  # not needed in most looks
    from fixer.observe.view.docker_inspect import host_path

MOST_REFUSED = 3              # rejected files that are checked
UNREAD_KIND = "missing-include"      # kind of a problem: the file may only not be read yet
LAST_LINES = 10       # of a container's log before it ended

_EMERG_LINE = regex(rb"(?m:^)(?=[^\n]*:\d+\s*$)(?>.*?\[emerg\]).* in (?P<path>/[^\n]+):\d+\s*$")


def backup_queries(site: Site, views: Mapping[str, View], containers: tuple[Container, ...],
                   ) -> Iterator[tuple[str, Query]]:
    """Yield queries for longer names of a rejected file, unless a tree that was read lists them already."""
    for node, path in _lasting_paths(site, views, containers):
        patterns = backup_patterns(path)
        if patterns and (node != site.view.name or not was_listed(path, site.view)):
            yield node, ReadGlob(patterns)


def complete_backups(site: Site, views: Mapping[str, View],
                     containers: tuple[Container, ...]) -> Iterator[tuple[str, str]]:
    """Yield (node, path) of copies that are regular files and were read completely."""
    for node, path in _lasting_paths(site, views, containers):
        folder, name = posixpath.split(path)
        for beside, file in views[node].files.items():
            there, called = posixpath.split(beside)
            if there == folder and is_backup_name(called, name) and _is_complete(file):
                yield node, beside


def _is_complete(file: FileAnswer) -> bool:
    return is_readable(file) and not file.truncated and file.stat is not None and file.stat.kind == "file"


def _lasting_paths(site: Site, views: Mapping[str, View],
                   containers: tuple[Container, ...]) -> Iterator[tuple[str, str]]:
    """Yield the permanent (node, path) of each rejected file: as named and its link target, or the host's path."""
    box = container_of(site.view.name, containers)
    for named in dict.fromkeys(_refused_files(site, views, box)):
        file = site.view.files.get(named)
        real = file.stat.real_path if file is not None and file.stat is not None and file.stat.real_path else named
        if box is None or box.is_machine:
            yield from ((site.view.name, path) for path in dict.fromkeys((posixpath.normpath(named), real)))
            continue
        mount = host_path(box, real)
        if mount is not None and ENGINE in views:
            yield ENGINE, mount[0]


def _refused_files(site: Site, views: Mapping[str, View], box: Container | None) -> tuple[str, ...]:
    """Return files that `nginx -t`, our own parser, or the log of the stopped container's nginx reports as invalid."""
    tested = config_test_result(site.nginx, site.view)
    found = [p.file for p in parse_test_output(tested.value[1]) if p.fatal] if isinstance(tested, Known) else []
    if isinstance(site.config, Known):
        found += [problem.file for problem in site.config.value.problems if problem.fatal
                  and problem.kind != UNREAD_KIND]
    if box is not None and ENGINE in views and site.nginx.master is None:
        told = views[ENGINE].node.answers.get(logs_query(box))
        lines = (told.data + b"\n" + told.stderr).strip().split(b"\n")[-LAST_LINES:] if told is not None else []
        found += [m["path"].decode("utf-8", "surrogateescape") for m in map(_EMERG_LINE.search, lines) if m is not None]
    return tuple(path for path in found if path)[:MOST_REFUSED]
