"""Every supervisord of a node: its process and unit, its configuration, and the sections of its files."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from functools import partial

from fixer.formats.ini_file import IniSection, ini_sections
from fixer.lazy.dataclass import dataclass
from fixer.lazy.parse_cache import remembered
from fixer.model.facts import Known
from fixer.model.query import ReadFile, ReadGlob
from fixer.model.snapshot import Process, Unit
from fixer.observe.supervisord.processnumbers import SHARING
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
