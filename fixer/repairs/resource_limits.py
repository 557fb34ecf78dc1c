"""Limits of a service raised where they are written: a drop-in of its unit, or its compose file."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.exits.kills import last_signal
from fixer.analysis.run_log import message
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import Step, WriteFile
from fixer.model.snapshot import Endpoint, LogLine, Service, Snapshot, UnitSetting
from fixer.repairs.container_settings import set_compose
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import begin_steps, waiting
from fixer.repairs.write_variables import Written, drop_in

MEMORY = "memory"
_RAISED = "50-badgateway-memory.conf"
_SIZE = regex(r"(?P<number>[1-9][0-9]*)(?P<unit>[KMGkmg]?)[Bb]?\Z")
_NO_THREAD = regex(
    r"can't start new thread|pthread_create|[Rr]esource temporarily unavailable|[Cc]annot allocate memory|MemoryError|"
    r"failed to map segment"
)
_NO_TASK = regex(
    r"can't start new thread|pthread_create.*(?:Resource temporarily unavailable|EAGAIN)|"
    r"\bfork: (?:retry: )?Resource temporarily unavailable|"
    r"^BlockingIOError: \[Errno 11\] Resource temporarily unavailable"
)
_NO_SPACE = regex(
    r"^(?:object repr +: )?MemoryError\b|^Fatal Python error: .*[Mm]emory|\[Errno 12\] Cannot allocate memory|"
    r"[Cc]annot allocate memory$|failed to map segment from shared "
    r"object|can't start new thread"
)
_FRAME = regex(r'^\s*File "[^"]*", line \d+')
_ENDS = regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)\b")
_FORKS = regex(r"\bfork\(\)|fork_exec|_start_new_thread|start_joinable_thread")
_CALL, _MOST_CALL = 6, 24        # lines above an error in which its own call stands; a call written over many
_FEW_TASKS, _SOME_TASKS = 8, 256
_LITTLE_SPACE = 1 << 30
_LEAST = 128             # MiB: no application server comes up in much less, and twice a slip of the pen is one still
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def memory_limit(service: Service) -> int:
    """The limit in force, in bytes; 0 where there is none."""
    if service.unit is not None:
        return service.unit.memory_max
    return service.container.memory_max if service.container is not None else 0


def say_bytes(limit: int) -> str:
    """A limit for people; one that forgot its unit is a few bytes."""
    return f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"


def raise_memory(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    """Another limit, by default twice the present one and not too little, where it is written; then a start or
    restart."""
    limit = memory_limit(service)
    again = _raised_before(service)
    default = f"{max(_LEAST, limit >> 19)}M" if limit and not again else None
    need = Need(MEMORY, "value", f"the memory limit of {service.name}, now {say_bytes(limit)}{again}", default=default,
                pattern="[1-9][0-9]*[KMGkmg]?")
    chosen = case.inputs.get(MEMORY, default or "")
    if again and not chosen:
        title = f"another memory limit for {service.name}: it was raised before{again}"
        return Repair("raise-memory-limit", "disruptive", title, (), needs=(need,))
    written: Written | NoPlace = NoPlace("its limit could not be read")
    if chosen:
        written = write_limit(case.snapshot, service, "MemoryMax", chosen, _RAISED)
    begin = begin_steps(case.snapshot, service, endpoint)
    if isinstance(written, NoPlace) or isinstance(begin, NoPlace):
        why = written.why if isinstance(written, NoPlace) else begin.why if isinstance(begin, NoPlace) else ""
        manual = f"give {service.name} a memory limit of {chosen or 'more than it has'}: {why}"
        return Repair("raise-memory-limit", "manual", f"more memory for {service.name}", (), manual=manual)
    summary = f"a memory limit of {chosen} for {service.name}, set in {written.where}, then start it with that"
    doubt = (f"whether {chosen} is enough for {service.name} is not proven: how much it needs was not seen, since it "
             "was killed at its limit. Where it is killed again, it needs more, or it leaks and reaches any limit")
    return Repair("raise-memory-limit", "disruptive", summary, (*written.steps, *begin), needs=(need,), doubt=doubt)


def _raised_before(service: Service) -> str:
    """Words where the limit in force is one that a repair has set already: twice that would be a guess once more."""
    ours = next((s for s in service.settings if s.key == "MemoryMax" and _RAISED in s.source.where), None)
    return "" if ours is None else f" ({ours.source.where} raised it), and was reached again: it may leak"


def write_limit(snapshot: Snapshot, service: Service, key: str, value: str, name: str) -> Written | NoPlace:
    """One limit in a drop-in, or over the old value in the compose file."""
    if service.unit is not None:
        old = key == "MemoryMax" and any(s.key == "MemoryLimit" for s in service.settings)
        lines = f"{key}={value}\n" + (f"MemoryLimit={value}\n" if old else "")
        return drop_in(snapshot, service, lines, name)
    places = [s for s in service.settings if s.key == key]
    if key == "MemoryMax" and places:
        # a total with swap below the new limit would be refused
        places += [s for s in service.settings if s.key == "MemorySwapMax" and 0 < size_of(s.value) < size_of(value)]
    return _over(snapshot, service, places, value)


def size_of(text: str) -> int:
    """A size in bytes; 0 where it is none, or no limit."""
    match = _SIZE.match(text.strip())
    return int(match["number"]) * _UNITS[match["unit"].lower()] if match else 0


def _over(snapshot: Snapshot, service: Service, places: list[UnitSetting], value: str) -> Written | NoPlace:
    if not places:
        box = service.container
        if box is not None and not box.project:
            return NoPlace(f"it was given by hand when {box.name} was made: docker update changes it (--memory with "
                           "--memory-swap, --cpus), and so must whatever makes that container anew")
        return NoPlace("its compose files do not set it, so it was given by hand; put it into the compose file")
    spans = []
    for setting in places:
        place = setting.place
        file = None if place is None or place.file is None else snapshot.file(service.files_node, place.file)
        if place is None or file is None or place.start is None or place.end is None:
            return NoPlace(f"{setting.source.where} does not hold it as plain text")
        if file.data[place.start:place.end] != place.text.encode():
            return NoPlace(f"{setting.source.where} does not hold {place.text} where it was read")
        spans.append((file, place.start, place.end))
    file = spans[0][0]
    if any(other is not file for other, _, _ in spans):
        return NoPlace("its limits stand in several files")
    data = file.data
    for _, start, end in sorted(spans, key=lambda span: -span[1]):
        data = data[:start] + value.encode() + data[end:]
    step = WriteFile(file.node, file.real_path, file.data, data, "the limit", in_place=file.single_file_mount)
    return Written((step,), file.real_path, file.managed_by)


@dataclass(frozen=True, slots=True)
class Tight:
    """A limit that a server cannot start threads or map its memory under. `is_said`: its own log complains of it."""

    key: str
    need: str
    value: str
    default: str
    evidence: tuple[Evidence, ...]
    is_said: bool
    setting: UnitSetting | None = None      # of a script, with its place there

    @property
    def said(self) -> str:
        """The limit, for people."""
        return f"{self.key}={self.value}" if self.setting is None else f"{self.key} {self.value} (KiB)"


def tight_limit(service: Service, lines: Sequence[LogLine]) -> Tight | None:
    """The limit that made it abort: one that no server can do with, or any that its own log complains of."""
    said = next((line for line in reversed(lines) if _NO_THREAD.search(message(line))), None)
    memory = said is not None and space_refused(lines) and not task_refused(lines)
    shown = () if said is None else (log_evidence(said.text, said.where),)
    tasks = service.unit.tasks_max if service.unit is not None else 0
    if service.container is not None:
        tasks = service.container.pids_max
    written = {s.key: s for s in service.settings}
    if 0 < tasks < (_FEW_TASKS if said is None else _SOME_TASKS) and not memory:
        place = written.get("TasksMax")
        of = Evidence("container" if service.container is not None else "unit", service.name, f"at most {tasks} tasks")
        return Tight("TasksMax", "tasks", str(tasks), "512", (place.source if place else of, *shown), said is not None)
    for key in ("LimitAS", "LimitDATA"):
        space = written.get(key)
        if space is not None and 0 < size_of(space.value.partition(":")[0]) < _LITTLE_SPACE:      # SOFT or SOFT:HARD
            return Tight(key, "address-space", space.value, "infinity", (space.source, *shown), said is not None)
    for key in ("ulimit -v", "ulimit -d"):
        set_there = written.get(key)
        if set_there is not None and int(set_there.value) << 10 < _LITTLE_SPACE:
            return Tight(key, "address-space", set_there.value, "unlimited", (set_there.source, *shown),
                         said is not None, set_there)
    own = written.get("LimitNPROC")       # of all processes of the account; it does not hold for root
    if own is not None and own.value.isdigit() and int(own.value) < _SOME_TASKS and said is not None and not memory \
            and service.unit is not None and service.unit.user not in ("", "root", "0"):
        return Tight("LimitNPROC", "processes", own.value, "infinity", (own.source, *shown), is_said=True)
    return None


def task_refused(lines: Sequence[LogLine]) -> bool:
    """It ended because it was refused another process or thread, as its last error says."""
    texts = [message(line).rstrip() for line in lines]
    at = next((i for i in range(len(texts) - 1, -1, -1) if _NO_TASK.search(texts[i])), None)
    if at is None or any(_ENDS.match(text) for text in texts[at + 1:]):
        return False
    return not texts[at].startswith("BlockingIOError") or any(_FORKS.search(t) for t in texts[_call_of(texts, at):at])


def _call_of(texts: Sequence[str], at: int) -> int:
    """Where the call that an error came from begins: its last frame, which newer Pythons show line by line."""
    frames = (i for i in range(at - 1, max(0, at - _MOST_CALL) - 1, -1) if _FRAME.match(texts[i]))
    return next(frames, max(0, at - _CALL))


def space_refused(lines: Sequence[LogLine]) -> bool:
    """It ended because it was refused memory or the room of another thread, as its last error says."""
    texts = [message(line).rstrip() for line in lines]
    at = next((i for i in range(len(texts) - 1, -1, -1) if _NO_SPACE.search(texts[i])), None)
    return at is not None and not any(_ENDS.match(text) for text in texts[at + 1:])


def tasks_lifted(service: Service, lines: Sequence[LogLine]) -> Evidence | None:
    """It ended because it was refused another process or thread, and its unit has no limit of its own by now: only a
    start tells. What systemd has not read, and a limit of its account, are none of that."""
    unit = service.unit
    if unit is None or unit.need_daemon_reload or not task_refused(lines) or 0 < unit.tasks_max < _SOME_TASKS:
        return None
    if any(s.key in ("TasksMax", "LimitNPROC") for s in service.settings) or tight_limit(service, lines) is not None:
        return None
    now = f"TasksMax={unit.tasks_max}" if unit.tasks_max else "no limit"
    return Evidence("unit", unit.name, f"{now} now, and none in its own files")


def raise_tight(case: Case, service: Service, endpoint: Endpoint, tight: Tight) -> Repair:
    """Another limit where it is written, then a start."""
    of_shell = tight.setting
    need = Need(tight.need, "value", f"{tight.key} of {service.name}, now {tight.value}", default=tight.default,
                pattern="[1-9][0-9]*[KMGkmg]?|infinity" if of_shell is None else "[1-9][0-9]*|unlimited")
    chosen = case.inputs.get(tight.need, tight.default)
    if of_shell is None:
        written = write_limit(case.snapshot, service, tight.key, chosen, "50-badgateway-limits.conf")
    else:
        written = _over(case.snapshot, service, [of_shell], chosen)
    begin = begin_steps(case.snapshot, service, endpoint)
    if isinstance(written, NoPlace) or isinstance(begin, NoPlace):
        why = written.why if isinstance(written, NoPlace) else begin.why if isinstance(begin, NoPlace) else ""
        manual = f"give {service.name} {tight.key}={chosen} instead of {tight.value}: {why}"
        return Repair("raise-limit", "manual", f"raise {tight.key} of {service.name}", (), manual=manual)
    equals = "=" if of_shell is None else " "
    summary = (f"{tight.key}{equals}{chosen} instead of {tight.value} for {service.name}, set in {written.where}, then "
               "start it")
    return Repair("raise-limit", "disruptive", summary, (*written.steps, *begin), needs=(need,))


def tight_of(crash: Crash) -> Tight | None:
    """The limit of its manager that made it abort, or that its last words complain of."""
    number = last_signal(crash)
    if number is None:
        refused = task_refused(crash.lines) or space_refused(crash.lines)
        return tight_limit(crash.service, crash.lines) if refused else None
    return tight_limit(crash.service, crash.lines) if number in (6, 11) else None


def is_of_a_limit(crash: Crash) -> bool:
    """A limit on tasks or memory tells its end better than that it failed: one in force, or one that was lifted."""
    return tight_of(crash) is not None or tasks_lifted(crash.service, crash.lines) is not None


# A limit that a service's manager sets for it, raised where it is written: a drop-in of its unit, its compose file.
_FIRST, _LAST = "50-badgateway-limits.conf", "zz-badgateway-limits.conf"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A limit: the repair's id, what it is called, its key in a unit, its keys in a compose file."""

    repair_id: str
    title: str
    unit_key: str
    compose_keys: tuple[str, ...]


def raise_ceiling(case: Case, service: Service, at: Endpoint | tuple[Step, ...], ceiling: Ceiling,
                  need: Need) -> Repair:
    """Write another value and let it take effect. The need's key names the input; its default is what is proposed. `at`
    is where it must accept then, or how that is waited for."""
    chosen = case.inputs.get(need.key, need.default or "")
    title = f"{ceiling.title} of {service.name}"
    written: Written | NoPlace = NoPlace("nobody said how much")
    if chosen and service.unit is not None:
        written = drop_in(case.snapshot, service, f"{ceiling.unit_key}={chosen}\n", _name(service))
    elif chosen:
        written = _in_compose(case, service, ceiling.compose_keys, chosen, title)
    begin: tuple[Step, ...] | NoPlace
    if isinstance(at, tuple):
        begin = at
    elif service.unit is not None:
        begin = begin_steps(case.snapshot, service, at)
    else:
        begin = waiting(case.snapshot, service, at)

    return set_and_begin(Setting(
        ceiling.repair_id, f"raise the {title}", need, f"raise the {title} to {chosen}",
        by_hand=f"raise the {title} to {chosen or 'more'}", then="start it with that",
    ), written, begin)


def _name(service: Service) -> str:
    """A drop-in that is read after the others: the last one that sets a key counts."""
    assert service.unit is not None
    names = [posixpath.basename(path) for path in service.unit.drop_in_paths]
    return _LAST if any(name > _FIRST and name != _LAST for name in names) or _LAST in names else _FIRST


def _in_compose(case: Case, service: Service, keys: Sequence[str], value: str, title: str) -> Written | NoPlace:
    present = [key for key in keys if any(s.key == key for s in service.compose_settings)]
    if not present:
        return NoPlace(f"its compose files do not set it ({keys[0]}), so it was given elsewhere")
    return set_compose(case.snapshot, service, dict.fromkeys(present, value), title)


# The repair that sets another value where it is written and begins the service with it, or says how a person does.


@dataclass(frozen=True, slots=True)
class Setting:
    """What is set. `does` says it as a thing to be (`--backlog 64 instead of 8`), `by_hand` as a thing to do."""

    repair: str
    title: str
    need: Need
    does: str
    by_hand: str
    then: str


def set_and_begin(setting: Setting, written: Written | NoPlace, begin: tuple[Step, ...] | NoPlace) -> Repair:
    """Disruptive where both can be done; else by hand, with what stands in the way."""
    for part in (written, begin):
        if isinstance(part, NoPlace):
            manual = f"{setting.by_hand}: {part.why}"
            return Repair(setting.repair, "manual", setting.title, (), (setting.need,), manual)
    assert not isinstance(written, NoPlace) and not isinstance(begin, NoPlace)
    summary = f"{setting.does}, set in {written.where}, then {setting.then}"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return Repair(setting.repair, "disruptive", summary, (*written.steps, *begin), (setting.need,))
