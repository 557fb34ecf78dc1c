"""supervisord programs as services: their configuration, their history, and their processes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.formats.exec_status import NOT_STARTED_STATUSES, spawn_error
from fixer.formats.ini_file import IniSection
from fixer.formats.process_table import descendants, is_fully_started
from fixer.formats.server_names import is_app_server, managed_runtime
from fixer.lazy.dataclass import replace
from fixer.model.facts import Known, Unknown
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Program, Service
from fixer.observe.commands.dependencies import dependencies_of, proxy_variables_of
from fixer.observe.commands.python_programs import is_no_web_program, program_paths
from fixer.observe.commands.resolved_command import ServiceCommand, ulimits_of
from fixer.observe.commands.server_settings import configured_workers, settings_path
from fixer.observe.commands.startup_waits import waits_of
from fixer.observe.commands.written_values import (
    absent_env_files,
    env_assignments,
    missing_file,
    quoted_bindings,
    variable_arguments,
)
from fixer.observe.supervisord.supervised_command import environment_slots, program_command, section_values
from fixer.observe.supervisord.supervised_log import process_names, program_log, stream_log
from fixer.observe.supervisord.supervisord_config import (
    LOG_LIMIT,
    Supervisord,
    find_supervisords,
    groups_of,
    has_numbered_processes,
    include_patterns,
    include_query,
    main_sections,
    missing_include,
    process_numbers,
    program_bindings,
    program_sections,
    supervisord_log_query,
    unincluded_sections,
)
from fixer.observe.supervisord.supervisord_log import ProgramHistory, Stream, history_of, log_events
from fixer.observe.systemd.failed_units import directory_queries, program_queries
from fixer.observe.view.node_view import View

_RUN_STATES = frozenset(("RUNNING", "STARTING"))
_START_SECONDS = 5.0    # in which a supervisord that has started starts its programs
_TRUE_TEXTS = frozenset(("true", "yes", "on", "1"))


def supervisord_queries(view: View) -> Iterator[Query]:
    """Yield queries for supervisord's files and log, and for the files that configure its programs."""
    for place in find_supervisords(view):
        yield ReadFile(place.conf)
        folder = posixpath.dirname(place.conf)
        main = main_sections(place, view)
        if not main:
            if folder == "/etc/supervisor":
                yield include_query(f"{folder}/conf.d/*.conf")
            continue
        for pattern in include_patterns(main, folder):
            yield include_query(pattern)
        yield supervisord_log_query(main, folder)
        for section in (*program_sections(place, view), *unincluded_sections(place, view)):
            told = program_command(section, main, view)
            yield from _failed_start_queries(section, told, place, view)
            settings = settings_path(told)
            for path in (*told.source_files, *((settings,) if settings else ()),
                         *program_paths(told.argv, told.directory)):
                if path.startswith("/"):
                    yield ReadFile(path, LOG_LIMIT)


def _failed_start_queries(section: IniSection, told: ServiceCommand, place: Supervisord, view: View) -> Iterator[Query]:
    """Yield queries for files of a program that supervisord could not start."""
    course = history_of(process_names(section), log_events(place, view), view.node.now)
    if course is None or course.state == "RUNNING" or not (
            course.state == "STOPPED" or spawn_error(course.exit_detail) or course.exit_detail in NOT_STARTED_STATUSES):
        return
    if told.entry is not None:
        yield from program_queries(told.entry.text, told, view)
    if told.script and told.argv:
        yield from program_queries(told.argv[0], told, view)
    if section.text("directory").startswith("/"):
        yield from directory_queries(section.text("directory"), told, view)


def program_services(view: View, stream: Stream = ()) -> list[Service]:
    """Return one service for each program; `stream` is the log of the node's container."""
    found: list[Service] = []
    for place in find_supervisords(view):
        main = main_sections(place, view)
        events = log_events(place, view, stream)
        groups = groups_of(place, view)
        taken: set[int] = set()
        programs = program_sections(place, view)
        parts = [(section, names, history_of(names, events, view.node.now)) for section in programs
                 for names in _group_processes(process_names(section), section, place, view)]
        runs = [(names, course.pid) for _, names, course in parts if course is not None and course.state in _RUN_STATES]
        for section, names, course in parts:
            others = taken.union(pid for other, pid in runs if other != names)       # their commands may be alike
            found.append(_program_service(section, place, view, (main, course, groups, others), names))
            if stream and isinstance(found[-1].log, Unknown):
                found[-1] = replace(found[-1], log=stream_log(section, programs, stream, course))
            taken.update(found[-1].pids)
        found += _unincluded_services(place, view, main)
    return found


def _unincluded_services(place: Supervisord, view: View, main: Mapping[str, IniSection]) -> Iterator[Service]:
    """Yield the programs of files that a running supervisord never reads."""
    for section in unincluded_sections(place, view) if place.process is not None else ():
        lacks = missing_include(place, view, section.file)
        made = _program_service(section, place, view, (main, None, {}, set()), process_names(section))
        if lacks is not None and made.program is not None and not made.pids:
            yield replace(made, program=replace(made.program, state="UNREAD", missing_include=lacks))


def _group_processes(names: tuple[str, ...], section: IniSection, place: Supervisord,
                     view: View) -> list[tuple[str, ...]]:
    """Return a program's processes as groups, one service each.
    Usually one group; if each process has its own address and some ended, the running ones and each ended one."""
    if len(names) == 1 or place.process is None or not has_numbered_processes(section):
        return [names]
    events = log_events(place, view)
    alive = {p.pid for p in view.by_pid.values() if p.ppid == place.process.pid}
    courses = {name: history_of((name,), events, view.node.now) for name in names}
    ended = [name for name, course in courses.items() if course is not None and course.pid not in alive]
    runs = tuple(name for name in names if name not in ended)
    return [runs, *((name,) for name in ended)] if runs and ended else [names]


_ProgramContext = tuple[Mapping[str, IniSection], ProgramHistory | None, Mapping[str, str], set[int]]


def _program_service(section: IniSection, place: Supervisord, view: View, seen: _ProgramContext,
                     names: tuple[str, ...]) -> Service:
    main, course, groups, taken = seen
    told, every = program_command(section, main, view), process_names(section)
    one = names[0] if len(names) == 1 < len(every) else ""        # stopped, while others of the program run
    roots = () if one else _root_pids(told, place, view, course if len(every) == 1 else None, taken)
    if not roots and len(names) > 1:       # its file changed since: their command differs
        events = log_events(place, view)
        logged = {c.pid for name in names if (c := history_of((name,), events, view.node.now)) is not None}
        roots = _child_pids(place, view, logged - {0} - taken)
    name = one or section.name.partition(":")[2]
    program = _make_program(section, place, course, groups, roots)
    if program.state in ("UNKNOWN", "STOPPED") and course is None and _is_unread(section, place, view):
        program = replace(program, state="UNREAD")
    if one:
        program = replace(program, name=f"{program.name.removesuffix(':*')}:{one}")
    numbers = [number for process, number in zip(every, process_numbers(section), strict=False) if process in names]
    argv = view.by_pid[roots[0]].argv if roots and is_fully_started(view.by_pid[roots[0]]) else told.argv
    runtime = managed_runtime(told.argv) or managed_runtime(argv)
    is_app = is_app_server(told.argv, runtime, "", "") and not is_no_web_program(told.argv, told.directory, view)
    slots = tuple(environment_slots(section, told, view))
    pids = descendants(list(roots), view.by_pid) if roots else ()
    return Service(
        id=f"{view.name}/{name}", name=name, node=view.name, manager="supervisord", unit=None, container=None,
        pids=pids, argv=argv,
        bindings=quoted_bindings(Known(program_bindings(section, told, view, numbers), (told.evidence,)), view),
        env=env_assignments(told.env, section.file), env_files=tuple(dict.fromkeys(slot.file for slot in slots)),
        workers=configured_workers(told, view), log=program_log(section, main, view, course, told),
        is_app_server=is_app,
        variable_arguments=variable_arguments(runtime, told.env),
        runtime=runtime, command=tuple(word.to_argument() for word in told.command), command_style=told.style,
        env_slots=slots, files_node=view.name, program=program, unit_values=tuple(section_values(section)),
        entry=told.entry.to_argument() if told.entry is not None else None,
        dependencies=dependencies_of(told.env, section.file, view) if is_app else (),
        proxies=proxy_variables_of(told.env, section.file),
        startup_waits=waits_of(pids, told, view) if is_app else (), settings=ulimits_of(told, view),
        absent_env_files=absent_env_files(told, view), missing_file=missing_file(told, view),
        runs_as=told.runs_as,
    )


def _root_pids(told: ServiceCommand, place: Supervisord, view: View, course: ProgramHistory | None,
               taken: set[int]) -> tuple[int, ...]:
    """Return its pid from the log, else the pids of supervisord's children that run its command."""
    if place.process is None:
        return ()
    children = [p for p in view.by_pid.values() if p.ppid == place.process.pid and p.pid not in taken]
    if course is not None and course.pid:
        named = [p.pid for p in children if p.pid == course.pid]
        if named:
            return tuple(named)
    tail = told.argv[1:]
    return tuple(p.pid for p in children if tail and len(p.argv) >= len(tail)
                 and all(map(_matches_argument, tail, p.argv[-len(tail):])))


def _child_pids(place: Supervisord, view: View, pids: set[int]) -> tuple[int, ...]:
    above = place.process.pid if place.process is not None else -1
    return tuple(pid for pid in sorted(pids) if pid in view.by_pid and view.by_pid[pid].ppid == above)


def _matches_argument(told: str, word: str) -> bool:
    """Return whether a process argument matches the configured one; `%(process_num)02d` is any number."""
    before, mark, rest = told.partition("%(process_num)")
    if not mark:
        return told == word
    after = rest.lstrip("0123456789")[1:]
    number = word[len(before):len(word) - len(after)]
    return word.startswith(before) and word.endswith(after) and number.isdigit()


def _make_program(section: IniSection, place: Supervisord, course: ProgramHistory | None, groups: Mapping[str, str],
             roots: tuple[int, ...]) -> Program:
    group = groups.get(section.name.partition(":")[2], "")
    alone = group if list(groups.values()).count(group) == 1 else ""     # the group has no other program
    name = section.name.partition(":")[2]
    several = section.text("numprocs", "1") not in ("", "1")
    value = section.get("autostart")
    span = None if value is None else (value.start, value.start + len(value.value.rstrip()))
    autostart = section.text("autostart", "true").lower() in _TRUE_TEXTS
    state = course.state if course is not None else "RUNNING" if roots else "UNKNOWN"
    if place.process is None:
        state = "DOWN"
    elif roots and state not in _RUN_STATES:
        state = "RUNNING"       # the log was truncated or is elsewhere: a live process runs
    elif state == "UNKNOWN" and not autostart:
        state = "STOPPED"
    elif state == "EXITED" and course is not None and _is_restarted_after_exit(section, course):
        state = "BACKOFF"
    full = name if not several else f"{alone or name}:*"
    return Program(
        name=f"{group}:{name}" if group and not several else full, group=group or name, state=state, conf=place.conf,
        file=section.file, line=section.line, autostart=autostart,
        autorestart=section.text("autorestart", "unexpected").lower(), autostart_span=span,
        ended=course.exit_detail if course is not None else "", signal=course.signal if course is not None else 0,
        expected=course.expected if course is not None else True,
        ended_at=course.ended_at if course is not None else 0.0,
        started_at=course.started_at if course is not None else 0.0,
        restarts=course.restarts if course is not None else 0, unit=place.unit,
    )


def _is_unread(section: IniSection, place: Supervisord, view: View) -> bool:
    """Return whether supervisord does not know the program, which its log has not mentioned since its start. It reads
    its files then, and starts what it should; it reads later files when it is asked to."""
    file = view.files.get(section.file)
    began = next((event.at for event in reversed(log_events(place, view)) if event.kind == "begun"), 0.0)
    late = file is not None and file.stat is not None and file.stat.mtime > began
    eager = section.text("autostart", "true").lower() in _TRUE_TEXTS and view.node.now - began > _START_SECONDS
    return bool(began) and (late or eager)


def _is_restarted_after_exit(section: IniSection, course: ProgramHistory) -> bool:
    policy = section.text("autorestart", "unexpected").lower()
    return policy in _TRUE_TEXTS or (policy == "unexpected" and not course.expected)
