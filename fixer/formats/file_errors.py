"""Paths that a program could not use, parsed from the last lines of its log. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.lazy.regex import regex
from fixer.model.service import Service, configured_sockets

_PATH_ERRORS = (
    regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*Error: \[Errno (?P<errno>1|2|13|20|21|30)\] [^:]{1,60}: '(?P<path>/[^']+)'"),
    # Python itself, of the script that its command names
    regex(r"^\S{1,200}: can't open file '(?P<path>/[^']+)': \[Errno (?P<errno>1|2|13|20|21)\] "),
    regex(r"^(?:Error: )+'(?P<path>/[^']+)' isn't writable \[(?P<name>FileNotFoundError|PermissionError)\("),
    regex(r"^(?:Uncaught )?Error: (?P<name>EACCES|EISDIR|ENOENT|EPERM|EROFS): [^,]{1,60}, \w+ '(?P<path>/[^']+)'"),
)
# Messages about a file that is not there: of uWSGI about its application and its settings, of Deno and Bun.
_NOT_THERE = (
    regex(r"^failed to open python file (?P<path>/\S+)$"),
    regex(r"^realpath\(\) of (?P<path>/\S+) failed: No such file or directory"),
    regex(r"^open\(\"(?P<path>/[^\"]+)\"\): No such file or directory \[core/"),
    regex(r"^error: Module not found \"(?:file://)?(?P<path>/[^\"]+)\"\.?$"),
)
_NO_FOLDER = regex(r"^chdir\(\): No such file or directory \[core/uwsgi")     # uWSGI, of the folder of its command
# A shell, of the script that its command names.
_NO_SCRIPT = regex(r"^\S*\b(?:ba|da|a)?sh: (?:\d{1,9}: )?(?:(?:cannot|can't) open )?'?(?P<path>[^\s':]+)'?: "
                   r"No such file(?: or directory)?$")
# Servers' messages about a file in their command: the path may be relative to their working directory.
_OPTION_ERRORS = regex(r"^Error: (?:can't chdir to '(?P<folder>[^']+)'|'(?P<conf>[^']+)' doesn't exist"
               r"|Invalid value for '[^']+': (?:Path|File|Directory) '(?P<path>[^']+)' does not exist\.)$")
# Python's tempfile tries each, and does not say why none works; the first exists on every system.
_NO_TEMP = regex(r"^FileNotFoundError: \[Errno 2\] No usable temporary directory found in \['(?P<path>/[^']+)'")
_SQLITE = regex(r"^(?:[\w.]+\.)?\(?(?:sqlite3\.)?OperationalError\)?:? (?:\(sqlite3\.OperationalError\) )?"
                r"(?P<said>unable to open database file|attempt to write a readonly database)$")
_CONNECT_CALL = regex(r"\bconnect\(\s*[\"'](?:file:)?(?P<path>/[^\"'?{}]+)[\"'?]")
# A socket that could not be created: some servers name its path, for others only the call above shows it.
_SOCKETS = (
    regex(r"(?:^|\] )connection to (?P<path>/\S+) failed: \[Errno (?P<errno>2|13|30)\] "),
    regex(r"^Unable to check or remove stale UNIX socket '(?P<path>/[^']+)': \w+\((?P<errno>1|13|30), "),    # asyncio
    regex(r"\bListen failure: \[Errno (?P<errno>2|13|30)\] [^:]{1,60}: b?'(?P<path>/[^']+?)(?:\.lock)?'$"),   # Twisted
)
_UWSGI_SOCKET = regex(r"^(?:\w{3} .{20} - )?(?:error removing unix socket, unlink|bind)\(\): "
                      r"(?P<said>Permission denied|No such file or directory|Read-only file system) \[core/socket\.c ")
_UWSGI_CODES = {"Permission denied": "13", "No such file or directory": "2", "Read-only file system": "30"}
_PATHLESS_ERROR = regex(r"^(?:FileNotFound|Permission|OS)Error: \[Errno (?P<errno>2|13|30)\] "
                 r"(?:No such file or directory|Permission denied|Read-only file system)$")
_BIND_CALL = regex(r"\bcreate_unix_server\b|\bsock(?:et)?\.bind\(")
_UNNAMED_FOLDER = regex(r"^(?:Uncaught )?Error: (?P<name>EISDIR): [^,]{1,60}, \w+$")     # Node, while it reads
_FRAME = regex(r"^\s*File \"")
_TLS_CALL = regex(r"load_cert_chain|create_ssl_context|load_verify_locations")
_TLS_OPTIONS = (  # key first: most accounts may not read it
    frozenset({"--ssl-keyfile", "--keyfile"}), frozenset({"--ssl-certfile", "--certfile"}),
    frozenset({"--ssl-ca-certs", "--ca-certs"}),
)
_CALL_LINES = 8  # lines above an error that contain its call
_WRITE_ERROR = regex(r"isn't writable|\bconnection to /\S+ failed: |unable to open database file|readonly database|"
                r"remove stale UNIX socket|\bListen failure: |(?:unlink|bind)\(\): |"
                r", (?:mkdir|unlink|rename|symlink|chmod|chown) '")
_KEPT_SOCKET = regex(r"^(?:\w{3} .{20} - )?error removing unix socket, unlink\(\): |remove stale UNIX socket '")
_SQLITE_CODES = {"unable to open database file": "CANTOPEN", "attempt to write a readonly database": "READONLY"}
NEW_FILE_NAME = "badgateway-new"  # an unused name, to test whether a file can be created in a folder
MISSING_CODES = frozenset({"2", "20", "CANTOPEN", "FileNotFoundError", "ENOENT"})
FOLDER_CODES = frozenset({"21", "EISDIR"})  # a folder where a file is needed
READ_ONLY_CODES = frozenset({"30", "EROFS"})
NO_TEMP = "TEMP"


def absolute_path(path: str, service: Service) -> str:
    """Return the path, resolved against the service's working directory."""
    folder = service.start_folder
    return path if path.startswith("/") or not folder.startswith("/") else posixpath.join(folder, path)


def inaccessible_path(text: str) -> tuple[str, str] | None:
    """Return (path, number or name of the error) from a line that ends a program; None if it names none."""
    for pattern in _PATH_ERRORS:
        match = pattern.match(text)
        if match is not None:
            named = match.groupdict()
            return match["path"], named.get("errno") or named.get("name") or ""
    gone = next((match for pattern in _NOT_THERE if (match := pattern.match(text))), None)
    if gone is not None:
        return gone["path"], "ENOENT"
    of_command = _OPTION_ERRORS.match(text)
    if of_command is not None:
        return next(path for path in of_command.groups() if path), "ENOENT"
    none = _NO_TEMP.match(text)
    return None if none is None else (f"{none['path'].rstrip('/')}/{NEW_FILE_NAME}", NO_TEMP)


def inaccessible_path_at(texts: Sequence[str], index: int) -> tuple[str, str] | None:
    """Return the same from one line among others: SQLite names no path, but the call in the lines above does."""
    named = inaccessible_path(texts[index])
    said = _SQLITE.match(texts[index]) if named is None else None
    for text in reversed(texts[max(0, index - _CALL_LINES):index]) if said is not None else ():
        call = _CONNECT_CALL.search(text)
        if call is not None and said is not None:
            return call["path"], _SQLITE_CODES[said["said"]]
    return named


def inaccessible_socket_at(texts: Sequence[str], index: int, service: Service) -> tuple[tuple[str, ...], str]:
    """Return (paths, error number) of a socket that a program should create and could not: one of those that its own
    files configure. Of several, the log may not say which one failed."""
    text, told = texts[index], configured_sockets(service)
    if (kept := _UWSGI_SOCKET.match(text)) is not None:
        return told, _UWSGI_CODES[kept["said"]]
    named = next((match for pattern in _SOCKETS if (match := pattern.search(text))), None)
    bare = _PATHLESS_ERROR.match(text)
    if named is not None:
        return ((named["path"],), named["errno"]) if named["path"] in told else ((), "")
    if bare is None or len(told) != 1 or not any(_BIND_CALL.search(t)
                                                 for t in texts[max(0, index - _CALL_LINES):index]):
        return (), ""
    return told, bare["errno"]


def unread_script_at(texts: Sequence[str], index: int, service: Service) -> tuple[str, str] | None:
    """Return (path, name of the error) of a script that the shell of a container did not find: its command names it.
    What a unit starts is looked at where systemd says that it could not be."""
    box = service.container
    match = _NO_SCRIPT.match(texts[index]) if box is not None else None
    return (match["path"], "ENOENT") if match is not None and box is not None and match["path"] in box.argv else None


def last_frame(texts: Sequence[str], index: int) -> Sequence[str]:
    """Return the lines of the innermost call above an error: newer Pythons print two more lines per argument."""
    first = next((i for i in range(index - 1, -1, -1) if _FRAME.match(texts[i])), index)
    return texts[first:index]


def loads_tls(frame: Sequence[str]) -> bool:
    """Return whether a call loads certificate and key."""
    return any(_TLS_CALL.search(text) for text in frame)


def inaccessible_tls_at(texts: Sequence[str], index: int, argv: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return (paths, error number) if key and certificate could not be opened; Python does not say which.
    The paths are those in the command's options."""
    bare = _PATHLESS_ERROR.match(texts[index])
    if bare is None or not loads_tls(last_frame(texts, index)):
        return (), ""
    return tuple(path for options in _TLS_OPTIONS for path in _option_values(argv, options) if path.startswith("/")), \
        bare["errno"]


def unnamed_paths_at(texts: Sequence[str], index: int, service: Service) -> tuple[tuple[str, ...], str]:
    """Return (paths, error number) of a line that names no path, if only these can be meant: key and certificate or the
    folder of the command, its sockets, or what a container mounts under the name of a file."""
    if (sockets := inaccessible_socket_at(texts, index, service))[0]:
        return sockets
    if _NO_FOLDER.match(texts[index]):
        return tuple(_option_values(service.argv, frozenset({"--chdir"}))), "ENOENT"
    told = _UNNAMED_FOLDER.match(texts[index])
    if told is None or service.container is None:
        return inaccessible_tls_at(texts, index, service.argv)
    named = tuple(at for _, at, _ in service.container.mounts if posixpath.splitext(at)[1])
    return named, told["name"] if named else ""


def _option_values(argv: Sequence[str], options: frozenset[str]) -> list[str]:
    """Return the values of these options, as separate arguments or after `=`."""
    own = [argv[i + 1] for i in range(len(argv) - 1) if argv[i] in options]
    return own + [word.partition("=")[2] for word in argv if "=" in word and word.partition("=")[0] in options]


def is_socket_kept(texts: Sequence[str], path: str) -> bool:
    """Return whether a server says that it could not remove the socket of an earlier run: then that is in its way, and
    no other program. `path` is the socket, empty where it names none."""
    return any(_KEPT_SOCKET.search(text) or (path and (named := inaccessible_path(text)) is not None
                                             and named[0] == path) for text in texts)


def is_write_error(text: str) -> bool:
    """Return whether the line itself says that the file was to be written."""
    return _WRITE_ERROR.search(text) is not None or _NO_TEMP.match(text) is not None
