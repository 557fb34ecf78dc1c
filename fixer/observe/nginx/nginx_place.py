"""One nginx instance of a node: build options, deleted logs, and parts of its configuration that were not read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Unknown
from fixer.model.nginx_config import NginxConfig
from fixer.model.query import Command, FileAnswer, Query, ReadFile, ReadGlob, ReadTree
from fixer.model.snapshot import Process
from fixer.observe.view.node_view import View


@dataclass(frozen=True, slots=True)
class NginxInstance:
    """One nginx of a node: the running master with its live workers, or how it would start."""

    binary: str
    conf: str
    prefix: str
    explicit: bool
    master: Process | None
    workers: tuple[Process, ...]
    log_option: str = ""
    has_conf_option: bool = False       # -c overrides the built-in configuration path

    @property
    def conf_folder(self) -> str:
        """Return the folder of the main file, which relative includes start from."""
        return posixpath.dirname(self.conf)


# An nginx built from source: where its binary is, and the files that it reads by default.
BUILT_BINARY = "/usr/local/nginx/sbin/nginx"       # default of `make install`
BUILT_PREFIX = "/usr/local/nginx"
_PACKAGED_FOLDERS = ("/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/")
_VERSION = regex(r"(?m)^nginx version: nginx/(\d{1,4})\.(\d{1,4})\.(\d{1,4})\b")
_DELETED = " (deleted)"
_BUILD_OPTION = regex(r"--(prefix|conf-path|error-log-path)=['\"]?([^\s'\"]+)")


def is_packaged(binary: str) -> bool:
    """Return whether the binary has a package's path: its default files are known."""
    return binary.startswith(_PACKAGED_FOLDERS)


def build_option_queries(place: NginxInstance, config: Fact[NginxConfig], view: View) -> Iterator[Query]:
    """Yield queries for built-in paths of a stopped nginx, and for a source build if the packaged one has no routes.

    A running one is asked too if its configuration was not found. The binary is run only if it is root's.
    """
    if view.node.kind != "machine":
        return
    ours = place.master is None or place.master.uid == 0
    if not is_packaged(place.binary):
        if not place.has_conf_option and ours and (place.master is None or isinstance(config, Unknown)):
            yield Command("nginx-version", (place.binary,))
    elif place.master is None and (isinstance(config, Unknown) or not config.value.routes):
        yield ReadFile(BUILT_BINARY, 0)


def has_built_binary(view: View) -> bool:
    """Return whether there is a source build at the default path."""
    file = view.files.get(BUILT_BINARY)
    return file is not None and file.stat is not None and file.stat.end.kind == "file"


def with_build_options(place: NginxInstance, view: View) -> NginxInstance:
    """Return the instance with the paths of its `nginx -V` for what its command does not set."""
    answer = view.node.answers.get(Command("nginx-version", (place.binary,)))
    if answer is None or place.has_conf_option or answer.status != "ok" or is_packaged(place.binary):
        return place
    said = dict(_BUILD_OPTION.findall((answer.stderr + answer.data).decode("utf-8", "replace")))
    if not said:
        return place
    home = posixpath.join("/", said.get("prefix", BUILT_PREFIX))
    conf = posixpath.normpath(posixpath.join(home, said.get("conf-path", "conf/nginx.conf")))
    log = posixpath.normpath(posixpath.join(home, said.get("error-log-path", "logs/error.log")))
    return replace(place, conf=conf, prefix=place.prefix if place.explicit else home,
                   log_option=place.log_option or log)


def program_version(place: NginxInstance, view: View) -> tuple[int, ...]:
    """Return the version of its program, as `nginx -V` says; empty if unknown, or if the program was replaced since."""
    answer = view.node.answers.get(Command("nginx-version", (place.binary,)))
    if answer is None or answer.status != "ok" or is_replaced(place):
        return ()
    match = _VERSION.search((answer.stderr + answer.data).decode("utf-8", "replace"))
    return tuple(map(int, match.groups())) if match is not None else ()


def is_replaced(place: NginxInstance) -> bool:
    """Return whether the running master is of a file that an upgrade replaced: the new one says nothing of it."""
    return place.master is not None and place.master.exe.or_else("").endswith(_DELETED)


def has_no_routes(config: NginxConfig | None) -> bool:
    """Return whether a configuration that was read has no routes and no problems."""
    return config is not None and not config.routes and not config.problems


# A deleted log: the running nginx still writes to it, and /proc/PID/fd still reads it. It is among the first files that
# nginx opens; in the background it is also nginx's stderr.
_LOG_DESCRIPTORS = (2, 3, 4)


def deleted_log_queries(place: NginxInstance, paths: Sequence[str], view: View, tail: int) -> Iterator[Query]:
    """Yield queries for the folder of a missing log of a running nginx, and for the master's open files."""
    for path in paths:
        if place.master is not None and path.startswith("/") and _is_log_absent(path, view, tail):
            yield ReadFile(posixpath.dirname(path), 0)
            yield from (ReadFile(f"/proc/{place.master.pid}/fd/{fd}", tail, tail=True) for fd in _LOG_DESCRIPTORS)


def _is_log_absent(path: str, view: View, tail: int) -> bool:
    answer = view.node.answers.get(ReadFile(path, tail, tail=True))
    return answer is not None and (answer.status == "absent" or any(f.status == "absent" for f in answer.files))


def deleted_log(place: NginxInstance, path: str, view: View, tail: int) -> FileAnswer | None:
    """Return the deleted file itself; None if the master does not hold it or was not read."""
    if place.master is None:
        return None
    for fd in _LOG_DESCRIPTORS:
        answer = view.node.answers.get(ReadFile(f"/proc/{place.master.pid}/fd/{fd}", tail, tail=True))
        for file in answer.files if answer is not None else ():
            if file.stat is not None and file.stat.link_target == path + _DELETED and file.status == "ok":
                return file
    return None


def has_missing_folder(paths: Sequence[str], view: View) -> bool:
    """Return whether the folder of a log is missing: nginx could neither start nor reload."""
    folders = [view.files.get(posixpath.dirname(path)) for path in paths if path.startswith("/")]
    return any(folder is not None and folder.status == "absent" for folder in folders)


# Limits for the second query of a configuration that the first one truncated.
MAX_CONFIG_BYTES = 32 << 20      # bytes of one file
MAX_CONFIG_FILES = 20_000         # files below one folder
MOST_CONFIG_BYTES = 64 << 20      # bytes of all files: what is truncated beyond is reported, not read
TREE_DEPTH = 5        # slashes of a path that the tree of /etc/nginx reaches for certain

_GLOB_CHARACTERS = frozenset("*?[]\\")


def remaining_config_queries(config: NginxConfig | None, view: View) -> Iterator[Query]:
    """Yield queries for folders with more files than were read, and for truncated files."""
    for query in _truncated_lists(view):
        if query.max_files < MAX_CONFIG_FILES:
            yield replace(query, max_files=MAX_CONFIG_FILES)
    left = MOST_CONFIG_BYTES - sum(len(file.data) for file in view.conf_files.values())
    for path in _truncated_files(config, view):
        stat = view.conf_files[path].stat
        left -= min(MAX_CONFIG_BYTES, stat.end.size if stat is not None else MAX_CONFIG_BYTES)
        if left < 0:
            return
        if not _GLOB_CHARACTERS.intersection(path):
            yield ReadGlob((path,), MAX_CONFIG_BYTES, 1)


def truncated_config_text(config: NginxConfig, view: View) -> str:
    """Return which part of the configuration was not read; empty if it is complete."""
    for query in _truncated_lists(view):
        where = query.root if isinstance(query, ReadTree) else " ".join(query.patterns)
        return f"{where}: more than {query.max_files} files, and the rest was not read"
    for path in _truncated_files(config, view):
        return f"{path}: only its first {len(view.conf_files[path].data)} bytes were read"
    return ""


def _truncated_lists(view: View) -> Iterator[ReadGlob | ReadTree]:
    """Yield truncated lists of nginx's files that no longer list replaces."""
    asked = [(q, a) for q, a in view.node.answers.items() if view.is_nginx_query(q)]
    for query, answer in asked:
        assert isinstance(query, ReadGlob | ReadTree)
        longer = replace(query, max_files=MAX_CONFIG_FILES)
        if answer.message.startswith("more than ") and (query == longer or longer not in view.node.answers):
            yield query


def _truncated_files(config: NginxConfig | None, view: View) -> Iterator[str]:
    for path in config.files if config is not None else ():
        file = view.conf_files.get(path)
        if file is not None and file.truncated:
            yield path


def was_listed(pattern: str, view: View) -> bool:
    """Return whether the tree that was read lists every match; linked folders are not followed."""
    if not pattern.startswith("/etc/nginx/") or pattern.count("/") > TREE_DEPTH or ".." in pattern:
        return False
    parts = pattern.split("/")
    return not any("/".join(parts[:i]) in view.conf_files for i in range(3, len(parts)))


def unread_include_text(config: NginxConfig, view: View) -> str:
    """Return the included file that was not queried before the rounds ended; empty if there is none."""
    for path in config.missing:
        asked = path in view.conf_files or ReadGlob((path,)) in view.node.answers or was_listed(path, view)
        if not asked and not _GLOB_CHARACTERS.intersection(path):
            return f"{path}: included but not read"
    return ""
