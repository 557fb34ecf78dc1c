"""A configuration beyond what a first look reads: what was cut is asked for whole, what stays cut is unknown."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.dataclass import replace
from fixer.model.nginx_config import NginxConfig
from fixer.model.query import Query, ReadGlob, ReadTree
from fixer.observe.view.node_view import View

WHOLE = 32 << 20      # bytes of one file
MANY = 20_000         # files below one folder
TREE_DEPTH = 5        # slashes of a path that the tree of /etc/nginx surely reached

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


def was_listed(pattern: str, view: View) -> bool:
    """Whether the tree that was read shows every match: not behind a linked folder, which is not followed."""
    if not pattern.startswith("/etc/nginx/") or pattern.count("/") > TREE_DEPTH or ".." in pattern:
        return False
    parts = pattern.split("/")
    return not any("/".join(parts[:i]) in view.conf_files for i in range(3, len(parts)))


def never_read(config: NginxConfig, view: View) -> str:
    """The file that is included and that nobody asked for before the rounds ended; empty where there is none."""
    for path in config.missing:
        asked = path in view.conf_files or ReadGlob((path,)) in view.node.answers or was_listed(path, view)
        if not asked and not _WILD.intersection(path):
            return f"{path}: included, and not read"
    return ""
