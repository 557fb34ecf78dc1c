"""Processes during a repair: the process table, and signals sent only to the intended process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from fixer.apply.steps.node_access import Runner
from fixer.errors import Conflict, StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.plan import SignalProcess

# Constant scripts; variable parts are arguments and never become code.
_TABLE_COMMAND = ("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null")
# Field n of stat is ${n+1} once the comm in parentheses, which may hold anything, is cut off. Read and kill are
# microseconds apart, so that a reused PID is not hit.
_SEND_SCRIPT = (
    'set -f; s=$(cat "/proc/$2/stat" 2>/dev/null) || exit 3; set -- "$1" "$2" "$3" ${s##*) }; '
    '[ "${23}" = "$3" ] || exit 4; kill -s "$1" "$2" || exit 5'
)
_EXIT_MISSING, _EXIT_REUSED = 3, 4
_STAT = regex(rb"^(\d+) \((.*)\) ([A-Za-z]) (\d+)((?: -?\d+){17}) (\d+)", re.MULTILINE)
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One line of the process table."""

    pid: int
    comm: str
    state: str
    ppid: int
    start_ticks: int


def read_process_table(runner: Runner) -> Mapping[int, ProcessEntry]:
    """Return every process of the node; some may have ended in the meantime."""
    return parse_process_table(runner.run(_TABLE_COMMAND).stdout)


def parse_process_table(data: bytes) -> Mapping[int, ProcessEntry]:
    """Parse /proc/PID/stat of many processes, concatenated."""
    entries = {}
    for pid, comm, state, ppid, _, ticks in _STAT.findall(data):
        entries[int(pid)] = ProcessEntry(int(pid), comm.decode("utf-8", "replace"), state.decode(), int(ppid),
                                         int(ticks))
    return entries


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` until it is true, at most `seconds`; return whether it became true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True


def send_signal(runner: Runner, pid: int, start_ticks: int, signal: str) -> bool:
    """Send the signal; return False if the process has ended. Raise Conflict if another one has its PID."""
    result = runner.run(["sh", "-c", _SEND_SCRIPT, "sh", signal, str(pid), str(start_ticks)])
    if result.returncode == _EXIT_REUSED:
        raise Conflict(f"PID {pid} belongs to another process now", "no signal was sent; diagnose again")
    if result.returncode not in (0, _EXIT_MISSING):
        reason = result.stderr.decode("utf-8", "replace").strip() or "not permitted"
        raise StepFailed(f"could not send {signal} to process {pid}: {reason}")
    return result.returncode == 0


def is_alive(runner: Runner, pid: int, start_ticks: int) -> bool:
    """Return whether this process still runs; a zombie has ended."""
    entry = read_process_table(runner).get(pid)
    return entry is not None and entry.start_ticks == start_ticks and entry.state != "Z"


def end_process(runner: Runner, pid: int, start_ticks: int, signal: str, grace: float) -> bool:
    """Send the signal, wait `grace` seconds, then KILL; return False if the process had ended already."""
    if not send_signal(runner, pid, start_ticks, signal):
        return False
    if wait_until(lambda: not is_alive(runner, pid, start_ticks), grace):
        return True
    send_signal(runner, pid, start_ticks, "KILL")
    if not wait_until(lambda: not is_alive(runner, pid, start_ticks), 5.0):
        raise StepFailed(f"process {pid} did not end, not even after SIGKILL")
    return True


def apply_signal(step: SignalProcess, runner: Runner) -> str:
    """Send the step's signal; return a note if the process had ended already."""
    if step.signal != "CONT":
        ended = end_process(runner, step.pid, step.start_ticks, step.signal, step.grace)
        return "" if ended else "it had ended already"
    if not send_signal(runner, step.pid, step.start_ticks, "CONT"):
        raise StepFailed(f"process {step.pid} has ended")
    return ""


def undo_continue(step: SignalProcess, runner: Runner) -> bool:
    """Undo CONT by STOP; return False if the process has ended since."""
    return send_signal(runner, step.pid, step.start_ticks, "STOP")
