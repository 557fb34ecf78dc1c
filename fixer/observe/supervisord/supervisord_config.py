"""Every supervisord of a node: its process and unit, its configuration, and the sections of its files."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from functools import partial

from fixer.formats.ini_file import IniSection, ini_sections
from fixer.formats.numbers import is_number
from fixer.formats.server_bindings import parse_address
from fixer.formats.shell_words import Piece, Word
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.parse_cache import remembered
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.query import ReadFile, ReadGlob
from fixer.model.snapshot import Binding, Process, Unit
from fixer.observe.commands.resolved_command import Told
from fixer.observe.commands.server_settings import told_bindings
from fixer.observe.view.node_view import PROGRAM_FILES, View, is_the_nodes

CONF = "/etc/supervisor/supervisord.conf"
LOG_LIMIT = 64 << 10
_USUAL = ("supervisor.service", "supervisord.service")


@dataclass(frozen=True, slots=True)
class Place:
    """One supervisord: its configuration, its process where it runs, its unit where it has one."""

    conf: str
    process: Process | None
    unit: Unit | None


def is_supervisord(process: Process) -> bool:
    """Whether the process is supervisord itself."""
    if not process.comm.startswith(("supervisor", "python", "pypy")):
        return False
    return any(word.rpartition("/")[2] == "supervisord" for word in process.argv[:3])


def is_own_supervisord(process: Process, view: View) -> bool:
    """One whose word counts: root asks supervisorctl by its configuration, so it must not be anybody's."""
    unit = view.units.get(process.unit or "")
    return is_supervisord(process) and (is_the_nodes(process, view) or (unit is not None and _is_unit(unit)))


def places_of(view: View) -> tuple[Place, ...]:
    """Every supervisord of the node, running or not."""
    units = {u.name: u for u in view.units.values() if _is_unit(u)}
    found: dict[str, Place] = {}
    for process in view.by_pid.values():
        if is_own_supervisord(process, view) and process.pid not in view.table.containers:
            cwd = process.cwd.value if isinstance(process.cwd, Known) else "/"
            unit = units.get(process.unit or "")
            found.setdefault(_conf_of(process.argv, cwd), Place(_conf_of(process.argv, cwd), process, unit))
    for unit in units.values():
        conf = _conf_of(unit.exec_start, unit.working_directory or "/")
        if unit.load_state == "loaded" and unit.unit_file_state.startswith(("enabled", "disabled")):
            found.setdefault(conf, Place(conf, None, unit))
    return tuple(found.values())


def _is_unit(unit: Unit) -> bool:
    return unit.name in _USUAL or any(posixpath.basename(word) == "supervisord" for word in unit.exec_start[:3])


def _conf_of(argv: tuple[str, ...], cwd: str) -> str:
    for index, word in enumerate(argv):
        if word in ("-c", "--configuration") and index + 1 < len(argv):
            return posixpath.normpath(posixpath.join(cwd, argv[index + 1]))
        if word.startswith("--configuration="):
            return posixpath.normpath(posixpath.join(cwd, word.partition("=")[2]))
    return CONF


def glob(pattern: str) -> ReadGlob:
    """A pattern of its include list."""
    return ReadGlob((pattern,), max_files=PROGRAM_FILES)


def sections_of(path: str, view: View) -> tuple[IniSection, ...]:
    """The sections of one file, as far as it was read."""
    data = view.data(path)
    return () if data is None else remembered(partial(ini_sections, path, data), "ini", path, data)


def main_sections(place: Place, view: View) -> dict[str, IniSection]:
    """The sections of its main file, by name."""
    return {section.name: section for section in sections_of(place.conf, view)}


def included(main: Mapping[str, IniSection], folder: str) -> list[str]:
    """The patterns of the files that it includes."""
    words = main["include"].text("files").split() if "include" in main else []
    return [posixpath.normpath(posixpath.join(folder, word.replace("%(here)s", folder))) for word in words]


def own_section(main: Mapping[str, IniSection]) -> IniSection:
    """What `[supervisord]` says."""
    return main.get("supervisord") or IniSection("", 0, "supervisord", 0, ())


def own_log(main: Mapping[str, IniSection], folder: str) -> ReadFile:
    """Its own log, from the end."""
    path = own_section(main).text("logfile", "supervisord.log").replace("%(here)s", folder)
    return ReadFile(posixpath.join("/", path), LOG_LIMIT, tail=True)


def program_sections(place: Place, view: View) -> list[IniSection]:
    """Every [program:x] and [fcgi-program:x], in the order of the files."""
    patterns = [glob(p) for p in included(main_sections(place, view), posixpath.dirname(place.conf))]
    paths = [place.conf]
    for query in patterns:
        answer = view.node.answers.get(query)
        paths += [file.path for file in (answer.files if answer is not None else ())]
    found = [s for path in dict.fromkeys(paths) for s in sections_of(path, view)]
    return [s for s in found if s.name.startswith(("program:", SHARING)) and s.text("command")]


def groups_of(place: Place, view: View) -> dict[str, str]:
    """program -> group, for those that a [group:x] holds."""
    found: dict[str, str] = {}
    patterns = [glob(p) for p in included(main_sections(place, view), posixpath.dirname(place.conf))]
    answers = [view.node.answers.get(query) for query in patterns]
    paths = [place.conf, *(file.path for answer in answers if answer is not None for file in answer.files)]
    for path in paths:
        for section in sections_of(path, view):
            if section.name.startswith("group:"):
                for name in section.text("programs").split(","):
                    found[name.strip()] = section.name.partition(":")[2]
    return found


# Programs of supervisord that are several processes, told apart by `%(process_num)d` in their command.
_NUMBER = regex(r"%\(process_num\)(?:(0?\d?)d|s)")
_MOST = 64
SHARING = "fcgi-program:"      # supervisord itself listens for its processes, and hands them the socket


def is_numbered(section: IniSection) -> bool:
    """Its processes are told apart by their numbers in the command."""
    return not section.name.startswith(SHARING) and _NUMBER.search(section.text("command")) is not None


def numbered_bindings(section: IniSection, told: Told, view: View, numbers: Sequence[int]) -> tuple[Binding, ...]:
    """Where its processes listen, each for itself where the number of the process stands in the command; on a socket
    that supervisord opens for them, all in the same place."""
    shared = section.get("socket") if section.name.startswith(SHARING) else None
    if shared is not None:
        word = Word((Piece(shared.value.strip(), shared.file, shared.line, shared.start),))
        said = Evidence("file", f"{shared.file}:{shared.line}", f"socket={shared.value.strip()}")
        binding = parse_address(word, said)
        return (binding,) if binding is not None else ()
    if not any(_NUMBER.search(word.text) for word in told.command):
        return told_bindings(told, view)
    found: list[Binding] = []
    for number in numbers:
        words = tuple(
            Word(tuple(
                Piece(_NUMBER.sub(lambda m, n=number: f"{n:{m[1] or ''}d}", piece.text), piece.file, piece.line)  # type: ignore[misc]
                if _NUMBER.search(piece.text) else piece for piece in word.pieces
            )) for word in told.command
        )
        found += told_bindings(replace(told, command=words), view)
    return tuple(dict.fromkeys(found))


def process_numbers(section: IniSection) -> range:
    """The numbers that supervisord counts a program's processes with."""
    count, start = section.text("numprocs", "1"), section.text("numprocs_start", "0")
    first = int(start) if is_number(start) else 0
    return range(first, first + min(int(count) if is_number(count) else 1, _MOST))
