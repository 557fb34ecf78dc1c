"""Limits of a service, raised where they are written: a drop-in of its unit, or its compose file."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.kills import last_exit_signal
from fixer.analysis.run_log import read_run_end
from fixer.formats.run_output import ends_run_at
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex, up_to_first
from fixer.managers import manager_of
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import Endpoint, LogLine, Service, Snapshot, UnitSetting
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.repairs.container_settings import write_compose_settings
    from fixer.repairs.start_service import start_or_restart_steps, wait_for_listener_step
    from fixer.repairs.write_variables import EditSteps, write_drop_in

MEMORY_KEY = "memory"
_MEMORY_DROP_IN = "50-badgateway-memory.conf"
_SIZE = regex(r"(?P<number>[1-9][0-9]*)(?P<unit>[KMGkmg]?)[Bb]?\Z")
_RESOURCE_REFUSED = regex(
    r"can't start new thread|pthread_create|[Rr]esource temporarily unavailable|[Cc]annot allocate memory|MemoryError|"
    r"failed to map segment"
)
_TASK_REFUSED = regex(
    r"can't start new thread|" + up_to_first("pthread_create") + r".*(?:Resource temporarily unavailable|EAGAIN)|"
    r"\bfork: (?:retry: )?Resource temporarily unavailable|"
    r"^BlockingIOError: \[Errno 11\] Resource temporarily unavailable"
)
_MEMORY_REFUSED = regex(
    r"^(?:object repr +: )?MemoryError\b|^Fatal Python error: .*[Mm]emory|\[Errno 12\] Cannot allocate memory|"
    r"[Cc]annot allocate memory$|failed to map segment from shared "
    r"object|can't start new thread"
)
_FRAME = regex(r'^\s*File "[^"]*", line \d+')
_FORK_CALL = regex(r"\bfork\(\)|fork_exec|_start_new_thread|start_joinable_thread")
# lines above an error that hold its own call; a call written over many
_CALL_LINES, _MAX_CALL_LINES = 6, 24
_MIN_TASKS, _LOW_TASKS = 8, 256
_LOW_ADDRESS_SPACE = 1 << 30
# MiB for each worker: none starts with much less, and a mistyped limit is too low even if doubled
_MIN_MEMORY_MIB, _MOST_WORKERS = 128, 16
_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def size_text(limit: int) -> str:
    """Return a limit for people; one without its unit is a few bytes."""
    return f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"


def raise_memory_repair(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    """Return a repair with another limit, by default twice the present one and not too low, in its file. A start or
    restart follows."""
    limit = manager_of(service).limits().memory
    again = _raised_before_text(service)
    least = _MIN_MEMORY_MIB * min(max(service.workers.or_else(1), 1), _MOST_WORKERS)
    default = f"{max(least, limit >> 19)}M" if limit and not again else None
    need = Need(MEMORY_KEY, "value", f"the memory limit of {service.name}, now {size_text(limit)}{again}",
                default=default,
                pattern="[1-9][0-9]*[KMGkmg]?")
    chosen = case.inputs.get(MEMORY_KEY, default or "")
    if again and not chosen:
        title = f"set another memory limit for {service.name}{again}"
        return Repair("raise-memory-limit", "disruptive", title, (), needs=(need,))
    written: EditSteps | NotEditable = NotEditable("its limit could not be read")
    if chosen:
        written = write_limit(case.snapshot, service, "MemoryMax", chosen, _MEMORY_DROP_IN)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    if isinstance(written, NotEditable) or isinstance(begin, NotEditable):
        why = written.reason if isinstance(written, NotEditable) else begin.reason if isinstance(begin,
                                                                                                 NotEditable) else ""
        manual = f"set the memory limit of {service.name} to {chosen or 'a higher value'}; fixer cannot do this: {why}"
        return Repair("raise-memory-limit", "manual", f"raise the memory limit of {service.name}", (), manual=manual)
    summary = f"set a memory limit of {chosen} for {service.name} in {written.where}, then start it with that limit"
    doubt = (f"it is not proven that {chosen} is enough for {service.name}: it was killed at its limit, so its full "
             "need is unknown. If it is killed again, it needs more, or it leaks and reaches any limit")
    return Repair("raise-memory-limit", "disruptive", summary, (*written.steps, *begin), needs=(need,), doubt=doubt)


def _raised_before_text(service: Service) -> str:
    """Return a text if an earlier repair has set the limit in force: to double it again would be a guess."""
    ours = next((s for s in service.settings if s.key == "MemoryMax" and _MEMORY_DROP_IN in s.source.where), None)
    return "" if ours is None else (f"; an earlier repair raised it ({ours.source.where}), and it was reached again: "
                                    "there may be a memory leak")


def write_limit(snapshot: Snapshot, service: Service, key: str, value: str, name: str) -> EditSteps | NotEditable:
    """Return the steps that write one limit into a drop-in, or over the old value in the compose file."""
    if service.unit is not None:
        old = key == "MemoryMax" and any(s.key == "MemoryLimit" for s in service.settings)
        lines = f"{key}={value}\n" + (f"MemoryLimit={value}\n" if old else "")
        return write_drop_in(snapshot, service, lines, name)
    places = [s for s in service.settings if s.key == key]
    if key == "MemoryMax" and places:
        # the engine would refuse a total with swap below the new limit
        places += [s for s in service.settings if s.key == "MemorySwapMax"
                   and 0 < parse_size(s.value) < parse_size(value)]
    return _overwrite_limit(snapshot, service, places, value)


def parse_size(text: str) -> int:
    """Return a size in bytes; 0 if it is none, or no limit."""
    match = _SIZE.match(text.strip())
    return int(match["number"]) * _SIZE_UNITS[match["unit"].lower()] if match else 0


def _overwrite_limit(snapshot: Snapshot, service: Service, places: list[UnitSetting],
                     value: str) -> EditSteps | NotEditable:
    if not places:
        box = service.container
        if box is not None and not box.project:
            return NotEditable(f"it was set by hand when {box.name} was created: change it with docker update "
                               "(--memory with --memory-swap, --cpus), and in whatever recreates that container")
        return NotEditable("its compose files do not set it, so it was set by hand; add it to the compose file")
    spans = []
    for setting in places:
        place = setting.argument
        file = None if place is None or place.file is None else snapshot.file(service.files_node, place.file)
        if place is None or file is None or place.start is None or place.end is None:
            return NotEditable(f"{setting.source.where} does not contain it as plain text")
        if file.data[place.start:place.end] != place.text.encode():
            return NotEditable(f"{setting.source.where} does not contain {place.text} at the position that fixer read")
        spans.append((file, place.start, place.end))
    file = spans[0][0]
    if any(other is not file for other, _, _ in spans):
        return NotEditable("its limits are in several files")
    data = file.data
    for _, start, end in sorted(spans, key=lambda span: -span[1]):
        data = data[:start] + value.encode() + data[end:]
    step = WriteFile(file.node, file.real_path, file.data, data, "the limit", in_place=file.single_file_mount)
    return EditSteps((step,), file.real_path, file.managed_by)


@dataclass(frozen=True, slots=True)
class ReachedLimit:
    """A limit under which a server cannot start threads or map its memory. `is_logged`: its own log complains of it."""

    key: str
    need: str
    value: str
    default: str
    evidence: tuple[Evidence, ...]
    is_logged: bool
    setting: UnitSetting | None = None      # of a script, with its position there

    @property
    def limit_text(self) -> str:
        """The limit, for people."""
        return f"{self.key}={self.value}" if self.setting is None else f"{self.key} {self.value} (KiB)"


def find_reached_limit(service: Service, lines: Sequence[LogLine]) -> ReachedLimit | None:
    """Return the limit that made it abort: one too low for any server, or any that its own log complains of."""
    said = read_run_end(lines, most=len(lines)).last_line(_RESOURCE_REFUSED)
    memory = said is not None and is_memory_refused(lines) and not is_task_refused(lines)
    shown = () if said is None else (log_evidence(said.text, said.where),)
    tasks = manager_of(service).limits().tasks
    written = {s.key: s for s in service.settings}
    if 0 < tasks < (_MIN_TASKS if said is None else _LOW_TASKS) and not memory:
        place = written.get("TasksMax")
        of = Evidence(manager_of(service).evidence().source, service.name, f"at most {tasks} tasks")
        return ReachedLimit("TasksMax", "tasks", str(tasks), "512", (place.source if place else of, *shown),
                            said is not None)
    for key in ("LimitAS", "LimitDATA"):
        space = written.get(key)
        # SOFT or SOFT:HARD
        if space is not None and 0 < parse_size(space.value.partition(":")[0]) < _LOW_ADDRESS_SPACE:
            return ReachedLimit(key, "address-space", space.value, "infinity", (space.source, *shown), said is not None)
    for key in ("ulimit -v", "ulimit -d"):
        set_there = written.get(key)
        if set_there is not None and int(set_there.value) << 10 < _LOW_ADDRESS_SPACE:
            return ReachedLimit(key, "address-space", set_there.value, "unlimited", (set_there.source, *shown),
                         said is not None, set_there)
    own = written.get("LimitNPROC")       # for all processes of the account; not in force for root
    if own is not None and own.value.isdigit() and int(own.value) < _LOW_TASKS and said is not None and not memory \
            and service.unit is not None and service.unit.user not in ("", "root", "0"):
        return ReachedLimit("LimitNPROC", "processes", own.value, "infinity", (own.source, *shown), is_logged=True)
    return None


def is_task_refused(lines: Sequence[LogLine]) -> bool:
    """Return whether it ended because it was refused another process or thread, by its last error."""
    end = read_run_end(lines, most=len(lines))
    at = end.find_last(_TASK_REFUSED.search)
    if at is None or any(ends_run_at(end.texts, later) for later in range(at + 1, len(end.texts))):
        return False
    return not end.texts[at].startswith("BlockingIOError") or any(
        _FORK_CALL.search(text) for text in end.texts[_call_start(end.texts, at):at])


def _call_start(texts: Sequence[str], at: int) -> int:
    """Return where the call of an error starts: its last frame, which newer Pythons show line by line."""
    frames = (i for i in range(at - 1, max(0, at - _MAX_CALL_LINES) - 1, -1) if _FRAME.match(texts[i]))
    return next(frames, max(0, at - _CALL_LINES))


def is_memory_refused(lines: Sequence[LogLine]) -> bool:
    """Return whether it ended because it was refused memory, or memory for another thread, by its last error."""
    end = read_run_end(lines, most=len(lines))
    at = end.find_last(_MEMORY_REFUSED.search)
    return at is not None and not any(ends_run_at(end.texts, later) for later in range(at + 1, len(end.texts)))


def lifted_task_limit_evidence(service: Service, lines: Sequence[LogLine]) -> Evidence | None:
    """Return evidence that a limit was lifted: it was refused a process or thread, and its unit has no limit now. Only
    a start shows if that helps. Settings that systemd has not reloaded and limits of the account do not count."""
    unit = service.unit
    if unit is None or unit.need_daemon_reload or not is_task_refused(lines) or 0 < unit.tasks_max < _LOW_TASKS:
        return None
    if any(s.key in ("TasksMax", "LimitNPROC") for s in service.settings) or find_reached_limit(service,
                                                                                                lines) is not None:
        return None
    now = f"TasksMax={unit.tasks_max}" if unit.tasks_max else "no limit"
    return Evidence("unit", unit.name, f"{now} now; its own files set no limit")


def raise_reached_limit_repair(case: Case, service: Service, endpoint: Endpoint, tight: ReachedLimit) -> Repair:
    """Return a repair with another limit in its file, then a start."""
    of_shell = tight.setting
    need = Need(tight.need, "value", f"{tight.key} of {service.name}, now {tight.value}", default=tight.default,
                pattern="[1-9][0-9]*[KMGkmg]?|infinity" if of_shell is None else "[1-9][0-9]*|unlimited")
    chosen = case.inputs.get(tight.need, tight.default)
    if of_shell is None:
        written = write_limit(case.snapshot, service, tight.key, chosen, "50-badgateway-limits.conf")
    else:
        written = _overwrite_limit(case.snapshot, service, [of_shell], chosen)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    if isinstance(written, NotEditable) or isinstance(begin, NotEditable):
        why = written.reason if isinstance(written, NotEditable) else begin.reason if isinstance(begin,
                                                                                                 NotEditable) else ""
        manual = (f"set {tight.key}={chosen} instead of {tight.value} for {service.name}; fixer cannot do this: "
                  f"{why}")
        return Repair("raise-limit", "manual", f"raise {tight.key} of {service.name}", (), manual=manual)
    equals = "=" if of_shell is None else " "
    summary = (f"set {tight.key}{equals}{chosen} instead of {tight.value} for {service.name} in {written.where}, then "
               "start it")
    return Repair("raise-limit", "disruptive", summary, (*written.steps, *begin), needs=(need,))


def reached_limit_of(crash: FailedRun) -> ReachedLimit | None:
    """Return the limit of its service manager that made it abort, or that its last lines complain of."""
    number = last_exit_signal(crash)
    if number is None:
        refused = is_task_refused(crash.lines) or is_memory_refused(crash.lines)
        return find_reached_limit(crash.service, crash.lines) if refused else None
    return find_reached_limit(crash.service, crash.lines) if number in (6, 11) else None


# A limit that a service manager sets, raised where it is written: a drop-in of the unit, or the compose file.
_LIMITS_DROP_IN, _LAST_LIMITS_DROP_IN = "50-badgateway-limits.conf", "zz-badgateway-limits.conf"


@dataclass(frozen=True, slots=True)
class ResourceLimit:
    """A limit: the repair's id, its title, its key in a unit, its keys in a compose file."""

    repair_id: str
    title: str
    unit_key: str
    compose_keys: tuple[str, ...]


def raise_limit_repair(case: Case, service: Service, at: Endpoint | tuple[Step, ...], ceiling: ResourceLimit,
                  need: Need) -> Repair:
    """Return a repair that writes another value and applies it. The need's key names the input; its default is the
    proposal. `at` is where the service must accept then, or the steps that wait for it."""
    chosen = case.inputs.get(need.key, need.default or "")
    title = f"{ceiling.title} of {service.name}"
    written: EditSteps | NotEditable = NotEditable("no value was specified")
    if chosen and service.unit is not None:
        written = write_drop_in(case.snapshot, service, f"{ceiling.unit_key}={chosen}\n", _drop_in_name(service))
    elif chosen:
        written = _write_in_compose(case, service, ceiling.compose_keys, chosen, title)
    begin: tuple[Step, ...] | NotEditable
    if isinstance(at, tuple):
        begin = at
    elif service.unit is not None:
        begin = start_or_restart_steps(case.snapshot, service, at)
    else:
        begin = wait_for_listener_step(case.snapshot, service, at)

    return set_and_start_repair(SettingRepairWording(
        ceiling.repair_id, f"raise the {title}", need, f"raise the {title} to {chosen}",
        by_hand=f"raise the {title} to {chosen or 'a higher value'}", then="start it with that value",
    ), written, begin)


def _drop_in_name(service: Service) -> str:
    """Return a drop-in name that is read after the others: the last one that sets a key counts."""
    assert service.unit is not None
    names = [posixpath.basename(path) for path in service.unit.drop_in_paths]
    return _LAST_LIMITS_DROP_IN if any(name > _LIMITS_DROP_IN and name != _LAST_LIMITS_DROP_IN
                                       for name in names) or _LAST_LIMITS_DROP_IN in names else _LIMITS_DROP_IN


def _write_in_compose(case: Case, service: Service, keys: Sequence[str], value: str,
                      title: str) -> EditSteps | NotEditable:
    present = [key for key in keys if any(s.key == key for s in service.compose_settings)]
    if not present:
        return NotEditable(f"its compose files do not set it ({keys[0]}), so it was set elsewhere")
    return write_compose_settings(case.snapshot, service, dict.fromkeys(present, value), title)


# A repair that sets another value in its file and starts the service with it, or gives instructions.


@dataclass(frozen=True, slots=True)
class SettingRepairWording:
    """The text of a setting. `does` states the result (`--backlog 64 instead of 8`), `by_hand` is an instruction."""

    repair: str
    title: str
    need: Need
    does: str
    by_hand: str
    then: str


def set_and_start_repair(setting: SettingRepairWording, written: EditSteps | NotEditable,
                         begin: tuple[Step, ...] | NotEditable) -> Repair:
    """Return a disruptive repair if both parts are possible; else a manual one with the obstacle."""
    for part in (written, begin):
        if isinstance(part, NotEditable):
            manual = f"{setting.by_hand}; fixer cannot do this: {part.reason}"
            return Repair(setting.repair, "manual", setting.title, (), (setting.need,), manual)
    assert not isinstance(written, NotEditable) and not isinstance(begin, NotEditable)
    summary = f"{setting.does}, set in {written.where}, then {setting.then}"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return Repair(setting.repair, "disruptive", summary, (*written.steps, *begin), (setting.need,))
