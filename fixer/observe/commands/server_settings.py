"""Configuration files of servers: gunicorn's `bind` and `workers`, the sockets in uWSGI's ini files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from fixer.formats.application_servers import UWSGI_PROTOCOL_KEYS, server_of, uwsgi_protocol
from fixer.formats.server_bindings import (
    GUNICORN_SETTINGS,
    arguments_of_variable,
    bindings_in_python,
    bindings_of,
    last_option_value,
    parse_address,
    parse_relative_socket,
    workers_of,
)
from fixer.formats.server_names import is_nginx, runtime_of, script_of
from fixer.formats.shell_words import Piece, Word
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Fact, Known
from fixer.model.query import Query, ReadGlob
from fixer.model.snapshot import Binding, Unit
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.commands.written_values import quoted_count
from fixer.observe.view.node_view import View, is_readable

with lazy_imports():  # not needed in most looks
    from fixer.formats.ini_file import IniValue, ini_sections

_INI_VARIABLE = regex(r"\$\((\w{1,100})\)")
_BIND = regex(rb"^[ \t]*bind[ \t]*=[ \t]*(\[[^\]]{0,2000}\]|\([^()]{0,2000}\)|[^\n]*)", re.MULTILINE)
_QUOTED_TEXTS = regex(rb"[\s\[\](),]*(?:[\"'][^\"'\n]+[\"'][\s\[\](),]*)+")
_COMMENT = regex(rb"#[^\n\"']*(?=\n|\Z)")
_QUOTED_TEXT = regex(rb"[\"']([^\"'\n]+)[\"']")
_WORKERS = regex(rb"^[^\S\n]*workers\s*=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


def settings_path(told: ServiceCommand) -> str | None:
    """Return the configuration file that the command reads; None if its server has none."""
    runtime = runtime_of(told.argv)
    if runtime == "uwsgi":
        named = last_option_value(told.command, ("--ini",))
        bare = [word for word in told.command[1:] if word.text.endswith(".ini") and not word.text.startswith("-")]
        name = named.text if named is not None else bare[-1].text if bare else ""
        return posixpath.normpath(posixpath.join(told.directory or "/", name.partition(":")[0])) if name else None
    if runtime != "gunicorn":
        return None
    named = last_option_value(gunicorn_arguments(told), GUNICORN_SETTINGS)
    name = named.text.removeprefix("file:") if named is not None else "gunicorn.conf.py"
    return posixpath.normpath(posixpath.join(told.directory or "/", name))


def gunicorn_arguments(told: ServiceCommand) -> list[Word]:
    """Return the words that gunicorn reads as its options: those of its variable, then those of the command."""
    return [*arguments_of_variable("gunicorn", told.env), *told.command]


def bindings_in_settings(told: ServiceCommand, view: View) -> tuple[Binding, ...] | None:
    """Return `bind` of gunicorn's file (a text or a list), or uWSGI's sockets; None if the file does not decide it.
    The command line wins. Empty if the value is an expression: then it is unknown, not the server's default."""
    path = settings_path(told)
    data = view.data(path) if path else None
    if runtime_of(told.argv) == "uwsgi" and (kept := list(vassal_files(told, path, view))):
        every = [(_sockets_in_ini(told, at, text) or (), debian_socket(told, at)) for at, text in kept]
        return tuple(b for found, given in every for b in (*found, *((given,) if given is not None else ())))
    if path is not None and data is not None and runtime_of(told.argv) == "uwsgi":
        return _sockets_in_ini(told, path, data)
    if path is None or last_option_value(gunicorn_arguments(told), ("-b", "--bind")) is not None:
        return None
    if data is None:
        return None
    match = next(reversed(list(_BIND.finditer(data))), None)
    if match is None:
        return None
    if not _QUOTED_TEXTS.fullmatch(_COMMENT.sub(b"", match[1])):
        return ()
    words = [_located_setting(path, data, one) for one in _QUOTED_TEXT.finditer(data, match.start(1), match.end(1))]
    return tuple(b for word, said in words if (b := parse_address(word, said)))


def has_no_vassals(told: ServiceCommand, view: View) -> bool:
    """Return whether a uWSGI only starts the files of a folder and that is empty, as after package installation."""
    if runtime_of(told.argv) != "uwsgi":
        return False
    ini = settings_path(told)
    return vassal_pattern(told, ini, view) is not None and not any(True for _ in vassal_files(told, ini, view))


def _sockets_in_ini(told: ServiceCommand, path: str, data: bytes) -> tuple[Binding, ...] | None:
    """Return the sockets of the [uwsgi] section; None if the command line names one, empty for placeholders."""
    if last_option_value(told.command, server_of("uwsgi").dialect.bind) is not None:
        return None
    keys = {name.lstrip("-") for name in server_of("uwsgi").dialect.bind}
    own = [section for section in ini_sections(path, data) if section.name == "uwsgi"]
    found = [value for section in own for value in section.values if value.key in keys]
    name = posixpath.basename(path).removesuffix(".ini")
    found = [_with_variables(value, told.env) for value in found]
    found = [v if "%n" not in v.value else replace(v, value=v.value.replace("%n", name), start=-1) for v in found]
    if not found or any(v.value.strip().startswith("@") or set(v.value) & set("%$\n,") for v in found):
        return () if found else None
    words = [(_ini_word(v, path), f"{v.key} = {v.value.strip()}") for v in found]
    said = [(word, Evidence("file", f"{path}:{v.line}", text)) for v, (word, text) in zip(found, words, strict=True)]
    folder = next((v.value.strip() for s in own for v in s.values if v.key == "chdir"), "")
    start = posixpath.join(told.directory, folder) if not set(folder) & set("%$@") else ""
    named = next((v.value.strip() for s in own for v in reversed(s.values) if v.key in UWSGI_PROTOCOL_KEYS), "")
    return tuple(replace(b, protocol=uwsgi_protocol(v.key, named)) for v, (word, shown) in zip(found, said, strict=True)
                 if (b := parse_address(word, shown) or _socket_path_binding(word, shown, start)))


def _with_variables(value: IniValue, env: Mapping[str, Word]) -> IniValue:
    """Return the value with uWSGI's `$(NAME)` replaced, as it stands if a variable is unknown."""
    text = _INI_VARIABLE.sub(lambda match: env[match[1]].text if match[1] in env else match[0], value.value)
    return value if text == value.value else replace(value, value=text, start=-1)


def _ini_word(value: IniValue, path: str) -> Word:
    """Return the value with its byte position, unless its text was expanded."""
    text = value.value.strip()
    return Word((Piece(text, path, value.line, value.start) if value.start >= 0 else Piece(text),))


def _socket_path_binding(word: Word, said: Evidence, folder: str) -> Binding | None:
    """Return the binding of a word without a colon: uWSGI reads it as a socket path, relative to its directory."""
    if ":" in word.text:
        return None
    made = parse_relative_socket(Word((Piece(f"unix:{word.text}"),)), said, folder)
    return made if made is None else replace(made, source=said)


def configured_workers(told: ServiceCommand, view: View) -> Fact[int]:
    """Return how many workers the server's file, its command or its environment asks for, with quoted lines as
    evidence."""
    found = _workers_in_settings(told, view) or workers_of(told.command, told.env, told.evidence)
    return quoted_count(found, view)


def _workers_in_settings(told: ServiceCommand, view: View) -> Known[int] | None:
    """Return `workers = N` of gunicorn's file, unless the command line sets it."""
    path = settings_path(told) if runtime_of(told.argv) == "gunicorn" else None
    data = view.data(path) if path else None
    match = _WORKERS.search(data) if data is not None else None
    if path is None or data is None or match is None or last_option_value(gunicorn_arguments(told),
                                                                          ("-w", "--workers")) is not None:
        return None
    word, said = _located_setting(path, data, match)
    return Known(max(int(word.text), 1), (said,))


def _located_setting(path: str, data: bytes, match: re.Match[bytes]) -> tuple[Word, Evidence]:
    line = data.count(b"\n", 0, match.start(1)) + 1
    word = Word((Piece(match[1].decode("latin-1"), path, line, match.start(1)),))
    start, end = data.rfind(b"\n", 0, match.start(1)) + 1, data.find(b"\n", match.end(1))
    text = data[start:end if end >= 0 else len(data)].decode("utf-8", "replace").strip()
    return word, Evidence("file", f"{path}:{line}", text)


def configured_bindings(told: ServiceCommand, view: View) -> tuple[Binding, ...]:
    """Return where a command is configured to listen: its settings file, its script, or its options and variables."""
    settings = bindings_in_settings(told, view)
    if settings is not None:
        return settings
    script = script_of(told.argv)
    if runtime_of(told.argv) == "python" and script:
        path = posixpath.normpath(posixpath.join(told.directory, script))
        inside = bindings_in_python(path, view.data(path) or b"", told.env)
        if inside:
            return inside
    named = settings_path(told)
    return bindings_of(told.command, told.env, told.evidence, told.directory,
                       are_settings_known=named is not None and view.data(named) is not None)


# Applications that one uWSGI starts from files in a folder: vassals of an emperor, or apps of Debian's init script.
MOST_VASSALS = 40
_VASSAL_LIMIT = 64 << 10
_PACKAGED_UNIT_FOLDERS = ("/usr/lib/systemd/", "/lib/systemd/", "/run/systemd/generator/")
_DEBIAN_APPS, _DEBIAN_DEFAULT_INI = "/etc/uwsgi/apps-enabled/*.ini", "/usr/share/uwsgi/conf/default.ini"


def vassal_pattern(told: ServiceCommand, ini: str | None, view: View) -> str | None:
    """Return the glob of its application files, None if it has none. `ini` is its own file."""
    if runtime_of(told.argv) != "uwsgi":
        return None
    if _is_debian_script(told):
        return _DEBIAN_APPS
    named = last_option_value(told.command, ("--emperor",))
    text = named.text if named is not None else _emperor_in_ini(ini, view)
    if not text or set(text) & set("$%\n@"):
        return None
    path = posixpath.normpath(posixpath.join(told.directory or "/", text))
    return path if "*" in path else f"{path}/*.ini"


def is_unmodified_packaged_unit(unit: Unit) -> bool:
    """Return whether it is a packaged unit without drop-ins, whose command systemd shows as it runs. Never for uWSGI,
    whose apps are in other files, nor for a stopped nginx that reads a file which a variable of the unit names."""
    command = unit.exec_start
    by_variable = not unit.main_pid and is_nginx((*command, "")[0]) and any("$" in word for word in command)
    return (unit.fragment_path.startswith(_PACKAGED_UNIT_FOLDERS) and not unit.drop_in_paths
            and not unit.name.startswith("uwsgi") and not by_variable)


def vassal_queries(told: ServiceCommand, ini: str | None, view: View) -> Iterator[Query]:
    """Yield the query for its application files."""
    pattern = vassal_pattern(told, ini, view)
    if pattern is not None:
        yield ReadGlob((pattern,), _VASSAL_LIMIT, MOST_VASSALS)


def vassal_files(told: ServiceCommand, ini: str | None, view: View) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of each application file."""
    pattern = vassal_pattern(told, ini, view)
    for path, file in view.files.items() if pattern else ():
        if fnmatchcase(path, pattern or "") and path.count("/") == (pattern or "").count("/") and is_readable(file):
            yield path, file.data


def debian_socket(told: ServiceCommand, path: str) -> Binding | None:
    """Return the socket that Debian's script adds to each application; None for any other command."""
    if not _is_debian_script(told):
        return None
    name = posixpath.basename(path).removesuffix(".ini")
    where = Evidence("file", f"{_DEBIAN_DEFAULT_INI}:1", f"socket = /run/uwsgi/app/{name}/socket")
    return Binding("", 0, f"/run/uwsgi/app/{name}/socket", where, protocol="uwsgi")


def debian_log_file(told: ServiceCommand, path: str) -> str:
    """Return the log that Debian's script gives to an application, empty for any other command."""
    return f"/var/log/uwsgi/app/{posixpath.basename(path).removesuffix('.ini')}.log" if _is_debian_script(told) else ""


def _is_debian_script(told: ServiceCommand) -> bool:
    return bool(told.argv) and told.argv[0] == "/etc/init.d/uwsgi"


def _emperor_in_ini(ini: str | None, view: View) -> str:
    data = view.data(ini) if ini else None
    own = [s for s in ini_sections(ini, data) if s.name == "uwsgi"] if ini and data is not None else []
    return next((v.value.strip() for s in own for v in reversed(s.values) if v.key == "emperor"), "")
