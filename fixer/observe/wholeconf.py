"""A configuration beyond what a first look reads: what was cut is asked for whole, what stays cut is unknown."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model.nginxconf import NginxConfig
from fixer.model.query import Query, ReadGlob, ReadTree
from fixer.model.record import replace
from fixer.observe.view import View

WHOLE = 32 << 20      # bytes of one file
MANY = 20_000         # files below one folder

_WILD = frozenset("*?[]\\")


def uncut(config: NginxConfig | None, view: View) -> Iterator[Query]:
    """Folders with more files than were read, and files that were read in part."""
    for query in _cut_lists(view):
        if query.max_files < MANY:
            yield replace(query, max_files=MANY)
    for path in _cut_files(config, view):
        if not _WILD.intersection(path):
            yield ReadGlob((path,), WHOLE, 1)


def still_cut(config: NginxConfig, view: View) -> str:
    """What of the configuration was not read, empty where all of it was."""
    for query in _cut_lists(view):
        where = query.root if isinstance(query, ReadTree) else " ".join(query.patterns)
        return f"{where}: more than {query.max_files} files, and the rest was not read"
    for path in _cut_files(config, view):
        return f"{path}: only its first {len(view.conf_files[path].data)} bytes were read"
    return ""


def _cut_lists(view: View) -> Iterator[ReadGlob | ReadTree]:
    """Lists of nginx's files that ended early and that no longer list replaces."""
    asked = [(q, a) for q, a in view.node.answers.items() if view.is_of_nginx(q)]
    for query, answer in asked:
        assert isinstance(query, ReadGlob | ReadTree)
        longer = replace(query, max_files=MANY)
        if answer.message.startswith("more than ") and (query == longer or longer not in view.node.answers):
            yield query


def _cut_files(config: NginxConfig | None, view: View) -> Iterator[str]:
    for path in config.files if config is not None else ():
        file = view.conf_files.get(path)
        if file is not None and file.truncated:
            yield path
