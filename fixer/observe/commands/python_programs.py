"""Programs of unknown servers: their source files, whether they serve HTTP, and the ports in code and settings."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from fixer.formats.launchers import skip_launchers
from fixer.formats.numbers import is_number
from fixer.formats.server_names import runtime_of, script_of
from fixer.formats.settings_ports import listening_ports, settings_files
from fixer.formats.shell_words import Env
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Binding, Service, Unit
from fixer.observe.commands.resolved_command import ServiceCommand, command_of_unit
from fixer.observe.view.node_view import View

# What a web application imports, or calls; a bare socket server does not.
_WEB_IMPORT = regex(
    rb"\b(?:uvicorn|hypercorn|gunicorn|waitress|granian|daphne|flask|fastapi|starlette|aiohttp|tornado|sanic|bottle|"
    rb"cherrypy|django|falcon|pyramid|quart|litestar|blacksheep|robyn|cheroot|gevent\.pywsgi|eventlet\.wsgi|"
    rb"wsgiref|http\.server|BaseHTTPServer|twisted\.web|werkzeug|connexion|nicegui|streamlit|gradio|dash|"
    rb"websockets|socketio|wsproto|autobahn|grpc(?:\.aio)?\.server)\b",
    re.IGNORECASE,
)
_DEFINES = regex(r"\b(?:def|class)\s+$")
_NO_LINE_END = regex(r"[^\n]")


def program_paths(argv: Sequence[str], directory: str) -> tuple[str, ...]:
    """Return the possible source paths of a python command: its script, or the module of `-m` in its directory."""
    script = script_of(argv)
    if runtime_of(argv) != "python" and not (script or "").endswith(".py"):      # a script that runs itself
        return ()
    if script is not None:
        return (posixpath.normpath(posixpath.join(directory or "/", script)),)
    rest = list(argv[skip_launchers(argv) :])
    if "-m" not in rest[:-1]:
        return ()
    path = rest[rest.index("-m") + 1].replace(".", "/")
    return tuple(posixpath.normpath(posixpath.join(directory or "/", path + end)) for end in (".py", "/__main__.py"))


def is_no_web_program(argv: Sequence[str], directory: str, view: View | None) -> bool:
    """Return True if the source was read and serves no web application; unread source counts as one."""
    read = [view.data(path) for path in program_paths(argv, directory)] if view is not None else []
    known = [data for data in read if data is not None]
    return bool(known) and not any(_WEB_IMPORT.search(data) for data in known)


MOST_CALLS = 20
_MAX_ARGUMENTS_LENGTH = 600           # characters of a call's arguments
_MAX_NAME_DEPTH = 4              # names that refer to other names

_TEXT_AND_COMMENTS = regex(r"(?s)\"\"\".*?\"\"\"|'''.*?'''|(?m:(?:^|(?<=\s))#[^\n]*)")
# Calls that bind by (host, port) or host, port; others take a port only by keyword.
_BIND_CALL = regex(
    r"\b(?P<name>\w*HTTPServer|\w*TCPServer|\w*WSGIServer|StreamServer|make_server|run_simple|start_server|"
    r"create_server|TCPSite|listen|bind|bind_sockets|run|run_app|serve|Config|Server)\s*\("
)
_PORT_BY_KEYWORD = frozenset(("run", "run_app", "serve", "Config", "Server"))
_PORT_LITERAL = regex(r"^[\"']?(?:[\w.*-]*:)?(\d{1,5})[\"']?$")
_KEYWORD_ARGUMENT = regex(r"^(\w+)\s*=(?!=)\s*(.+)$")
_IDENTIFIER = regex(r"^[A-Za-z_]\w*$")
_ENV_LOOKUP = regex(
    r"^(?:os\.)?(?:environ\.get|getenv)\(\s*[\"'](\w+)[\"']\s*+(?:,\s*(\S(?:.*?\S)??))?\s*\)(?:\s*or\s*(.{1,200}))?$"
    r"|^(?:os\.)?environ\[\s*[\"'](\w+)[\"']\s*\]$"
)
_PARSED_ARGUMENT = regex(r"^(?:args|options|opts|ns|namespace)\.(\w+)$")


def ports_in_code(unit: Unit, told: ServiceCommand, view: View) -> tuple[Binding, ...]:
    """Return where the program of a stopped unit would listen, as far as its settings or its own source show it."""
    if unit.active_state == "active" or unit.main_pid or unit.load_state != "loaded" or unit.type == "oneshot":
        return ()
    found: dict[int, Binding] = {}
    for path in reversed(settings_files(told.argv, told.directory)):       # a later file overrides an earlier one
        for binding in listening_ports(path, view.data(path) or b""):
            found.setdefault(binding.port, binding)
        if found:
            return tuple(found.values())
    for path in program_paths(told.argv, told.directory):
        for binding in bindings_in_code(path, view.data(path) or b"", told.env):
            found.setdefault(binding.port, binding)
    return tuple(found.values())


def bindings_in_code(file: str, data: bytes, env: Env) -> Iterator[Binding]:
    """Yield each port that a call in the code binds, with the line of its number."""
    text = _TEXT_AND_COMMENTS.sub(_blank_out, data.decode("latin-1"))
    has_bind = ".bind(" in text
    for call in list(_BIND_CALL.finditer(text))[:MOST_CALLS]:
        if _DEFINES.search(text[max(0, call.start() - 40) : call.start()]):
            continue
        for argument, at in _call_arguments(text, call.end()):
            keyword = _KEYWORD_ARGUMENT.match(argument)
            if keyword is None and (call["name"] in _PORT_BY_KEYWORD or (call["name"] == "listen" and has_bind)):
                continue        # a socket's listen() takes the length of its queue
            if keyword is not None and keyword[1] not in ("port", "bind", "listen", "server_address", "address"):
                continue
            value = _port_of_tuple(keyword[2] if keyword is not None else argument)
            port, where = _resolve_port(value, at, text, env, _MAX_NAME_DEPTH)
            if port:
                line = text.count("\n", 0, where) + 1
                yield Binding("", port, None, Evidence("file", f"{file}:{line}", _line_at(text, where)))


def _blank_out(match: re.Match[str]) -> str:
    return _NO_LINE_END.sub(" ", match[0])


def _line_at(text: str, offset: int) -> str:
    return text[text.rfind("\n", 0, offset) + 1 : offset + 200].split("\n", 1)[0].strip()[:120]


def _call_arguments(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Yield (argument, offset) of a call whose `(` ends before `start`."""
    depth, begun, quote = 0, start, ""
    for at in range(start, min(len(text), start + _MAX_ARGUMENTS_LENGTH)):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            if word := text[begun:at].strip():
                yield word, begun + text[begun:at].index(word)
            if char == ")":
                return
            begun = at + 1


def _port_of_tuple(value: str) -> str:
    """Return the port of `(host, port)`."""
    if not (value.startswith("(") and value.endswith(")")):
        return value
    parts = [part for part, _ in _call_arguments(value, 1)]
    return parts[1] if len(parts) == 2 else ""


def _resolve_port(value: str, at: int, text: str, env: Env, depth: int) -> tuple[int, int]:
    """Return (port, offset of its number); port 0 if the code alone does not show it."""
    value = value.strip()
    while value.startswith(("int(", "str(")) and value.endswith(")"):
        value = value[4:-1].strip()
    if match := _PORT_LITERAL.match(value):
        port = int(match[1])
        return (port if 0 < port < 65536 else 0), at
    if not depth:
        return 0, at
    if match := _ENV_LOOKUP.match(value):
        given = env.get(match[1] or match[4])
        if given is not None:
            return (int(given.text) if is_number(given.text) and 0 < int(given.text) < 65536 else 0), at
        return _resolve_port(match[2] or match[3] or "", at, text, env, depth - 1)
    if match := _PARSED_ARGUMENT.match(value):
        name = rf"add_argument\([^()]{{0,80}}[\"']--{match[1]}[\"'][^()]{{0,200}}?\bdefault\s*=\s*([^,()\s]{{1,80}})"
        option = re.search(name, text)
        return _resolve_port(option[1], option.start(1), text, env, depth - 1) if option is not None else (0, at)
    if _IDENTIFIER.match(value):
        lines = list(re.finditer(rf"(?m)^[ \t]*{value}[ \t]*(?::[^=\n]{{1,80}})?=(?!=)[ \t]*([^\n]{{1,200}})$", text))
        if len(lines) == 1:         # with two assignments it is unclear which one counts
            return _resolve_port(lines[0][1], lines[0].start(1), text, env, depth - 1)
    return 0, at


PROGRAM_LIMIT = 64 << 10
MOST_PROGRAMS = 8
_SYSTEM_FOLDERS = ("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/systemd/", "/lib/systemd/")


def has_service_for_each_port(ports: Sequence[int], services: Sequence[Service], view: View) -> bool:
    """Return whether each port has a service that is configured for it, or whose code binds it."""
    told = {b.port for s in services if s.node == view.name
            for b in (*s.bindings.or_else(()), *s.code_bindings)}
    return all(port in told for port in ports)


def has_service_for_each_socket(paths: Sequence[str], services: Sequence[Service], view: View) -> bool:
    """Return whether each unix socket has a service that is configured for it, or whose code binds it."""
    told = {b.unix for s in services if s.node == view.name
            for b in (*s.bindings.or_else(()), *s.code_bindings)}
    return all(path in told for path in paths)


def code_queries(view: View) -> Iterator[Query]:
    """Yield queries for the programs of stopped units and their settings: a few, none of the system's own."""
    units = [unit for unit in dict.fromkeys(view.units.values()) if _is_stopped_service(unit)]
    paths = [path for unit in units for path in _program_files(unit, view)]
    yield from (ReadFile(path, PROGRAM_LIMIT) for path in sorted(dict.fromkeys(paths))[:MOST_PROGRAMS])


def _is_stopped_service(unit: Unit) -> bool:
    return unit.name.endswith(".service") and unit.load_state == "loaded" and unit.type != "oneshot" \
        and unit.active_state in ("inactive", "failed") and not unit.main_pid


def _program_files(unit: Unit, view: View) -> tuple[str, ...]:
    told = command_of_unit(unit, view)
    paths = (*settings_files(told.argv, told.directory), *program_paths(told.argv, told.directory))
    return tuple(p for p in paths if not p.startswith(_SYSTEM_FOLDERS))
