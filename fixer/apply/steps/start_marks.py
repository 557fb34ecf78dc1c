"""Start marks: whether a step started a service, or somebody else restarted it since.

Undo stops what the step started, and leaves what somebody else started. Managers give each start a mark (systemd's
InvocationID, Docker's StartedAt), which the journal stores. Another mark alone proves nothing: a manager restarts
services after a crash, at boot, for a socket or timer, and later steps of fixer do too. If none of these can be the
reason, somebody else started the service.

An interrupted step left no mark. A start long after fixer's last work is then somebody else's: people help themselves
when a repair dies, and the next repair must not stop what they started."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from fixer.apply.steps.node_access import EngineCommands, Runner
from fixer.errors import Conflict
from fixer.formats.service_log import parse_time
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    import calendar  # only for what an interrupted run left

_UNIT_PROPERTIES = ("ActiveState,InvocationID,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,NRestarts,"
                    "TriggeredBy")
_BOOT_UNIT = "init.scope"  # active since systemd's own start: identifies a boot, in containers too
_ACTIVE_STATES = frozenset({"active", "activating", "reloading"})
_CONTAINER_FORMAT = ("{{.Id}} {{and .State.Running (not .State.Restarting)}} {{.State.StartedAt}} {{.RestartCount}} "
              "{{.HostConfig.RestartPolicy.Name}}")
_CLOCK_SECONDS = 1.0  # `date +%s` truncates: a start in the current second may seem later
_MARGIN_SECONDS = 1.0  # seconds
# seconds from a record to the start that it announced, even if fixer died: first a stop
_WORK_SECONDS = 240.0
READING_SECONDS = 5.0  # seconds that a program may take until it has read its files
_AGES_SCRIPT = ('date +%s; export TZ=UTC LC_ALL=C; exec systemctl show --no-pager '
         '--property=ActiveState,SubState,NRestarts,TriggeredBy,InactiveExitTimestamp,ActiveEnterTimestamp '
         '-- "$1" "$2"')
LEFT_RUNNING_NOTE = "was started again since, not by fixer; it is left running"


@dataclass(frozen=True, slots=True)
class StepStart:
    """A step's start, by the journal: its mark, its earliest time, and when fixer last worked here.
    Times are epoch seconds of one clock; `last_work` is called only if needed. `was_left`: an earlier undo left it
    running. `cut_off`: there is no done record."""

    mark: str
    begun: float
    last_work: Callable[[], float]
    was_left: bool = False
    cut_off: bool = False

    def is_later(self, seconds: float) -> bool:
        """Return whether an event `seconds` after this start came after all work of fixer."""
        return self.was_left or self.begun + seconds > self.last_work() + _MARGIN_SECONDS

    def is_anothers(self, age: float) -> bool:
        """Return whether a start `age` seconds ago cannot be the interrupted step's."""
        return self.cut_off and (self.was_left
                                 or -_CLOCK_SECONDS < age < time.time() - self.last_work() - _WORK_SECONDS)


def unit_mark(runner: Runner, unit: str) -> str:
    """Return the unit's InvocationID, the boot's mark and the start time; empty unless systemd reports all three."""
    seen, machine = _read_unit(runner, unit)
    words = (seen.get("InvocationID", ""), machine, seen.get("InactiveExitTimestampMonotonic", "0"))
    return " ".join(words) if all(word.strip("0") for word in words) else ""


def require_own_unit_start(unit: str, runner: Runner, started: StepStart) -> None:
    """Raise Conflict if somebody else has started the unit since the step did."""
    if started.cut_off:
        _require_own_cut_off_start(unit, runner, started)
        return
    words = started.mark.split()
    if len(words) != 3:
        return
    seen, machine = _read_unit(runner, unit)
    invocation, moment = seen.get("InvocationID", ""), seen.get("InactiveExitTimestampMonotonic", "")
    by_itself = machine != words[1] or seen.get("NRestarts") != "0" or seen.get("TriggeredBy", "")
    if seen.get("ActiveState") not in _ACTIVE_STATES or invocation in ("",
                                                                       words[0]) or by_itself or not moment.isdecimal():
        return
    if started.is_later((int(moment) - int(words[2])) / 1e6):
        raise Conflict(f"{unit} {LEFT_RUNNING_NOTE}")


def _require_own_cut_off_start(unit: str, runner: Runner, started: StepStart) -> None:
    """Compare by the machine's own clock: another machine may have written the journal."""
    seen, start, boot = _read_ages(runner, unit)
    if start is None or boot is None or seen.get("ActiveState") not in _ACTIVE_STATES:
        return
    by_itself = seen.get("NRestarts") != "0" or seen.get("TriggeredBy", "")
    if not by_itself and boot >= time.time() - started.last_work() and started.is_anothers(start):
        raise Conflict(f"{unit} {LEFT_RUNNING_NOTE}")


def is_started_by_boot(unit: str, runner: Runner, started: StepStart) -> bool:
    """Return whether the unit runs on a machine that booted after all work of fixer there."""
    seen, _, boot = _read_ages(runner, unit)
    return seen.get("ActiveState") in _ACTIVE_STATES and boot is not None and boot < time.time() - started.last_work()


def has_unit_restarted(unit: str, runner: Runner, since: float, *, anyhow: bool) -> bool:
    """Return whether the unit runs and was started after `since` (epoch seconds of our clock).
    The start counts if systemd made it (restart after failure, socket, timer), or with `anyhow`."""
    seen, start, _ = _read_ages(runner, unit)
    runs = seen.get("ActiveState") in _ACTIVE_STATES and not seen.get("SubState", "").startswith("auto-restart")
    by_itself = seen.get("NRestarts", "0") != "0" or bool(seen.get("TriggeredBy", ""))
    return runs and (by_itself or anyhow) and start is not None and start < _greatest_age(since)


def _greatest_age(moment: float) -> float:
    """Return the greatest age in seconds of a process that has read a file of that time."""
    return time.time() - moment + READING_SECONDS


def _read_ages(runner: Runner, unit: str) -> tuple[Mapping[str, str], float | None, float | None]:
    """Return the unit's properties, and the ages in seconds of the unit's start and of the boot."""
    result = runner.run(["sh", "-c", _AGES_SCRIPT, "sh", unit, _BOOT_UNIT])
    clock, _, said = result.stdout.decode("utf-8", "replace").partition("\n")
    shown = _parse_blocks(said)
    if result.returncode != 0 or len(shown) != 2 or not clock.isdecimal():
        return {}, None, None
    seen, machine = shown
    start, boot = _parse_moment(seen.get("InactiveExitTimestamp",
                                         "")), _parse_moment(machine.get("ActiveEnterTimestamp", ""))
    return seen, int(clock) - start if start else None, int(clock) - boot if boot else None


def _parse_moment(text: str) -> int:
    """Parse `Thu 2026-11-26 05:13:21 UTC` to epoch seconds; 0 if the text has another form."""
    try:
        return calendar.timegm(time.strptime(text.partition(" ")[2], "%Y-%m-%d %H:%M:%S UTC"))
    except ValueError:
        return 0


def _parse_blocks(text: str) -> list[dict[str, str]]:
    blocks = text.strip().split("\n\n")
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def _read_unit(runner: Runner, unit: str) -> tuple[Mapping[str, str], str]:
    """Return the unit's properties, and when systemd itself became active."""
    result = runner.run(["systemctl", "show", "--no-pager", f"--property={_UNIT_PROPERTIES}", "--", unit, _BOOT_UNIT])
    shown = _parse_blocks(result.stdout.decode("utf-8", "replace"))
    if result.returncode != 0 or len(shown) != 2:
        return {}, ""
    return shown[0], shown[1].get("ActiveEnterTimestampMonotonic", "")


def container_mark(name: str, engine: Runner) -> str:
    """Return the start time of a running container; empty if unknown."""
    words = _inspect_container(name, engine)
    return words[2] if words[1:2] == ["true"] else ""


def require_own_container_start(ident: str, name: str, engine: Runner, started: StepStart) -> None:
    """Raise Conflict if somebody else has started this container since the step did."""
    words = _inspect_container(ident, engine) if started.mark or started.cut_off else []
    if len(words) < 4 or words[1] != "true" or words[2] == started.mark or words[3] != "0":
        return
    if started.cut_off:
        clock = engine.run(["date", "+%s"]).stdout.strip()
        [since] = _parse_times(words[2:3])
        if not clock.isdigit() or not since or not started.is_anothers(int(clock) - since):
            return
        before = int(clock) - (time.time() - started.last_work())
    else:
        before, since = _parse_times((started.mark, words[2]))
        if not before or not started.is_later(since - before):
            return
    policy = words[4] if len(words) > 4 else "no"
    if policy == "no" or _has_older_container(before, engine):
        raise Conflict(f"container {name} {LEFT_RUNNING_NOTE}")


def has_container_restarted(ident: str, engine: Runner, since: float, *, anyhow: bool) -> bool:
    """Return whether the container runs and was started after `since` (epoch seconds of our clock).
    The start counts if Docker made it (restart policy, restart of Docker), or with `anyhow`."""
    words = _inspect_container(ident, engine)
    clock = engine.run(["date", "+%s"]).stdout.strip()
    if len(words) < 4 or words[1] != "true" or not clock.isdigit():
        return False
    [start] = _parse_times(words[2:3])
    before = int(clock) - _greatest_age(since)
    always = len(words) > 4 and words[4] != "no"
    return start > before and (anyhow or words[3] != "0" or (always and not _has_older_container(before, engine)))


def _inspect_container(name: str, engine: Runner) -> list[str]:
    shown = EngineCommands(engine).inspect_containers(_CONTAINER_FORMAT, name)
    return shown.stdout.decode("utf-8", "replace").split() if shown.returncode == 0 else []


def _has_older_container(moment: float, engine: Runner) -> bool:
    """Return whether a container has run since before `moment`: Docker was not restarted since then."""
    names = EngineCommands(engine).running_ids().stdout.decode("ascii", "replace").split()
    if not names:
        return False
    shown = EngineCommands(engine).inspect_containers("{{.State.StartedAt}}", *names)
    return any(0.0 < one < moment for one in _parse_times(shown.stdout.decode("ascii", "replace").split()))


def _parse_times(words: Sequence[str]) -> list[float]:
    return [parse_time(word) for word in words]
