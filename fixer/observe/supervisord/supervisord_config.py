"""supervisord instances of a node: their process, unit, configuration and program sections."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from functools import partial

from fixer.formats.numbers import is_number
from fixer.formats.process_table import is_supervisord
from fixer.formats.server_bindings import parse_address
from fixer.formats.shell_words import Piece, Word
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.query import ReadFile, ReadGlob
from fixer.model.snapshot import Binding, Process, Unit
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.commands.server_settings import configured_bindings
from fixer.observe.view.node_view import MOST_PROGRAM_FILES, View, is_trusted_process

with lazy_imports():  # not needed in most looks
    from fixer.formats.ini_file import IniSection, ini_sections

DEFAULT_CONF = "/etc/supervisor/supervisord.conf"
LOG_LIMIT = 64 << 10
# asked only where nothing listens at an address of nginx's: a file may have the ending of another distribution
USUAL_FILES = ReadGlob(tuple(f"/etc/{folder}/*.{ending}" for folder in ("supervisor/conf.d", "supervisord.d",
                             "supervisor.d") for ending in ("conf", "ini")), max_files=MOST_PROGRAM_FILES)
_USUAL_UNITS = ("supervisor.service", "supervisord.service")


@dataclass(frozen=True, slots=True)
class Supervisord:
    """One supervisord: its configuration, its process if it runs, its unit if it has one."""

    conf: str
    process: Process | None
    unit: Unit | None


def is_trusted_supervisord(process: Process, view: View) -> bool:
    """Return whether it is a trusted supervisord: root runs supervisorctl with its configuration."""
    unit = view.units.get(process.unit or "")
    return is_supervisord(process) and (is_trusted_process(process, view)
                                        or (unit is not None and _is_supervisord_unit(unit)))


def find_supervisords(view: View) -> tuple[Supervisord, ...]:
    """Return every supervisord of the node, running or not."""
    units = {u.name: u for u in view.units.values() if _is_supervisord_unit(u)}
    found: dict[str, Supervisord] = {}
    for process in _supervisord_processes(view):
        if is_trusted_supervisord(process, view) and process.pid not in view.process_table.containers:
            cwd = process.cwd.or_else("/")
            unit = units.get(process.unit or "")
            found.setdefault(_conf_path(process.argv, cwd), Supervisord(_conf_path(process.argv, cwd), process, unit))
    for unit in units.values():
        conf = _conf_path(unit.exec_start, unit.working_directory or "/")
        if unit.load_state == "loaded" and unit.unit_file_state.startswith(("enabled", "disabled")):
            found.setdefault(conf, Supervisord(conf, None, unit))
    return tuple(found.values())


def _supervisord_processes(view: View) -> tuple[Process, ...]:
    """Return them, looked for once: thousands of processes may run here."""
    by_pid = view.by_pid
    return parse_once(lambda: tuple(filter(is_supervisord, by_pid.values())), "supervisords", view.process_table)


def _is_supervisord_unit(unit: Unit) -> bool:
    return unit.name in _USUAL_UNITS or any(posixpath.basename(word) == "supervisord" for word in unit.exec_start[:3])


def _conf_path(argv: tuple[str, ...], cwd: str) -> str:
    for index, word in enumerate(argv):
        if word in ("-c", "--configuration") and index + 1 < len(argv):
            return posixpath.normpath(posixpath.join(cwd, argv[index + 1]))
        if word.startswith("--configuration="):
            return posixpath.normpath(posixpath.join(cwd, word.partition("=")[2]))
    return DEFAULT_CONF


def include_query(pattern: str) -> ReadGlob:
    """Return the query for a pattern of its include list."""
    return ReadGlob((pattern,), max_files=MOST_PROGRAM_FILES)


def sections_of(path: str, view: View) -> tuple[IniSection, ...]:
    """Return the sections of one file, empty if it was not read."""
    data = view.data(path)
    return () if data is None else parse_once(partial(ini_sections, path, data), "ini", path, data)


def main_sections(place: Supervisord, view: View) -> dict[str, IniSection]:
    """Return name -> section of its main file."""
    return {section.name: section for section in sections_of(place.conf, view)}


def include_patterns(main: Mapping[str, IniSection], folder: str) -> list[str]:
    """Return the patterns of the files that it includes."""
    words = main["include"].text("files").split() if "include" in main else []
    return [posixpath.normpath(posixpath.join(folder, word.replace("%(here)s", folder))) for word in words]


def supervisord_section(main: Mapping[str, IniSection]) -> IniSection:
    """Return the `[supervisord]` section, an empty one if there is none."""
    return main.get("supervisord") or IniSection("", 0, "supervisord", 0, ())


def supervisord_log_query(main: Mapping[str, IniSection], folder: str) -> ReadFile:
    """Return the query for the end of its own log."""
    path = supervisord_section(main).text("logfile", "supervisord.log").replace("%(here)s", folder)
    return ReadFile(posixpath.join("/", path), LOG_LIMIT, tail=True)


def program_sections(place: Supervisord, view: View) -> list[IniSection]:
    """Return every [program:x] and [fcgi-program:x], in the order of the files."""
    patterns = [include_query(p) for p in include_patterns(main_sections(place, view), posixpath.dirname(place.conf))]
    paths = [place.conf]
    for query in patterns:
        answer = view.node.answers.get(query)
        paths += [file.path for file in (answer.files if answer is not None else ())]
    found = [s for path in dict.fromkeys(paths) for s in sections_of(path, view)]
    return [s for s in found if s.name.startswith(("program:", FCGI_PREFIX)) and s.text("command")]


def unincluded_sections(place: Supervisord, view: View) -> list[IniSection]:
    """Return the programs in files that its own file does not include, of the folders where packages expect them."""
    answer = view.node.answers.get(USUAL_FILES)
    known = {section.file for section in program_sections(place, view)}
    paths = [file.path for file in (answer.files if answer is not None else ()) if file.path not in known]
    return [s for path in paths for s in sections_of(path, view)
            if s.name.startswith(("program:", FCGI_PREFIX)) and s.text("command")]


def missing_include(place: Supervisord, view: View, path: str) -> tuple[int, str] | None:
    """Return the byte of its file at which the text that includes a file belongs, and that text; None if it was not
    read."""
    data, include = view.data(place.conf), main_sections(place, view).get("include")
    files = include.get("files") if include is not None else None
    if data is None:
        return None
    if files is not None:
        return files.start, f"{path} "
    if include is not None:
        return include.end, f"\nfiles = {path}"
    return len(data), f"\n[include]\nfiles = {path}\n"


def groups_of(place: Supervisord, view: View) -> dict[str, str]:
    """Return program -> group, for programs in a [group:x]."""
    found: dict[str, str] = {}
    patterns = [include_query(p) for p in include_patterns(main_sections(place, view), posixpath.dirname(place.conf))]
    answers = [view.node.answers.get(query) for query in patterns]
    paths = [place.conf, *(file.path for answer in answers if answer is not None for file in answer.files)]
    for path in paths:
        for section in sections_of(path, view):
            if section.name.startswith("group:"):
                for name in section.text("programs").split(","):
                    found[name.strip()] = section.name.partition(":")[2]
    return found


_PROCESS_NUMBER = regex(r"%\(process_num\)(?:(0?\d?)d|s)")
_MOST_PROCESSES = 64
FCGI_PREFIX = "fcgi-program:"      # supervisord itself listens and passes the socket to the processes


def has_numbered_processes(section: IniSection) -> bool:
    """Return whether `%(process_num)d` in the command distinguishes its processes."""
    return not section.name.startswith(FCGI_PREFIX) and _PROCESS_NUMBER.search(section.text("command")) is not None


def program_bindings(section: IniSection, told: ServiceCommand, view: View,
                     numbers: Sequence[int]) -> tuple[Binding, ...]:
    """Return where its processes listen: one binding for each number in the command, else shared ones.
    The processes of an fcgi-program share the socket that supervisord opens."""
    shared = section.get("socket") if section.name.startswith(FCGI_PREFIX) else None
    if shared is not None:
        word = Word((Piece(shared.value.strip(), shared.file, shared.line, shared.start),))
        said = Evidence("file", f"{shared.file}:{shared.line}", f"socket={shared.value.strip()}")
        binding = parse_address(word, said)
        return (binding,) if binding is not None else ()
    if not any(_PROCESS_NUMBER.search(word.text) for word in told.command):
        return configured_bindings(told, view)
    found: list[Binding] = []
    for number in numbers:
        words = tuple(
            Word(tuple(
                Piece(_PROCESS_NUMBER.sub(lambda m, n=number: f"{n:{m[1] or ''}d}", piece.text), piece.file, piece.line)  # type: ignore[misc]
                if _PROCESS_NUMBER.search(piece.text) else piece for piece in word.pieces
            )) for word in told.command
        )
        found += configured_bindings(replace(told, command=words), view)
    return tuple(dict.fromkeys(found))


def process_numbers(section: IniSection) -> range:
    """Return the numbers that supervisord gives a program's processes."""
    count, start = section.text("numprocs", "1"), section.text("numprocs_start", "0")
    first = int(start) if is_number(start) else 0
    return range(first, first + min(int(count) if is_number(count) else 1, _MOST_PROCESSES))
