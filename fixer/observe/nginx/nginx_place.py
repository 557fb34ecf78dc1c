"""One nginx of a node: what runs, or what would be started, and which file it reads."""

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
    """One nginx of a node: the running master with its live workers, or where it would start from."""

    binary: str
    conf: str
    prefix: str
    explicit: bool
    master: Process | None
    workers: tuple[Process, ...]
    log_option: str = ""
    has_conf_option: bool = False       # by -c which file to read: what it was built to read does not count

    @property
    def conf_folder(self) -> str:
        """What relative includes are relative to: the folder of the main file."""
        return posixpath.dirname(self.conf)


# An nginx that was built by hand: where its binary lies, and what it was built to read.
BUILT_BINARY = "/usr/local/nginx/sbin/nginx"       # where `make install` puts it unless told otherwise
BUILT_PREFIX = "/usr/local/nginx"
_PACKAGED_FOLDERS = ("/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/")
_BUILD_OPTION = regex(r"--(prefix|conf-path|error-log-path)=['\"]?([^\s'\"]+)")


def is_packaged(binary: str) -> bool:
    """Where packages put it: what it reads is known."""
    return binary.startswith(_PACKAGED_FOLDERS)


def build_option_queries(place: NginxInstance, config: Fact[NginxConfig], view: View) -> Iterator[Query]:
    """What one that does not run was built to read; beside a packaged one that serves nothing, whether there is one.

    Of one that runs the same where its file is not where it should be. The binary is only run where it is root's.
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
    """Whether somebody built one where it goes by default."""
    file = view.files.get(BUILT_BINARY)
    return file is not None and file.stat is not None and file.stat.end.kind == "file"


def with_build_options(place: NginxInstance, view: View) -> NginxInstance:
    """The place with what `nginx -V` of its binary says, for what its command leaves open."""
    answer = view.node.answers.get(Command("nginx-version", (place.binary,)))
    if answer is None or place.has_conf_option or answer.status != "ok":
        return place
    said = dict(_BUILD_OPTION.findall((answer.stderr + answer.data).decode("utf-8", "replace")))
    if not said:
        return place
    home = posixpath.join("/", said.get("prefix", BUILT_PREFIX))
    conf = posixpath.normpath(posixpath.join(home, said.get("conf-path", "conf/nginx.conf")))
    log = posixpath.normpath(posixpath.join(home, said.get("error-log-path", "logs/error.log")))
    return replace(place, conf=conf, prefix=place.prefix if place.explicit else home,
                   log_option=place.log_option or log)


def has_no_routes(config: NginxConfig | None) -> bool:
    """Whether a configuration that was read hands nothing on."""
    return config is not None and not config.routes and not config.problems


# A log that was deleted while nginx runs: it is written to all the same, and read by way of the process.
# the log is among the first that it opens, and its own stderr where it runs in the background
_LOG_DESCRIPTORS = (2, 3, 4)
_DELETED = " (deleted)"


def deleted_log_queries(place: NginxInstance, paths: Sequence[str], view: View, tail: int) -> Iterator[Query]:
    """Where a log is not there though nginx runs: its folder, and what the master holds."""
    for path in paths:
        if place.master is not None and path.startswith("/") and _is_log_absent(path, view, tail):
            yield ReadFile(posixpath.dirname(path), 0)
            yield from (ReadFile(f"/proc/{place.master.pid}/fd/{fd}", tail, tail=True) for fd in _LOG_DESCRIPTORS)


def _is_log_absent(path: str, view: View, tail: int) -> bool:
    answer = view.node.answers.get(ReadFile(path, tail, tail=True))
    return answer is not None and (answer.status == "absent" or any(f.status == "absent" for f in answer.files))


def deleted_log(place: NginxInstance, path: str, view: View, tail: int) -> FileAnswer | None:
    """The deleted file itself, None where nobody holds it or could look."""
    if place.master is None:
        return None
    for fd in _LOG_DESCRIPTORS:
        answer = view.node.answers.get(ReadFile(f"/proc/{place.master.pid}/fd/{fd}", tail, tail=True))
        for file in answer.files if answer is not None else ():
            if file.stat is not None and file.stat.link_target == path + _DELETED and file.status == "ok":
                return file
    return None


def has_missing_folder(paths: Sequence[str], view: View) -> bool:
    """The folder of a log is not there: nginx could not start again, and no reload would be accepted."""
    folders = [view.files.get(posixpath.dirname(path)) for path in paths if path.startswith("/")]
    return any(folder is not None and folder.status == "absent" for folder in folders)


# A configuration beyond what a first look reads: what was cut is asked for whole, what stays cut is unknown.
MAX_CONFIG_BYTES = 32 << 20      # bytes of one file
MAX_CONFIG_FILES = 20_000         # files below one folder
TREE_DEPTH = 5        # slashes of a path that the tree of /etc/nginx surely reached

_GLOB_CHARACTERS = frozenset("*?[]\\")


def remaining_config_queries(config: NginxConfig | None, view: View) -> Iterator[Query]:
    """Folders with more files than were read, and files that were read in part."""
    for query in _truncated_lists(view):
        if query.max_files < MAX_CONFIG_FILES:
            yield replace(query, max_files=MAX_CONFIG_FILES)
    for path in _truncated_files(config, view):
        if not _GLOB_CHARACTERS.intersection(path):
            yield ReadGlob((path,), MAX_CONFIG_BYTES, 1)


def truncated_config_text(config: NginxConfig, view: View) -> str:
    """What of the configuration was not read, empty where all of it was."""
    for query in _truncated_lists(view):
        where = query.root if isinstance(query, ReadTree) else " ".join(query.patterns)
        return f"{where}: more than {query.max_files} files, and the rest was not read"
    for path in _truncated_files(config, view):
        return f"{path}: only its first {len(view.conf_files[path].data)} bytes were read"
    return ""


def _truncated_lists(view: View) -> Iterator[ReadGlob | ReadTree]:
    """Lists of nginx's files that ended early and that no longer list replaces."""
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
    """Whether the tree that was read shows every match: not behind a linked folder, which is not followed."""
    if not pattern.startswith("/etc/nginx/") or pattern.count("/") > TREE_DEPTH or ".." in pattern:
        return False
    parts = pattern.split("/")
    return not any("/".join(parts[:i]) in view.conf_files for i in range(3, len(parts)))


def unread_include_text(config: NginxConfig, view: View) -> str:
    """The file that is included and that nobody asked for before the rounds ended; empty where there is none."""
    for path in config.missing:
        asked = path in view.conf_files or ReadGlob((path,)) in view.node.answers or was_listed(path, view)
        if not asked and not _GLOB_CHARACTERS.intersection(path):
            return f"{path}: included, and not read"
    return ""
