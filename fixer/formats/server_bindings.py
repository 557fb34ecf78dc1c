"""Addresses and worker counts that a command configures: options, variables and defaults of each server."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from fixer.formats.addresses import ANY_IPV4
from fixer.formats.application_servers import OTHER_DIALECT, PLAIN_DIALECT, Dialect, server_of
from fixer.formats.launchers import launcher_address_indexes, skip_launchers
from fixer.formats.numbers import is_number
from fixer.formats.server_names import managed_runtime, server_at
from fixer.formats.shell_words import Env, Piece, Word, literal_word
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.snapshot import Binding

_ADDRESS = regex(r"^(?:https?://|tcp://|fd://)?(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.*-]*):)?(\d{1,5})$")
_UNIX = regex(r"^(?:unix:(?://)?)?(/[^\s:]+)$")
_RELATIVE = regex(r"^unix:([\w.][\w./-]*)$")
_NO_PORT = regex(r"^(?:(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.*-]*):)?$")  # what remains if a variable has no value
_DESCRIPTOR = regex(r"^(?:--fd[= ]|(?:(?:-b|--bind)[= ]?)?fd://)(?P<number>\d{1,4})$")
_IP = regex(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|::1?|localhost)$")
_WORD = regex(r"\S+")


GUNICORN_SETTINGS = ("-c", "--config")      # the options that name its file of settings


def bindings_of(command: Sequence[Word], env: Env, said: Evidence, folder: str = "", *,
                are_settings_known: bool = False) -> tuple[Binding, ...]:
    """Return where the command listens: an option wins over a variable, and a variable over the server's default.
    `folder` is its working directory, for relative socket paths; without it they are ignored. A file of settings that
    the command names may say another address, unless `are_settings_known`: then there is no default."""
    argv = [w.text for w in command]
    runtime, at = server_at(argv)
    is_script = not runtime and 0 < at <= len(argv) and argv[at - 1].endswith(".py")        # that runs itself
    if not runtime and not is_script and managed_runtime(argv) != "binary":
        return ()
    handed = [command[i].slice(len("--listen=") if argv[i].startswith("--listen=") else 0, len(argv[i]))
              for i in launcher_address_indexes(argv)]
    if handed:
        return tuple(b for word in handed if (b := parse_address(word, said)))
    dialect = server_of(runtime).dialect if runtime or is_script else PLAIN_DIALECT
    words = command[at:]
    if any(word.text == "--fd" or word.text.startswith("--fd=") for word in words):
        return ()       # it opens no address of its own, neither a default one
    folder = server_folder(words, runtime, folder)
    unix = last_option_value(words, dialect.unix)
    if unix is None and dialect is OTHER_DIALECT:  # a script's own option, as in aiohttp's guide
        path = last_option_value(words, ("--path",))
        unix = path if path is not None and path.text.endswith((".sock", ".socket")) else None
    if unix is not None:
        made = _with_absolute_socket(_make_binding("", 0, unix, said, unix=True), folder)
        return () if made is None else (made,)
    given = tuple(option_values(words, dialect.bind)) or tuple(option_values(arguments_of_variable(runtime, env),
                                                                             dialect.bind))
    bound = [b for word in given if (b := parse_address(word, said) or parse_relative_socket(word, said, folder))]
    if bound or any(_NO_PORT.match(word.text) or word.text.startswith(("unix:", "fd://")) for word in given):
        return tuple(bound)
    host, port = last_option_value(words, dialect.host), last_option_value(words, dialect.port)
    host = host if host is not None else env.get(dialect.variables[0])
    if port is None and dialect.positional:
        host_word, port = _positional_address(words)
        host = host if host is not None else host_word
        if port is None and dialect.default is not None:
            port = next((w for w in words if _NO_PORT.match(w.text)), None)
    port = port if port is not None else env.get(dialect.variables[1])
    if port is None and runtime == "gunicorn" and env.get("PORT") is not None:
        host, port = literal_word(ANY_IPV4), env["PORT"]
    if port is None and runtime == "gunicorn" and not are_settings_known and last_option_value(
            (*arguments_of_variable(runtime, env), *words), GUNICORN_SETTINGS):
        return ()
    return _bindings_from_parts(host, port, dialect, said)


def server_folder(words: Sequence[Word], runtime: str, folder: str) -> str:
    """Return the working directory of a server that starts in `folder`: its own option may lead to another one."""
    own = last_option_value(words, ("--chdir",)) if runtime in ("gunicorn", "uwsgi") else None
    return folder if own is None else posixpath.join(folder, own.text)


def inherited_descriptor(argv: Sequence[str]) -> str:
    """Return the number of the descriptor that the command takes its socket from, empty if it opens its own."""
    pairs = (f"{word} {after}" if word == "--fd" else word for word, after in zip(argv, (*argv[1:], ""), strict=True))
    return next((match["number"] for word in pairs if (match := _DESCRIPTOR.match(word)) is not None), "")


def arguments_of_variable(runtime: str, env: Env) -> list[Word]:
    """Return the arguments that gunicorn reads from its variable; the command line overrides them."""
    value = env.get("GUNICORN_CMD_ARGS") if runtime == "gunicorn" else None
    return [] if value is None else [value.slice(m.start(), m.end()) for m in _WORD.finditer(value.text)]


def _bindings_from_parts(host: Word | None, port: Word | None, dialect: Dialect, said: Evidence) -> tuple[Binding, ...]:
    default = dialect.default
    if port is not None and _port(port.text):
        address = host.text if host is not None and host.text else default[0] if default else ANY_IPV4
        return (_make_binding(address, _port(port.text), port, said),)
    if default is None or port is not None:
        return ()
    return (Binding(host.text if host is not None and host.text else default[0], default[1], None, said),)


def _port(text: str) -> int:
    return int(text) if is_number(text) and 0 < int(text) < 65536 else 0


def _make_binding(host: str, port: int, word: Word, said: Evidence, *, unix: bool = False) -> Binding:
    place = word.to_argument()
    path = place.text.removeprefix("unix:") if unix else None
    where = f"{place.file}:{place.line}" if place.file else said.where
    source = Evidence("file" if place.file else said.source, where, said.text)
    return Binding(host.strip("[]") or ANY_IPV4, port, path, source, place.file if place.start is not None else None,
                   place.start, place.end)


def parse_address(word: Word, said: Evidence) -> Binding | None:
    """Parse `host:port`, `:port`, a port or `unix:/path`, with the position of the port or the path."""
    if match := _UNIX.match(word.text):
        return _make_binding("", 0, word.slice(match.start(1), match.end(1)), said, unix=True)
    match = _ADDRESS.match(word.text)
    if not match or not _port(match[2]) or _DESCRIPTOR.match(word.text):
        return None
    made = _make_binding((match[1] or "").replace("*", ""), _port(match[2]), word.slice(match.start(2), match.end(2)),
                         said)
    host = word.slice(match.start(1), match.end(1)).to_argument() if match[1] else None
    whole = word.to_argument()
    apart = host is not None and whole.start is None and (
        host.start is not None or (bool(host.default_of) and not whole.default_of))
    return replace(made, host_place=host) if apart else made


def parse_relative_socket(word: Word, said: Evidence, folder: str) -> Binding | None:
    """Parse `unix:app.sock`, relative to `folder`. It has no span: an absolute path must not replace that text."""
    match = _RELATIVE.match(word.text)
    return _with_absolute_socket(_make_binding("", 0, word.slice(match.start(1), match.end(1)), said, unix=True),
                                 folder) if match else None


def _with_absolute_socket(binding: Binding, folder: str) -> Binding | None:
    if binding.unix is None or binding.unix.startswith("/"):
        return binding
    whole = posixpath.normpath(posixpath.join(folder, binding.unix))
    return replace(binding, unix=whole, start=None, end=None) if whole.startswith("/") else None


def option_values(words: Sequence[Word], names: Sequence[str]) -> Iterator[Word]:
    """Yield every value of the options, as `--name value`, `--name=value` or `-nvalue`."""
    argv = [word.text for word in words] if names else []
    for i, start in _option_places(argv, names):
        yield words[i].slice(start, len(argv[i])) if start else words[i]


def _option_places(argv: Sequence[str], names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (index of the argument, where the value begins in it) of every value of the options."""
    for i, text in enumerate(argv):
        if text == "--":
            return
        for name in names:
            if text == name and i + 1 < len(argv):
                yield i + 1, 0
            elif text.startswith(name + "="):
                yield i, len(name) + 1
            elif len(name) == 2 and text.startswith(name) and text[2:3].isdigit():
                yield i, 2


def last_option_value(words: Sequence[Word], names: Sequence[str]) -> Word | None:
    """Return the effective value: the last one."""
    values = list(option_values(words, names))
    return values[-1] if values else None


@dataclass(frozen=True, slots=True)
class HostPlace:
    """Where an option of a command gives the host: in the argument `index`, whose value begins at `value`. `port`
    stands behind the host, 0 if none does."""

    index: int
    value: int
    start: int
    end: int
    port: int


def host_places(argv: Sequence[str], runtime: str) -> tuple[HostPlace, ...]:
    """Return where the options of the command's own server give a host; those with a port come last. `runtime` is the
    server if the command names none."""
    dialect, first = _dialect_of(argv, runtime)
    found: list[HostPlace] = []
    for i, value in _option_places(argv[first:], (*dialect.host, *dialect.bind)):
        text = argv[first + i][value:]
        match = _ADDRESS.match(text)
        if match is not None and match[1] is not None:
            found.append(HostPlace(first + i, value, value + match.start(1), value + match.end(1), _port(match[2])))
        elif match is None and text and not text.startswith(("unix:", "/", "fd:", "-")):
            found.append(HostPlace(first + i, value, value, value + len(text), 0))
    return tuple(sorted(found, key=lambda place: place.port > 0))


def has_host_option(argv: Sequence[str], runtime: str) -> bool:
    """Return whether the command has an option of its server that gives an address, with a value or without."""
    dialect, first = _dialect_of(argv, runtime)
    return any(word.partition("=")[0] in (*dialect.host, *dialect.bind) for word in argv[first:])


def _dialect_of(argv: Sequence[str], runtime: str) -> tuple[Dialect, int]:
    """Return the dialect of the command's server, and the index from which on the arguments may be its own."""
    known, at = server_at(argv)
    return server_of(known or runtime).dialect, at if known else skip_launchers(argv)


def _positional_address(words: Sequence[Word]) -> tuple[Word | None, Word | None]:
    """Return (host, port) of a positional `PORT`, `ADDRESS:PORT` or `ADDRESS PORT`."""
    for i, word in enumerate(words):
        after = words[i - 1].text if i else ""
        if after.startswith("-") and "=" not in after:
            continue
        match = _ADDRESS.match(word.text)
        if match and _port(match[2]) and (match[1] or len(match[2]) > 1):
            host = word.slice(match.start(1), match.end(1)) if match[1] else None
            if host is None and i and _IP.match(after):
                host = words[i - 1]
            return host, word.slice(match.start(2), match.end(2))
    return None, None


def workers_of(command: Sequence[Word], env: Env, said: Evidence) -> Fact[int]:
    """Return how many worker processes the command configures; 1 by default."""
    runtime, at = server_at([w.text for w in command])
    if not runtime:
        return Unknown("no known server in the command")
    dialect = server_of(runtime).dialect
    word = last_option_value([*arguments_of_variable(runtime, env), *command[at:]], dialect.workers)
    name = next((n for n in dialect.worker_variables if n in env and env[n].text), None)
    if word is None and name is not None:
        word = env[name]
    if word is None or not is_number(word.text):
        return Known(1, (said,))
    place = word.to_argument()
    where = f"{place.file}:{place.line}" if place.file else said.where
    return Known(max(int(word.text), 1), (Evidence("file" if place.file else said.source, where, said.text),))


_RUN_CALL = regex(r"\b(?:(?:uvicorn|hypercorn|waitress|web|app|socketio|server|sanic)\."
                  r"(?P<run>run|serve|run_app|listen)|(?P<bare>serve|run_app))\(")
_ANY_BY_DEFAULT = frozenset({"serve", "run_app"})       # waitress and aiohttp, without a host
_PYTHON_VALUE = (r"(?:int\(|str\()?\s*(?:os\.(?:environ\.get|getenv)\(\s*[\"'](?P<variable>\w+)[\"']\s*"
                 r"(?:\)\s*or\s*|,\s*)?(?P<default>[\"']?[\w.:]+)?|os\.environ\[[\"'](?P<needed>\w+)[\"']\]"
                 r"|(?P<value>[\"']?[\w.:/-]+))")
_KEYWORD = r"\b{}\s*=\s*" + _PYTHON_VALUE
_ASSIGNED = r"(?m)^[ \t]*{}[ \t]*(?::[^=\n]{{1,80}})?=(?!=)[ \t]*" + _PYTHON_VALUE
_MOST_NAMES = 4     # names that stand for other names
_UNKNOWN_NAME = regex(r"^[A-Za-z_][\w.]*$")


def bindings_in_python(file: str, data: bytes, env: Env) -> tuple[Binding, ...]:
    """Parse `uvicorn.run(app, host=…, port=…)` in a script: literals, variables with their defaults, or names that
    stand for those. The host is empty if the script alone does not say it."""
    text = data.decode("latin-1")
    for call in _RUN_CALL.finditer(text):
        line = text.count("\n", 0, call.start()) + 1
        port = _keyword_value("port", call.end(), file, text, env)
        host = _keyword_value("host", call.end(), file, text, env)
        if port is not None and _port(port.text):
            said = Evidence("file", f"{file}:{line}", text[call.start() : call.start() + 120].split("\n")[0])
            default = ANY_IPV4 if (call["run"] or call["bare"]) in _ANY_BY_DEFAULT else "127.0.0.1"
            made = _make_binding(host.text if host is not None else default, _port(port.text), port, said)
            return (made if host is None or host.text else replace(made, host=""),)
    return ()


def _keyword_value(name: str, offset: int, file: str, text: str, env: Env) -> Word | None:
    """Return the value of a call's keyword, empty if the script alone does not say it; None without the keyword."""
    match = re.compile(_KEYWORD.format(name)).search(text, offset, offset + 2000)
    for _ in range(_MOST_NAMES):
        if match is None:
            return None
        variable, group = match["variable"] or match["needed"], "default" if match["variable"] else "value"
        if variable and variable in env:
            return env[variable]
        value = match[group] or ""
        quoted = value[:1] in ("'", '"')
        if quoted or not _UNKNOWN_NAME.match(value):
            start = match.start(group) + quoted
            return Word((Piece(value[quoted:], file, text.count("\n", 0, start) + 1, start),)) if value else Word(())
        assigned = list(re.finditer(_ASSIGNED.format(re.escape(value)), text)) if "." not in value else []
        if len(assigned) != 1:      # with two assignments it is unclear which one counts
            return Word(())
        match = assigned[0]
    return Word(())
