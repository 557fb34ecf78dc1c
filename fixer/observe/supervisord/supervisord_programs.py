"""Programs of supervisord as services: what its files say, what its log tells, which processes are theirs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from functools import partial

from fixer.formats.exec_status import UNFOUND, unspawned
from fixer.formats.ini_file import IniSection, IniValue
from fixer.formats.numbers import is_number
from fixer.formats.process_table import descendants, is_itself
from fixer.formats.server_bindings import workers_of
from fixer.formats.server_names import is_app_server, runtime_of
from fixer.formats.service_log import parse_log_file
from fixer.formats.shell_words import Piece, Word, shell_words
from fixer.lazy.dataclass import replace
from fixer.lazy.parse_cache import remembered
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.snapshot import EnvSlot, LogLine, Program, Service, UnitValue
from fixer.observe.commands.dependencies import relies_of
from fixer.observe.commands.python_programs import is_no_web_program, program_paths
from fixer.observe.commands.resolved_command import Follow, Told, followed, ulimits_of
from fixer.observe.commands.server_settings import settings_path, workers_in_settings
from fixer.observe.commands.startup_waits import waits_of
from fixer.observe.commands.written_values import assignments, env_file_slot, quoted_bindings, quoted_count
from fixer.observe.supervisord.supervisord_config import (
    LOG_LIMIT,
    Place,
    glob,
    groups_of,
    included,
    is_numbered,
    main_sections,
    numbered_bindings,
    own_log,
    own_section,
    places_of,
    process_numbers,
    program_sections,
)
from fixer.observe.supervisord.supervisord_log import (
    Course,
    Event,
    Stream,
    as_log,
    course_of,
    read_log,
    since_well,
    spoken,
)
from fixer.observe.systemd.failed_units import directory_queries, program_queries
from fixer.observe.view.node_view import PROGRAM_FILES, View

MOST_COPIES = 16      # processes of one program whose logs are looked for
_PAIR = regex(r"([A-Za-z_]\w*)\s*=\s*(\"[^\"]*\"|'[^']*'|[^,\s]*)")
_TRUE = frozenset(("true", "yes", "on", "1"))
_AUTO = frozenset(("", "auto", "none"))


def questions(view: View) -> Iterator[Query]:
    """supervisord's files and log, and the files that its programs are told by."""
    for place in places_of(view):
        yield ReadFile(place.conf)
        folder = posixpath.dirname(place.conf)
        main = main_sections(place, view)
        if not main:
            if folder == "/etc/supervisor":
                yield glob(f"{folder}/conf.d/*.conf")
            continue
        for pattern in included(main, folder):
            yield glob(pattern)
        yield own_log(main, folder)
        for section in program_sections(place, view):
            told = _told(section, main, view)
            yield from _unspawned(section, told, place, view)
            settings = settings_path(told)
            for path in (*told.reads, *((settings,) if settings else ()), *program_paths(told.argv, told.directory)):
                if path.startswith("/"):
                    yield ReadFile(path, LOG_LIMIT)


def _unspawned(section: IniSection, told: Told, place: Place, view: View) -> Iterator[Query]:
    """What to look at on disk for a program that supervisord could not even start."""
    course = course_of(_process_names(section), _events(place, view), view.node.now)
    if course is None or course.state == "RUNNING" or not (
            course.state == "STOPPED" or unspawned(course.ended) or course.ended in UNFOUND):
        return
    if told.entry is not None:
        yield from program_queries(told.entry.text, told, view)
    if told.script and told.argv:
        yield from program_queries(told.argv[0], told, view)
    if section.text("directory").startswith("/"):
        yield from directory_queries(section.text("directory"), told, view)


def _events(place: Place, view: View, stream: Stream = ()) -> tuple[Event, ...]:
    """What its own log tells, or the log of the container that it is the first process of."""
    answer = view.node.answers.get(own_log(main_sections(place, view), posixpath.dirname(place.conf)))
    file = answer.files[0] if answer is not None and answer.files else None
    data = (file.data if file is not None else b"") or as_log(stream)
    return remembered(partial(read_log, data, view.node.utc_offset), "supervisor", data, view.node.utc_offset)


def _told(section: IniSection, main: Mapping[str, IniSection], view: View) -> Told:
    """The command with its variables, followed through wrappers as for a unit."""
    value = section.get("command")
    assert value is not None
    directory = section.text("directory", "/") or "/"
    env = _environment(own_section(main).get("environment")) | _environment(section.get("environment"))
    words = [_expanded(word, section) for word in shell_words(value.value, value.file, value.line, value.start)]
    said = Evidence("file", f"{value.file}:{value.line}", f"command={' '.join(value.value.split())}")
    follow = Follow(view.contents(), directory)
    entry = words[0] if words else None
    words, env, style, said = followed(words, env, said, follow)
    return Told(tuple(words), env, said, style, follow.directory, tuple(dict.fromkeys(follow.reads)),
                tuple(dict.fromkeys(follow.env_files)), (section.file,), follow.script, entry=entry)


def _expanded(word: Word, section: IniSection) -> Word:
    """`%(…)s` put in where its value is known; such a piece stands nowhere byte for byte."""
    pieces = []
    for piece in word.pieces:
        if "%" not in piece.text:
            pieces.append(piece)
            continue
        text = piece.text.replace("%(program_name)s", section.name.partition(":")[2]).replace("%%", "%")
        pieces.append(Piece(text.replace("%(here)s", posixpath.dirname(section.file)), piece.file, piece.line))
    return Word(tuple(pieces))


def _environment(value: IniValue | None) -> dict[str, Word]:
    if value is None:
        return {}
    found: dict[str, Word] = {}
    for match in _PAIR.finditer(value.value):
        text, at = match[2], match.start(2)
        if text[:1] in ("'", '"') and len(text) > 1:
            text, at = text[1:-1], at + 1
        line = value.line + value.value.count("\n", 0, at)
        found[match[1]] = Word((Piece(text, value.file, line, value.start + at),))
    return found


def program_services(view: View, stream: Stream = ()) -> list[Service]:
    """One service a program; `stream` is the log of the container that the node is."""
    found: list[Service] = []
    for place in places_of(view):
        main = main_sections(place, view)
        events = _events(place, view, stream)
        groups = groups_of(place, view)
        taken: set[int] = set()
        programs = program_sections(place, view)
        for section in programs:
            for names in _apart(_process_names(section), section, place, view):
                course = course_of(names, events, view.node.now)
                found.append(_service(section, place, view, (main, course, groups, taken), names))
                if stream and isinstance(found[-1].log, Unknown):
                    found[-1] = replace(found[-1], log=_spoken(section, programs, stream, course))
                taken.update(found[-1].pids)
    return found


def _apart(names: tuple[str, ...], section: IniSection, place: Place, view: View) -> list[tuple[str, ...]]:
    """The processes of one program together; where each listens for itself and only some of them run, those together
    and each of the others alone."""
    if len(names) == 1 or place.process is None or not is_numbered(section):
        return [names]
    events = _events(place, view)
    alive = {p.pid for p in view.by_pid.values() if p.ppid == place.process.pid}
    courses = {name: course_of((name,), events, view.node.now) for name in names}
    ended = [name for name, course in courses.items() if course is not None and course.pid not in alive]
    runs = tuple(name for name in names if name not in ended)
    return [runs, *((name,) for name in ended)] if runs and ended else [names]


def _spoken(section: IniSection, programs: list[IniSection], stream: Stream,
            course: Course | None) -> Fact[tuple[LogLine, ...]]:
    """As `_log`, from the container's log."""
    own = spoken(section, programs, stream, course.ended_run or course.started_at if course is not None else 0.0)
    if own is None:
        return Unknown("several programs write to the container's log")
    where = stream[0].where
    return Known((*(LogLine(e.at, e.text, where) for e in (course.events if course is not None else ())[-40:]), *own))


def _process_names(section: IniSection) -> tuple[str, ...]:
    name = section.name.partition(":")[2]
    pattern = section.text("process_name", "%(program_name)s").replace("%(program_name)s", name)
    if "%(process_num)" not in pattern or not is_number(section.text("numprocs", "1")):
        return (pattern.replace("%(group_name)s", name),)
    try:
        return tuple(pattern % {"process_num": n, "group_name": name} for n in process_numbers(section))
    except (ValueError, KeyError, TypeError):
        return (name,)


_Seen = tuple[Mapping[str, IniSection], Course | None, Mapping[str, str], set[int]]


def _service(section: IniSection, place: Place, view: View, seen: _Seen, names: tuple[str, ...]) -> Service:
    main, course, groups, taken = seen
    told, every = _told(section, main, view), _process_names(section)
    one = names[0] if len(names) == 1 < len(every) else ""        # which does not run, while others of the program do
    roots = () if one else _roots(told, place, view, course if len(every) == 1 else None, taken)
    if not roots and len(names) > 1:       # its file was changed since: their command is another one
        events = _events(place, view)
        logged = {c.pid for name in names if (c := course_of((name,), events, view.node.now)) is not None}
        roots = _children(place, view, logged - {0} - taken)
    name = one or section.name.partition(":")[2]
    program = _program(section, place, course, groups, roots)
    if one:
        program = replace(program, name=f"{program.name.removesuffix(':*')}:{one}")
    numbers = [number for process, number in zip(every, process_numbers(section), strict=False) if process in names]
    argv = view.by_pid[roots[0]].argv if roots and is_itself(view.by_pid[roots[0]]) else told.argv
    runtime = runtime_of(told.argv) or runtime_of(argv)
    is_app = is_app_server(told.argv, runtime, "", "") and not is_no_web_program(told.argv, told.directory, view)
    workers = workers_in_settings(told, view) or workers_of(told.command, told.env, told.said)
    slots = tuple(_slots(section, told, view))
    pids = descendants(list(roots), view.by_pid) if roots else ()
    return Service(
        id=f"{view.name}/{name}", name=name, node=view.name, manager="supervisord", unit=None, container=None,
        pids=pids, argv=argv,
        bindings=quoted_bindings(Known(numbered_bindings(section, told, view, numbers), (told.said,)), view),
        env=assignments(told.env, section.file), env_places=tuple(dict.fromkeys(slot.file for slot in slots)),
        workers=quoted_count(workers, view), log=_log(section, main, view, course), is_app_server=is_app,
        runtime=runtime, command=tuple(word.place() for word in told.command), command_style=told.style,
        env_slots=slots, files_node=view.name, program=program, unit_values=tuple(_values(section)),
        entry=told.entry.place() if told.entry is not None else None,
        relies=relies_of(told.env, section.file, view) if is_app else (),
        waits=waits_of(pids, told, view) if is_app else (), settings=ulimits_of(told, view),
    )


def _values(section: IniSection) -> Iterator[UnitValue]:
    """What its section says that may have to be corrected, as far as it stands there byte for byte."""
    for value in section.values:
        if value.key in ("command", "directory", "user") and "\n" not in value.value:
            yield UnitValue(value.key, value.value, value.file, value.line, value.start, value.start + len(value.value))


def _roots(told: Told, place: Place, view: View, course: Course | None, taken: set[int]) -> tuple[int, ...]:
    """Its process by the pid that the log names, else supervisord's children that run its command; all of several."""
    if place.process is None:
        return ()
    children = [p for p in view.by_pid.values() if p.ppid == place.process.pid and p.pid not in taken]
    if course is not None and course.pid:
        named = [p.pid for p in children if p.pid == course.pid]
        if named:
            return tuple(named)
    tail = told.argv[1:]
    return tuple(p.pid for p in children if tail and len(p.argv) >= len(tail)
                 and all(map(_is_word, tail, p.argv[-len(tail):])))


def _children(place: Place, view: View, pids: set[int]) -> tuple[int, ...]:
    above = place.process.pid if place.process is not None else -1
    return tuple(pid for pid in sorted(pids) if pid in view.by_pid and view.by_pid[pid].ppid == above)


def _is_word(told: str, word: str) -> bool:
    """A word of the command as its process has it; `%(process_num)02d` is any number."""
    before, mark, rest = told.partition("%(process_num)")
    if not mark:
        return told == word
    after = rest.lstrip("0123456789")[1:]
    number = word[len(before):len(word) - len(after)]
    return word.startswith(before) and word.endswith(after) and number.isdigit()


def _program(section: IniSection, place: Place, course: Course | None, groups: Mapping[str, str],
             roots: tuple[int, ...]) -> Program:
    group = groups.get(section.name.partition(":")[2], "")
    alone = group if list(groups.values()).count(group) == 1 else ""     # its group's name stands for it and no other
    name = section.name.partition(":")[2]
    several = section.text("numprocs", "1") not in ("", "1")
    value = section.get("autostart")
    span = None if value is None else (value.start, value.start + len(value.value.rstrip()))
    autostart = section.text("autostart", "true").lower() in _TRUE
    state = course.state if course is not None else "RUNNING" if roots else "UNKNOWN"
    if place.process is None:
        state = "DOWN"
    elif roots and state not in ("RUNNING", "STARTING"):
        state = "RUNNING"       # the log was cut or lies elsewhere: what lives, runs
    elif state == "UNKNOWN" and not autostart:
        state = "STOPPED"
    elif state == "EXITED" and course is not None and _starts_again(section, course):
        state = "BACKOFF"
    full = name if not several else f"{alone or name}:*"
    return Program(
        name=f"{group}:{name}" if group and not several else full, group=group or name, state=state, conf=place.conf,
        file=section.file, line=section.line, autostart=autostart,
        autorestart=section.text("autorestart", "unexpected").lower(), autostart_span=span,
        ended=course.ended if course is not None else "", signal=course.signal if course is not None else 0,
        expected=course.expected if course is not None else True,
        ended_at=course.ended_at if course is not None else 0.0,
        started_at=course.started_at if course is not None else 0.0,
        restarts=course.restarts if course is not None else 0, unit=place.unit,
    )


def _starts_again(section: IniSection, course: Course) -> bool:
    policy = section.text("autorestart", "unexpected").lower()
    return policy in _TRUE or (policy == "unexpected" and not course.expected)


def _slots(section: IniSection, told: Told, view: View) -> Iterator[EnvSlot]:
    """Files that a wrapper reads, then `environment=` of the program, which is made where there is none."""
    for path in told.env_files:
        data = view.data(path)
        if data is not None:
            yield env_file_slot(view.name, path, data)
    value = section.get("environment")
    if value is not None and value.value.strip():
        end = value.start + len(value.value.rstrip().rstrip(","))
        yield EnvSlot(view.name, section.file, end, ",{name}={value}", "supervisor")
    else:
        yield EnvSlot(view.name, section.file, section.end, "\nenvironment={name}={value}", "supervisor")


def log_paths(service: Service, view: View) -> Iterator[Query]:
    """Where a program writes: the files that it is told, or those that supervisord names itself."""
    program = service.program
    assert program is not None
    for place in places_of(view):
        for section in program_sections(place, view):
            if (section.file, section.line) == (program.file, program.line):
                yield from _log_queries(section, main_sections(place, view), view)


def _log_queries(section: IniSection, main: Mapping[str, IniSection], view: View) -> Iterator[ReadFile | ReadGlob]:
    name = section.name.partition(":")[2]
    folder = own_section(main).text("childlogdir", "/tmp") or "/tmp"  # noqa: S108  supervisord's own default
    for stream in ("stderr", "stdout"):
        path = section.text(f"{stream}_logfile").replace("%(program_name)s", name)
        path = path.replace("%(here)s", posixpath.dirname(section.file))
        if path.lower() not in _AUTO:
            if path.startswith("/") and not path.startswith("/dev/"):
                yield ReadFile(path, LOG_LIMIT, tail=True)
            continue
        # supervisord calls such a file as the process, which several of one program do not share
        own = dict.fromkeys(f"{folder}/{process}-{stream}---*.log" for process in _process_names(section)[:MOST_COPIES])
        listing = ReadGlob(tuple(own), limit=1, max_files=PROGRAM_FILES)
        yield listing
        answer = view.node.answers.get(listing)
        files = [f for f in (answer.files if answer is not None else ()) if f.stat is not None]
        newest = sorted(files, key=lambda f: f.stat.mtime if f.stat is not None else 0.0)[-1:]
        yield from (ReadFile(file.path, LOG_LIMIT, tail=True) for file in newest)


def _log(section: IniSection, main: Mapping[str, IniSection], view: View,
         course: Course | None) -> Fact[tuple[LogLine, ...]]:
    """What supervisord says of it, then the program's own lines since it was last well."""
    where = own_log(main, posixpath.dirname(section.file)).path
    lines = [LogLine(event.at, event.text, where) for event in (course.events if course is not None else ())][-40:]
    # what the run said that ended last matters until the next one has said something; a busy machine sees the end late
    since = 0.0 if course is None else course.ended_run or course.started_at
    read = False
    for query in _log_queries(section, main, view):
        answer = view.node.answers.get(query)
        if not isinstance(query, ReadFile) or answer is None or answer.status != "ok" or not answer.files:
            continue
        file, read = answer.files[0], True
        told = parse_log_file(answer, file.path)
        old = file.stat is not None and file.stat.mtime < since - 2.0
        lines += since_well(told.value) if isinstance(told, Known) and not old else ()
    if not read:
        return Unknown("not asked")
    return Known(tuple(lines))
