"""What a step started, told from what somebody started anew since: an undo stops the one and leaves the other.

A manager gives every start a mark of its own (systemd's InvocationID, Docker's StartedAt), and the journal keeps the
one that the step gave. Another mark alone proves nothing: managers start things anew by themselves, after a crash, at a
boot, for a socket or a timer, and later steps of fixer's own do. Somebody else's start it is where none of these can be
the reason; else the undo stops what the step had started.

A step that was cut off left no mark. What runs then is somebody else's start where it came long after all that fixer
did: people help themselves when a repair dies, and the next one must not stop what they started.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Mapping, Sequence

from fixer.apply.steps.node_access import Runner
from fixer.errors import Conflict
from fixer.lazy.dataclass import dataclass

_UNIT_PROPERTIES = ("ActiveState,InvocationID,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,NRestarts,"
                    "TriggeredBy")
_BOOT_UNIT = "init.scope"       # active since systemd itself is: tells one boot from another, in a container too
_ACTIVE_STATES = frozenset({"active", "activating", "reloading"})
_CONTAINER_FORMAT = ("{{.Id}} {{and .State.Running (not .State.Restarting)}} {{.State.StartedAt}} {{.RestartCount}} "
              "{{.HostConfig.RestartPolicy.Name}}")
_CLOCK_SECONDS = 1.0                 # what `date +%s` cuts off: a start of this second comes after it
_MARGIN_SECONDS = 1.0                 # seconds
# seconds from a record to the start that it announced, though fixer is dead: first a stop
_WORK_SECONDS = 240.0
READING_SECONDS = 5.0                # seconds that a program may take until it has read its files
_AGES_SCRIPT = ('date +%s; export TZ=UTC LC_ALL=C; exec systemctl show --no-pager '
         '--property=ActiveState,SubState,NRestarts,TriggeredBy,InactiveExitTimestamp,ActiveEnterTimestamp '
         '-- "$1" "$2"')
LEFT_RUNNING_NOTE = "was started again since, not by fixer; it is left running"


@dataclass(frozen=True, slots=True)
class StepStart:
    """A step's start, by the journal: its mark, when it was begun at the earliest, and when fixer was last at work here
    (epoch seconds of the same clock; asked only where it matters). `was_left`: an undo before this one left it.
    `cut_off`: nothing says that the step was done."""

    mark: str
    begun: float
    last_work: Callable[[], float]
    was_left: bool = False
    cut_off: bool = False

    def is_later(self, seconds: float) -> bool:
        """Whether what began so many seconds after this start came after all that fixer did."""
        return self.was_left or self.begun + seconds > self.last_work() + _MARGIN_SECONDS

    def is_anothers(self, age: float) -> bool:
        """Whether what began so many seconds ago is no start of the step, which was cut off."""
        return self.cut_off and (self.was_left
                                 or -_CLOCK_SECONDS < age < time.time() - self.last_work() - _WORK_SECONDS)


def unit_mark(runner: Runner, unit: str) -> str:
    """The start that the unit lives by, the machine's, and its moment; empty where systemd does not tell all three."""
    seen, machine = _read_unit(runner, unit)
    words = (seen.get("InvocationID", ""), machine, seen.get("InactiveExitTimestampMonotonic", "0"))
    return " ".join(words) if all(word.strip("0") for word in words) else ""


def require_own_unit_start(unit: str, runner: Runner, started: StepStart) -> None:
    """Conflict where somebody else has started the unit since the step did."""
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
    """By the machine's own clock: another one wrote the journal."""
    seen, start, boot = _read_ages(runner, unit)
    if start is None or boot is None or seen.get("ActiveState") not in _ACTIVE_STATES:
        return
    by_itself = seen.get("NRestarts") != "0" or seen.get("TriggeredBy", "")
    if not by_itself and boot >= time.time() - started.last_work() and started.is_anothers(start):
        raise Conflict(f"{unit} {LEFT_RUNNING_NOTE}")


def is_started_by_boot(unit: str, runner: Runner, started: StepStart) -> bool:
    """Whether the unit runs on a machine that was started after all that fixer did there."""
    seen, _, boot = _read_ages(runner, unit)
    return seen.get("ActiveState") in _ACTIVE_STATES and boot is not None and boot < time.time() - started.last_work()


def has_unit_restarted(unit: str, runner: Runner, since: float, *, anyhow: bool) -> bool:
    """Whether the unit was started since that moment (epoch seconds of our clock) and runs; by systemd itself, as one
    that fails again and again or that a socket or timer starts, or `anyhow`."""
    seen, start, _ = _read_ages(runner, unit)
    runs = seen.get("ActiveState") in _ACTIVE_STATES and not seen.get("SubState", "").startswith("auto-restart")
    by_itself = seen.get("NRestarts", "0") != "0" or bool(seen.get("TriggeredBy", ""))
    return runs and (by_itself or anyhow) and start is not None and start < _greatest_age(since)


def _greatest_age(moment: float) -> float:
    """How many seconds ago what has read a file of that moment began at most."""
    return time.time() - moment + READING_SECONDS


def _read_ages(runner: Runner, unit: str) -> tuple[Mapping[str, str], float | None, float | None]:
    """What systemd says of the unit, and for how many seconds it and the machine have been up."""
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
    """`Thu 2026-11-26 05:13:21 UTC`; 0 where that is not what is there."""
    try:
        return calendar.timegm(time.strptime(text.partition(" ")[2], "%Y-%m-%d %H:%M:%S UTC"))
    except ValueError:
        return 0


def _parse_blocks(text: str) -> list[dict[str, str]]:
    blocks = text.strip().split("\n\n")
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def _read_unit(runner: Runner, unit: str) -> tuple[Mapping[str, str], str]:
    """What systemd says of the unit, and since when it is there itself."""
    result = runner.run(["systemctl", "show", "--no-pager", f"--property={_UNIT_PROPERTIES}", "--", unit, _BOOT_UNIT])
    shown = _parse_blocks(result.stdout.decode("utf-8", "replace"))
    if result.returncode != 0 or len(shown) != 2:
        return {}, ""
    return shown[0], shown[1].get("ActiveEnterTimestampMonotonic", "")


def container_mark(name: str, engine: Runner) -> str:
    """When the container that runs was started; empty where that is not known."""
    words = _inspect_container(name, engine)
    return words[2] if words[1:2] == ["true"] else ""


def require_own_container_start(ident: str, name: str, engine: Runner, started: StepStart) -> None:
    """Conflict where somebody else has started that very container since the step did."""
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
    """Whether the container was started since that moment (epoch seconds of our clock) and runs; by Docker itself, as
    one that ends again and again or since Docker was started anew, or `anyhow`."""
    words = _inspect_container(ident, engine)
    clock = engine.run(["date", "+%s"]).stdout.strip()
    if len(words) < 4 or words[1] != "true" or not clock.isdigit():
        return False
    [start] = _parse_times(words[2:3])
    before = int(clock) - _greatest_age(since)
    always = len(words) > 4 and words[4] != "no"
    return start > before and (anyhow or words[3] != "0" or (always and not _has_older_container(before, engine)))


def _inspect_container(name: str, engine: Runner) -> list[str]:
    shown = engine.run(["docker", "inspect", "--type", "container", "-f", _CONTAINER_FORMAT, name])
    return shown.stdout.decode("utf-8", "replace").split() if shown.returncode == 0 else []


def _has_older_container(moment: float, engine: Runner) -> bool:
    """Whether a container runs since before: then Docker was not started anew, which starts containers by itself."""
    names = engine.run(["docker", "ps", "-q", "--no-trunc"]).stdout.decode("ascii", "replace").split()
    if not names:
        return False
    shown = engine.run(["docker", "inspect", "--type", "container", "-f", "{{.State.StartedAt}}", *names])
    return any(0.0 < one < moment for one in _parse_times(shown.stdout.decode("ascii", "replace").split()))


def _parse_times(words: Sequence[str]) -> list[float]:
    from fixer.formats.service_log import parse_time  # few undos need it

    return [parse_time(word) for word in words]
