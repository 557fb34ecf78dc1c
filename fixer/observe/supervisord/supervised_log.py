"""The log of a program of supervisord: its queries, and the lines that their answers hold."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.ini_file import IniSection
from fixer.formats.numbers import is_number
from fixer.formats.service_log import parse_log_file
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.snapshot import LogLine, Service
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.files.log_files import log_file_paths
from fixer.observe.supervisord.supervised_command import program_command
from fixer.observe.supervisord.supervisord_config import (
    LOG_LIMIT,
    find_supervisords,
    main_sections,
    process_numbers,
    program_sections,
    supervisord_log_query,
    supervisord_section,
)
from fixer.observe.supervisord.supervisord_log import (
    ProgramHistory,
    Stream,
    lines_of_each_run,
    lines_since_healthy,
    own_stream_lines,
)
from fixer.observe.view.node_view import MOST_PROGRAM_FILES, View

MOST_PROCESS_LOGS = 16      # processes of one program whose logs are read
_AUTO_LOG = frozenset(("", "auto", "none"))


def stream_log(section: IniSection, programs: list[IniSection], stream: Stream,
            course: ProgramHistory | None) -> Fact[tuple[LogLine, ...]]:
    """Return the same as `program_log`, from the container's log."""
    own = own_stream_lines(section, programs, stream, *_span_of_tries(course))
    if own is None and course is not None:
        own = lines_of_each_run({event.name for event in course.events}, stream) or None
    if own is None:
        return Unknown("several programs write to the container's log")
    where = stream[0].where
    return Known((*_event_lines(course, where), *own))


def _span_of_tries(course: ProgramHistory | None) -> tuple[float, float]:
    """Return since when its own lines count, and from when on a shutdown in them is one that somebody asked for."""
    if course is None:
        return 0.0, math.inf
    # the lines of the last ended run count until the next run logs; a busy machine notices the end late
    return course.last_run_started_at or course.started_at, course.stopped_try_at


def process_names(section: IniSection) -> tuple[str, ...]:
    """Return the names of the processes of a section."""
    name = section.name.partition(":")[2]
    pattern = section.text("process_name", "%(program_name)s").replace("%(program_name)s", name)
    if "%(process_num)" not in pattern or not is_number(section.text("numprocs", "1")):
        return (pattern.replace("%(group_name)s", name),)
    try:
        return tuple(pattern % {"process_num": n, "group_name": name} for n in process_numbers(section))
    except (ValueError, KeyError, TypeError):
        return (name,)


def program_log_queries(service: Service, view: View) -> Iterator[Query]:
    """Yield queries for a program's logs: the configured files, or those that supervisord names itself."""
    program = service.program
    assert program is not None
    for place in find_supervisords(view):
        for section in program_sections(place, view):
            if (section.file, section.line) == (program.file, program.line):
                main = main_sections(place, view)
                yield from _section_log_queries(section, main, view, program_command(section, main, view))


def _section_log_queries(section: IniSection, main: Mapping[str, IniSection], view: View,
                         command: ServiceCommand) -> Iterator[ReadFile | ReadGlob]:
    name = section.name.partition(":")[2]
    folder = supervisord_section(main).text("childlogdir", "/tmp") or "/tmp"  # noqa: S108  supervisord's own default
    for stream in ("stderr", "stdout"):
        path = section.text(f"{stream}_logfile").replace("%(program_name)s", name)
        path = path.replace("%(here)s", posixpath.dirname(section.file))
        if path.lower() not in _AUTO_LOG:
            if path.startswith("/") and not path.startswith("/dev/"):
                yield ReadFile(path, LOG_LIMIT, tail=True)
            continue
        # supervisord names such a file after the process, so each process has its own
        own = dict.fromkeys(f"{folder}/{process}-{stream}---*.log"
                            for process in process_names(section)[:MOST_PROCESS_LOGS])
        listing = ReadGlob(tuple(own), limit=1, max_files=MOST_PROGRAM_FILES)
        yield listing
        answer = view.node.answers.get(listing)
        files = [f for f in (answer.files if answer is not None else ()) if f.stat is not None]
        newest = sorted(files, key=lambda f: f.stat.mtime if f.stat is not None else 0.0)[-1:]
        yield from (ReadFile(file.path, LOG_LIMIT, tail=True) for file in newest)
    yield from (ReadFile(path, LOG_LIMIT, tail=True) for path in log_file_paths(command, view))


def program_log(section: IniSection, main: Mapping[str, IniSection], view: View, course: ProgramHistory | None,
                command: ServiceCommand) -> Fact[tuple[LogLine, ...]]:
    """Return supervisord's events for it, then the program's own lines since it was last healthy."""
    where = supervisord_log_query(main, posixpath.dirname(section.file)).path
    lines = [*_event_lines(course, where)]
    since, until = _span_of_tries(course)
    read = False
    for query in _section_log_queries(section, main, view, command):
        answer = view.node.answers.get(query)
        if not isinstance(query, ReadFile) or answer is None or answer.status != "ok" or not answer.files:
            continue
        file, read = answer.files[0], True
        told = parse_log_file(answer, file.path, view.node.utc_offset)
        old = file.stat is not None and file.stat.mtime < since - 2.0
        lines += lines_since_healthy(told.value, since, until) if isinstance(told, Known) and not old else ()
    if not read:
        return Unknown("not asked")
    return Known(tuple(lines))


def _event_lines(course: ProgramHistory | None, where: str) -> Iterator[LogLine]:
    """Yield what supervisord itself said of it last: no word of the program's own."""
    for event in course.events[-40:] if course is not None else ():
        yield LogLine(event.at, event.text, where, "manager")
