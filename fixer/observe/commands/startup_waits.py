"""Conditions that a start script waits for before it starts its server, read as text and never run."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from fixer.formats.dependency_systems import SYSTEMS, port_of
from fixer.formats.launchers import SHELLS, program_name, shell_text_index, skip_launchers
from fixer.formats.numbers import is_number
from fixer.formats.run_output import CONNECT_CALL
from fixer.formats.server_names import SERVERS, runtime_of, script_of
from fixer.formats.shell_words import (
    Piece,
    Word,
    expand_word,
    expand_words,
    literal_word,
    shell_words,
    split_assignment,
)
from fixer.formats.wrapper_scripts import simple_commands
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Container, Process, Service
from fixer.observe.commands.dependencies import dependencies_of
from fixer.observe.commands.resolved_command import SYSTEM_FOLDERS, CommandTrace, ServiceCommand, trace_command
from fixer.observe.view.node_view import View

with lazy_imports():
    from fixer.redaction.commands import redact_argv

SCRIPT_LIMIT = 64 << 10
MOST = 12
_MOST_OF_FUNCTION = 4096
_LOOPS = frozenset({"until", "while"})
_SYNTAX = frozenset({"until", "while", "if", "elif", "!", "(", "{", "do", "then", "else"})
_TESTS = frozenset({"-f", "-e", "-s", "-S", "-d", "-r", "-p", "-x", "-h", "-L"})
_DEV_TCP = regex(r"/dev/tcp/([\w.:-]+)/(\d{1,5})")
_URL = regex(r"\b(?:https?|tcp)://(?:[^\s/@\"']*@)?(\[[0-9a-fA-F:]+\]|[\w.-]+)(?::(\d{1,5}))?")
_HOST_PORT = regex(r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.-]+):(\d{1,5})$")
_URL_USER = regex(r"://[^\s/@]*@")
_FUNCTION = regex(r"(?m)^[ \t]*(?:function[ \t]+)?([A-Za-z_][\w-]*)[ \t]*\(\)\s*\{")
_FUNCTION_END = regex(r"(?m)^[ \t]*\}")
# an address in a program's text: in the call that connects, or host and port by their names
_CALLED = regex(CONNECT_CALL + r"[\"'](?P<host>[\w.:-]{1,255})[\"'], {0,4}[\"']?(?P<port>\d{1,5})\b")
_HOST_NAMED = regex(r"\bhost ?= ?[\"']([\w.-]{1,255})[\"']")
_PORT_NAMED = regex(r"\bport ?= ?[\"']?(\d{1,5})\b")
_CONNECT_TOOLS = frozenset({"nc", "ncat", "netcat", "nc.openbsd", "nc.traditional", "telnet"})
_HTTP_TOOLS = frozenset({"curl", "wget"})
_WAIT_TOOL = regex(r"^(?:wait[-_]?(?:for|on)[\w-]{0,40}|wait4x|dockerize)(?:\.sh|\.py)?$")
_HOST_OPTION, _PORT_OPTION = regex(r"^(?:-h|--(?:[a-z]+[-_])?host)$"), regex(r"^(?:-p|-P|--(?:[a-z]+[-_])?port)$")
_NC_VALUE_OPTIONS = frozenset({"-w", "-G", "-i", "-p", "-s", "-X", "-x", "-q"})


@dataclass(frozen=True, slots=True)
class _DatabaseClient:
    """A program that checks one kind of system: its options for the address."""

    engine: str
    host_options: tuple[str, ...]
    port_options: tuple[str, ...]


_DATABASE_CLIENTS = {
    **dict.fromkeys(("pg_isready", "psql"), _DatabaseClient("postgresql", ("-h", "--host"), ("-p", "--port"))),
    "redis-cli": _DatabaseClient("redis", ("-h",), ("-p",)),
    "valkey-cli": _DatabaseClient("redis", ("-h",), ("-p",)),
    **dict.fromkeys(("mysqladmin", "mysql", "mariadb-admin", "mariadb"),
                    _DatabaseClient("mysql", ("-h", "--host"), ("-P", "--port"))),
}


def is_shell(argv: Sequence[str]) -> bool:
    """Return whether it is a shell with a script or a `-c` text."""
    return len(argv) > 1 and argv[0].lstrip("-").rpartition("/")[2] in SHELLS


def wait_queries(services: Sequence[Service], views: Mapping[str, View]) -> Iterator[tuple[str, Query]]:
    """Yield queries for the scripts of shells in a service, then for the files that they wait for."""
    for service in services:
        view = views.get(service.node)
        if view is None or not (service.is_app_server or service.container is not None):
            continue
        for process in (view.by_pid[pid] for pid in service.pids[:MOST] if pid in view.by_pid):
            if is_shell(process.argv) and (path := _script_path(process)):
                yield service.node, ReadFile(path, SCRIPT_LIMIT)
        yield from ((service.node, ReadFile(one.path, 0)) for one in service.startup_waits if one.path)


def shell_queries(view: View) -> Iterator[Query]:
    """Yield queries for scripts of unmanaged shells: one of them may start the missing server."""
    shells = [p for p in view.by_pid.values() if is_shell(p.argv) and p.pid not in view.process_table.containers]
    paths = dict.fromkeys(path for p in shells if (path := _script_path(p)) and not path.startswith(SYSTEM_FOLDERS))
    yield from (ReadFile(path, SCRIPT_LIMIT) for path in list(paths)[:MOST])


def command_of_shell(process: Process, view: View) -> ServiceCommand | None:
    """Return the server that a shell's script will start; None if it starts none.
    The shell's variables are not read: a command that needs one has no known bindings."""
    follow = CommandTrace(view.contents(), process.cwd.or_else("/"))
    said = Evidence("process", f"pid {process.pid}", " ".join(redact_argv(list(process.argv)))[:200])
    words, env, style, said = trace_command([literal_word(word) for word in process.argv], {}, said, follow)
    told = ServiceCommand(tuple(words), env, said, style, follow.directory, tuple(follow.source_files),
                          script=follow.script)
    return told if style == "shell" and runtime_of(told.argv) not in ("", "binary", "python") else None


def waits_of(pids: Sequence[int], told: ServiceCommand, view: View) -> tuple[Dependency, ...]:
    """Return what the shells among these processes wait for before their server, and what they check now.
    Empty if none of them is a shell."""
    if not any(is_shell(view.by_pid[pid].argv) for pid in pids[:MOST] if pid in view.by_pid):
        return ()
    found: dict[tuple[object, ...], Dependency] = {}
    for process in (view.by_pid[pid] for pid in pids[:MOST] if pid in view.by_pid):
        if is_shell(process.argv):
            for one in _waits_of_shell(process, told, view):
                found.setdefault((one.host, one.port, one.path, one.wanted), one)
        elif (now := checked_dependency([literal_word(word) for word in process.argv])) is not None:
            said = Evidence("process", f"pid {process.pid}", " ".join(process.argv)[:120])
            found.setdefault((now.host, now.port, now.path, True), replace(now, source=said))
    return tuple(_with_presence(one, view) for one in list(found.values())[:MOST])


def waits_of_container(box: Container, command: tuple[Word, ...], env: Mapping[str, Word], processes: Sequence[Process],
                       view: View | None) -> tuple[tuple[Dependency, ...], tuple[Dependency, ...]]:
    """Return the addresses in a container's variables that its start script may mean, and what the script waits for.
    Both are empty if no shell runs in it."""
    if view is None or box.is_machine or not any(is_shell(p.argv) for p in processes):
        return (), ()
    told = ServiceCommand(command, env, Evidence("container", box.name, " ".join(box.argv)), "shell")
    return dependencies_of(env, box.name, view), waits_of([p.pid for p in processes], told, view)


def _with_presence(one: Dependency, view: View) -> Dependency:
    """Return the dependency with the address of its name, and whether its file exists."""
    if one.path:
        file = view.files.get(one.path)
        there = None if file is None else True if file.stat is not None else False if file.status == "absent" else None
        return replace(one, present=there)
    led = view.hosts.get(one.host.lower(), ())
    return replace(one, ip=led[0]) if led else one


def _script_path(process: Process) -> str:
    """Return the script of a shell; empty for `-c` and for a relative path in an unknown directory."""
    if shell_text_index(process.argv, 0) is not None:
        return ""
    script = script_of(process.argv)
    folder = process.cwd.or_else("")
    path = posixpath.normpath(posixpath.join(folder, script)) if script else ""
    return path if path.startswith("/") else ""


def _waits_of_shell(process: Process, told: ServiceCommand, view: View) -> Iterator[Dependency]:
    at = shell_text_index(process.argv, 0)
    path = _script_path(process)
    if at is not None:
        yield from waits_in_script(process.argv[at], "", f"pid {process.pid}", told)
    elif path and (data := view.data(path)) is not None:
        yield from waits_in_script(data.decode("latin-1"), path, path, told)


def waits_in_script(text: str, file: str, name: str, told: ServiceCommand) -> Iterator[Dependency]:
    """Yield the loop conditions before the server, in order, and the commands that only wait."""
    commands = simple_commands(text)
    bodies = _function_bodies(text)
    loop, odd = "", False
    env: dict[str, Word] = dict(told.env)
    for index, (command, _, number) in enumerate(commands):
        words = shell_words(command, file or None, 1 + number)
        first = words[0].text if words else ""
        if first in _LOOPS:
            loop, odd = first, first == "while"
        elif first in ("do", "done"):
            loop = ""
        words, negated = _strip_keywords(words)
        if not words:
            continue
        if (pair := split_assignment(words[0])) is not None and len(words) == 1:
            env.setdefault(pair[0], pair[1])
            continue
        words = expand_words(words, env)
        argv = [word.text for word in words]
        if argv and _starts_server(argv, told):
            return
        following = commands[index + 1][0].split() if index + 1 < len(commands) else []
        breaks = "break" in following[:2]
        one = checked_dependency(words, told.directory)
        if one is None and (loop or breaks):
            one = _address_in_text(command) or _address_in_program(" ".join(argv)) or _checked_in_function(
                bodies.get(argv[0] if argv else "", ""), env, told.directory)
        if one is None or not (loop or breaks or _is_wait_tool(argv)):
            continue
        tested, one = not one.wanted, replace(one, wanted=True)
        wanted = not (bool(loop) and odd) ^ negated ^ tested
        said = Evidence("file" if file else "process", f"{name}:{1 + number}" if file else name,
                        _condition_text(command))
        yield replace(one, source=said, wanted=wanted, is_looped=bool(loop) or breaks)


def _condition_text(command: str) -> str:
    """Return the condition as written, with possible secrets redacted."""
    return _URL_USER.sub("://…@", " ".join(redact_argv(command.split())))[:120]


def _strip_keywords(words: list[Word]) -> tuple[list[Word], bool]:
    """Return the command without keywords and launchers, and whether an odd number of `!` precedes it."""
    negated = False
    while words and (words[0].text in _SYNTAX or words[0].text.startswith("(")):
        negated ^= words[0].text == "!"
        text = words[0].text
        words = words[1:] if text in _SYNTAX else [words[0].slice(1, len(text)), *words[1:]]
    place = skip_launchers([word.text for word in words])
    return words[place:] if place < len(words) else words, negated


def _starts_server(argv: Sequence[str], told: ServiceCommand) -> bool:
    """Return whether this command starts the server: later commands do not delay it. If only the script names it, the
    first server does."""
    runtime = runtime_of(argv)
    own = told.argv[skip_launchers(told.argv):]
    if not runtime or not own:
        return False
    if runtime in SERVERS and runtime_of(own) in ("", "binary"):
        return True
    return posixpath.basename(argv[0]) == posixpath.basename(own[0]) and list(argv[1:2]) == list(own[1:2])


def _is_wait_tool(argv: Sequence[str]) -> bool:
    return bool(argv) and any(_WAIT_TOOL.match(posixpath.basename(name)) for name in (argv[0], script_of(argv) or ""))


def _address_in_text(command: str) -> Dependency | None:
    """Return an address in another form of condition: a redirection, or a command inside quotes."""
    if (tcp := _DEV_TCP.search(command)) is not None:
        return _dependency_at(tcp[1], tcp[2])
    if any(name in command for name in ("curl ", "wget ")) and (url := _URL.search(command)) is not None:
        return _dependency_at(url[1], url[2] or ("443" if url[0].startswith("https") else "80"))
    return None


def _address_in_program(text: str) -> Dependency | None:
    """Return the address that a program's text connects to: `create_connection(("db", 5432))`, `connect(host="db")`."""
    if (call := _CALLED.search(text)) is not None:
        return _dependency_at(call["host"], call["port"])
    host, port = _HOST_NAMED.search(text), _PORT_NAMED.search(text)
    usual = next((str(system.port) for system in SYSTEMS if any(module in text for module in system.modules)), "")
    return _dependency_at(host[1], port[1] if port is not None else usual) if host is not None else None


def _function_bodies(text: str) -> Mapping[str, str]:
    """Return the text of each function of a script that ends with a brace on its own line."""
    found: dict[str, str] = {}
    for begin in _FUNCTION.finditer(text):
        end = _FUNCTION_END.search(text, begin.end())
        found[begin[1]] = text[begin.end():end.start() if end is not None else len(text)][:_MOST_OF_FUNCTION]
    return found


def _checked_in_function(body: str, env: Mapping[str, Word], directory: str) -> Dependency | None:
    """Return the address that a function checks, by a command or in the text that it gives to a program."""
    for command, _, _ in simple_commands(body):
        words, _ = _strip_keywords(shell_words(command))
        one = checked_dependency(expand_words(words, env), directory) if words else None
        if one is not None and one.port:
            return one
    return _address_in_text(body) or _address_in_program(expand_word(Word((Piece(body, expand=True),)), env).text)


def checked_dependency(words: Sequence[Word], directory: str = "/") -> Dependency | None:
    """Return what a command checks: a file by `test`, an address by a connect. None if it checks nothing.
    `wanted` is False if the command succeeds while it is missing."""
    argv = [word.text for word in words]
    place = skip_launchers(argv)
    argv = argv[place:]
    if not argv:
        return None
    name = program_name(argv, 0)
    if (script := script_of(argv)) is not None and _WAIT_TOOL.match(posixpath.basename(script)):
        name, argv = posixpath.basename(script), argv[argv.index(script):] if script in argv else argv
    if name in ("[", "test", "[["):
        return _parse_test(argv[1:], directory)
    if name in _DATABASE_CLIENTS:
        return _parse_client(argv, _DATABASE_CLIENTS[name])
    if name == "busybox" and len(argv) > 1 and argv[1] in _CONNECT_TOOLS:
        argv, name = argv[1:], argv[1]
    if name in _CONNECT_TOOLS:
        plain = _positional_arguments(argv[1:], _NC_VALUE_OPTIONS)
        return _dependency_at(plain[0], plain[1]) if len(plain) > 1 and is_number(plain[1]) else None
    if (tcp := _DEV_TCP.search(" ".join(argv))) is not None:
        return _dependency_at(tcp[1], tcp[2])
    if name in _HTTP_TOOLS:
        url = next((m for word in argv[1:] if (m := _URL.match(word)) is not None), None)
        return _dependency_at(url[1],
                              url[2] or ("443" if url[0].startswith("https") else "80")) if url is not None else None
    if _WAIT_TOOL.match(name):
        return _first_host_port(argv[1:]) or _named_host_port(argv[1:])
    return None


def _parse_test(argv: Sequence[str], directory: str) -> Dependency | None:
    words = [word for word in argv if word not in ("]", "]]")]
    wanted = True
    while words[:1] == ["!"]:
        words, wanted = words[1:], not wanted
    if len(words) != 2 or words[0] not in _TESTS or not words[1] or set(words[1]) & set("$*?`"):
        return None
    path = posixpath.normpath(posixpath.join(directory or "/", words[1]))
    return Dependency(Evidence("file", "", ""), path=path, wanted=wanted)


def _parse_client(argv: Sequence[str], client: _DatabaseClient) -> Dependency | None:
    url = next((m for word in argv[1:] if (m := _URL_ADDRESS.search(word)) is not None), None)
    host = url[1] if url is not None else _option_value(argv, client.host_options)
    port = url[2] if url is not None else _option_value(argv, client.port_options)
    if host and set(host) & set("$`"):
        return None
    found = _dependency_at(host or "localhost", port or str(port_of(client.engine)))
    if found is None:
        return None
    socket = f"{host}/.s.PGSQL.{found.port}" if host.startswith("/") and client.engine == "postgresql" else ""
    return replace(found, engine=client.engine, path=socket, host=found.host if not socket else "")


_URL_ADDRESS = regex(r"://(?:[^\s/@]*@)?(\[[0-9a-fA-F:]+\]|[\w.-]+)(?::(\d{1,5}))?")


def _option_value(argv: Sequence[str], names: Sequence[str]) -> str:
    for index, word in enumerate(argv[1:], 1):
        if word in names and index + 1 < len(argv):
            return argv[index + 1]
        long = next((n for n in names if n.startswith("--") and word.startswith(f"{n}=")), "")
        if long:
            return word[len(long) + 1:]
        short = next((n for n in names if len(n) == 2 and word.startswith(n) and len(word) > 2), "")
        if short:
            return word[2:].removeprefix("=")
    return ""


def _positional_arguments(argv: Sequence[str], values: frozenset[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in values
        elif word[:1] in "<>" or word[:2] in ("1>", "2>"):
            break
        else:
            kept.append(word)
    return kept


def _first_host_port(argv: Sequence[str]) -> Dependency | None:
    for word in argv:
        if word == "--":
            return None
        match = _URL.search(word) or _HOST_PORT.match(word.partition("=")[2] if word.startswith("--") else word)
        if match is not None and match[2]:
            return _dependency_at(match[1], match[2])
    return None


def _named_host_port(argv: Sequence[str]) -> Dependency | None:
    """Return the address of options such as `--db_host db --db_port=5432`."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else (word,))]
    pairs = list(pairwise(words))
    host = next((value for name, value in pairs if _HOST_OPTION.match(name) and not value.startswith("-")), "")
    port = next((value for name, value in pairs if _PORT_OPTION.match(name)), "")
    return _dependency_at(host, port)


def _dependency_at(host: str, port: str) -> Dependency | None:
    if not host or not is_number(port) or not 0 < int(port) < 65536:
        return None
    return Dependency(Evidence("file", "", ""), host=host.strip("[]"), port=int(port))

