"""Unit states that systemd has cleared, restored from its journal: the end of the last run and the restart count.

`systemctl reset-failed` clears both. systemd also unloads a unit that is not enabled and has no failure left.
A stop during a start attempt of a restart loop clears the result too: only the run before shows the failure.
The same happens while systemd prepares the next attempt: the unit's process is not its program yet.
Only systemd's own lines of this boot count: a program can print anything.
"""

from __future__ import annotations

import posixpath

from fixer.formats.exec_status import STEPS
from fixer.formats.journal_entries import parse_entries
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.facts import Known
from fixer.model.query import Answer
from fixer.model.snapshot import Process, Unit
from fixer.model.unit_event import UnitEvent
from fixer.observe.view.node_view import View

_OTHER = UnitEvent("other")
_CODE_NUMBERS = {"exited": 1, "killed": 2, "dumped": 3}
_EXECUTOR = "systemd-executor"      # since systemd 254; before, the child is called (name) until its exec
_NEAR_SECONDS = 5.0       # seconds between the journal's start and systemd's start time
_TRY_SECONDS = 20.0       # seconds: a run of a restart loop fails within this time


@dataclass(frozen=True, slots=True)
class _Said:
    """One entry of systemd's own, with its time in epoch seconds."""

    at: float
    event: UnitEvent


def with_journal_state(unit: Unit, answer: Answer | None, view: View) -> Unit:
    """Return the unit with the state that its journal shows; unchanged if a condition skipped its last start."""
    loaded = unit.load_state == "loaded" and isinstance(view.process_table.boot_at, Known)
    rests = unit.active_state == "inactive" and unit.result in ("", "success") and unit.condition_result
    runs = unit.active_state == "active" and unit.n_restarts == 0
    again = unit.active_state in ("active", "activating") and unit.n_restarts > 0 and unit.result in ("", "success")
    if not loaded or not (rests or runs or again) or answer is None or answer.status != "ok":
        return unit
    said = _said_by_systemd(answer.data, view.process_table.boot_at.or_else(0.0))
    if rests:
        return _with_last_failure(unit, said)
    counted = _with_restart_count(unit, said) if runs else unit
    return _with_previous_try(counted, said, view) if counted.n_restarts else counted


def _said_by_systemd(data: bytes, since: float) -> list[_Said]:
    return [_Said(entry.at, entry.event or _OTHER) for entry in parse_entries(data)
            if entry.is_systemd and entry.at is not None and entry.at >= since]


def _with_last_failure(unit: Unit, said: list[_Said]) -> Unit:
    """Restore the failure of an inactive unit if no start or stop followed it, or if a stop ended its restart loop."""
    for at in range(len(said) - 1, -1, -1):
        event = said[at].event
        if event.kind == "failed":
            return _with_failed_run(unit, said[:at + 1])
        if event.is_start or event.is_stop or event.kind == "succeeded":
            return _with_stopped_loop(unit, said)
    return unit


def _with_previous_try(unit: Unit, said: list[_Said], view: View) -> Unit:
    """Restore the result of the previous run while systemd restarts the unit and its program does not run yet.
    If the main process was not seen, report "no process" only if systemd itself failed to start one."""
    main = view.by_pid.get(unit.main_pid)
    main = main if main is not None and main.argv and main.state != "Z" else None      # a zombie does not count
    prepared = main is not None and _is_executor(main)
    end = _last_failure(said)
    since = [one.event for one in said[end + 1:]]
    begun = sum(event.is_start for event in since)
    by_itself = any(event.kind == "restart-scheduled" for event in since) or not begun
    ended_since = any(event.kind == "succeeded" for event in since)
    if end < 0 or (main is not None and not prepared) or begun > 1 or not by_itself or ended_since:
        return unit
    ended = _with_failed_run(unit, said[:end + 1])
    own = ended.exec_main_status in STEPS and ended.result == "exit-code"
    return replace(ended, inactive_enter=unit.inactive_enter, main_pid=0) if prepared or own else unit


def _is_executor(process: Process) -> bool:
    """Return whether the process is systemd's own, which prepares the execution of the program."""
    program = process.argv[0] if process.argv else ""
    return posixpath.basename(program) == _EXECUTOR or (program.startswith("(") and program.endswith(")"))


def _last_failure(said: list[_Said]) -> int:
    return next((at for at in range(len(said) - 1, -1, -1) if said[at].event.kind == "failed"), -1)


def _with_failed_run(unit: Unit, said: list[_Said]) -> Unit:
    """Return the unit with the end of the run whose failure the last line reports."""
    ended = next((one.event for one in reversed(said) if one.event.kind == "main-exited"), _OTHER)
    return replace(unit, result=said[-1].event.result, exec_main_code=_CODE_NUMBERS.get(ended.code, 0),
                   exec_main_status=ended.status, inactive_enter=said[-1].at, is_from_journal=True)


def _with_stopped_loop(unit: Unit, said: list[_Said]) -> Unit:
    """Restore the failure of a restart loop that was stopped before its next run could fail as well."""
    again = next((at for at in range(len(said) - 1, 0, -1) if said[at].event.kind == "restart-scheduled"), 0)
    earlier, last = said[:again], said[again:]
    began = next((one.at for one in reversed(earlier) if one.event.is_start), 0.0)
    end = _last_failure(earlier)
    starts = [at for at, one in enumerate(last) if one.event.is_start]
    stops = [one.at for one in last[starts[-1]:] if one.event.is_stop] if starts else []
    by_hand = sum(one.event.kind == "started" for one in last) > 1
    if end < 0 or not stops or by_hand or stops[0] - last[starts[0]].at > _TRY_SECONDS:
        return unit
    if last[starts[0]].at - last[0].at > _NEAR_SECONDS or _last_failure(last[:starts[0]]) >= 0:
        return unit         # systemd gave up, and somebody started it later
    if not began or not 0 <= said[end].at - began <= _TRY_SECONDS:
        return unit         # it ran for some time: one failure is no loop
    return replace(_with_failed_run(unit, said[:end + 1]), active_enter=began)


def _with_restart_count(unit: Unit, said: list[_Said]) -> Unit:
    """Restore the restart count of a running unit that systemd restarted after a failure, if somebody reset it."""
    for at in range(len(said) - 1, 0, -1):
        if said[at].event.kind == "started":
            counted = said[at - 1].event
            near = abs(said[at].at - unit.active_enter) < _NEAR_SECONDS
            return replace(unit, n_restarts=counted.count, is_from_journal=True) if counted.count and near else unit
    return unit
