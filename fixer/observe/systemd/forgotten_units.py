"""Unit states that systemd has cleared, restored from its journal: the end of the last run and the restart count.

`systemctl reset-failed` clears both. systemd also unloads a unit that is not enabled and has no failure left.
A stop during a start attempt of a restart loop clears the result too: only the run before shows the failure.
The same happens while systemd prepares the next attempt: the unit's process is not its program yet.
Only systemd's own lines of this boot count: a program can print anything.
"""

from __future__ import annotations

import posixpath

from fixer.formats.exec_status import STEPS
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Answer
from fixer.model.snapshot import Process, Unit
from fixer.observe.view.node_view import View

_SYSTEMD_LINE = regex(r"^(\d{9,11}\.\d+) \S+ systemd\[1\]: (.*)$")
_FAILED = regex(r": Failed with result '([a-z-]+)'\.$")
_EXITED = regex(r": Main process exited, code=(exited|killed|dumped), status=(\d+)/")
_SCHEDULED = regex(r": Scheduled restart job, restart counter is at (\d+)\.$")
_STATE_CHANGE = regex(r"^(?:Started|Starting|Stopping|Stopped) |: Deactivated successfully\.$")
_STARTED = regex(r"^Started ")
_START_LINE = regex(r"^(?:Started|Starting) ")
_STOP_LINE = regex(r"^(?:Stopping|Stopped) ")
_CODE_NUMBERS = {"exited": 1, "killed": 2, "dumped": 3}
_EXECUTOR = "systemd-executor"      # since systemd 254; before, the child is called (name) until its exec
_NEAR_SECONDS = 5.0       # seconds between the journal's start and systemd's start time
_TRY_SECONDS = 20.0       # seconds: a run of a restart loop fails within this time


def with_journal_state(unit: Unit, answer: Answer | None, view: View) -> Unit:
    """Return the unit with the state that its journal shows; unchanged if a condition skipped its last start."""
    loaded = unit.load_state == "loaded" and isinstance(view.process_table.boot_at, Known)
    rests = unit.active_state == "inactive" and unit.result in ("", "success") and unit.condition_result
    runs = unit.active_state == "active" and unit.n_restarts == 0
    again = unit.active_state in ("active", "activating") and unit.n_restarts > 0 and unit.result in ("", "success")
    if not loaded or not (rests or runs or again) or answer is None or answer.status != "ok":
        return unit
    said = _systemd_lines(answer.data, view.process_table.boot_at.or_else(0.0))
    if again:
        return _with_previous_try(unit, said, view)
    return _with_last_failure(unit, said) if rests else _with_restart_count(unit, said)


def _systemd_lines(data: bytes, since: float) -> list[tuple[float, str]]:
    matches = (_SYSTEMD_LINE.match(line) for line in data.decode("utf-8", "replace").split("\n"))
    return [(float(match[1]), match[2]) for match in matches if match is not None and float(match[1]) >= since]


def _with_last_failure(unit: Unit, said: list[tuple[float, str]]) -> Unit:
    """Restore the failure of an inactive unit if no start or stop followed it, or if a stop ended its restart loop."""
    for at in range(len(said) - 1, -1, -1):
        text = said[at][1]
        failed = _FAILED.search(text)
        if failed is not None:
            return _with_failed_run(unit, said[:at + 1], failed[1])
        if _STATE_CHANGE.search(text):
            return _with_stopped_loop(unit, said)
    return unit


def _with_previous_try(unit: Unit, said: list[tuple[float, str]], view: View) -> Unit:
    """Restore the result of the previous run while systemd restarts the unit and its program does not run yet.
    If the main process was not seen, report "no process" only if systemd itself failed to start one."""
    main = view.by_pid.get(unit.main_pid)
    main = main if main is not None and main.argv and main.state != "Z" else None      # a zombie does not count
    prepared = main is not None and _is_executor(main)
    end = next((at for at in range(len(said) - 1, -1, -1) if _FAILED.search(said[at][1])), -1)
    failed = _FAILED.search(said[end][1]) if end >= 0 else None
    since = [text for _, text in said[end + 1:]]
    begun = sum(_START_LINE.search(text) is not None for text in since)
    by_itself = any(_SCHEDULED.search(text) for text in since) or not begun
    ended_since = any(_STATE_CHANGE.search(text) and not _START_LINE.search(text) and not _STOP_LINE.search(text)
                      for text in since)
    if failed is None or (main is not None and not prepared) or begun > 1 or not by_itself or ended_since:
        return unit
    ended = _with_failed_run(unit, said[:end + 1], failed[1])
    own = ended.exec_main_status in STEPS and failed[1] == "exit-code"
    return replace(ended, inactive_enter=unit.inactive_enter, main_pid=0) if prepared or own else unit


def _is_executor(process: Process) -> bool:
    """Return whether the process is systemd's own, which prepares the execution of the program."""
    program = process.argv[0] if process.argv else ""
    return posixpath.basename(program) == _EXECUTOR or (program.startswith("(") and program.endswith(")"))


def _with_failed_run(unit: Unit, said: list[tuple[float, str]], result: str) -> Unit:
    """Return the unit with the end of the run whose failure the last line reports."""
    ended = next((m for _, line in reversed(said) if (m := _EXITED.search(line))), None)
    code, status = (_CODE_NUMBERS[ended[1]], int(ended[2])) if ended is not None else (0, 0)
    return replace(unit, result=result, exec_main_code=code, exec_main_status=status, inactive_enter=said[-1][0],
                   is_from_journal=True)


def _with_stopped_loop(unit: Unit, said: list[tuple[float, str]]) -> Unit:
    """Restore the failure of a restart loop that was stopped before its next run could fail as well."""
    again = next((at for at in range(len(said) - 1, 0, -1) if _SCHEDULED.search(said[at][1])), 0)
    earlier, last = said[:again], said[again:]
    began = next((moment for moment, text in reversed(earlier) if _START_LINE.search(text)), 0.0)
    end = next((at for at in range(again - 1, -1, -1) if _FAILED.search(said[at][1])), -1)
    starts = [at for at, (_, text) in enumerate(last) if _START_LINE.search(text)]
    stops = [moment for moment, text in last[starts[-1]:] if _STOP_LINE.search(text)] if starts else []
    by_hand = sum(_STARTED.search(text) is not None for _, text in last) > 1
    if end < 0 or not stops or by_hand or stops[0] - last[starts[0]][0] > _TRY_SECONDS:
        return unit
    if last[starts[0]][0] - last[0][0] > _NEAR_SECONDS or any(_FAILED.search(text) for _, text in last[:starts[0]]):
        return unit         # systemd gave up, and somebody started it later
    failed = _FAILED.search(said[end][1])
    if failed is None or not began or not 0 <= said[end][0] - began <= _TRY_SECONDS:
        return unit         # it ran for some time: one failure is no loop
    return replace(_with_failed_run(unit, said[:end + 1], failed[1]), active_enter=began)


def _with_restart_count(unit: Unit, said: list[tuple[float, str]]) -> Unit:
    """Restore the restart count of a running unit that systemd restarted after a failure, if somebody reset it."""
    for at in range(len(said) - 1, 0, -1):
        moment, text = said[at]
        if _STARTED.search(text):
            counted = _SCHEDULED.search(said[at - 1][1])
            near = abs(moment - unit.active_enter) < _NEAR_SECONDS
            return replace(unit, n_restarts=int(counted[1]),
                           is_from_journal=True) if counted is not None and near else unit
    return unit
