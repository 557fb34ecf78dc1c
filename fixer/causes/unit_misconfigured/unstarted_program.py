"""Programs that a wrapper script, a launcher like `timeout` or supervisord cannot start: no step of systemd fails.

A shell or launcher logs it and ends with 127 or 126. supervisord and OpenRC check the file first, and log no refusal.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.exec_step import StepExplanation, StepFailure, is_missing, setting_source_text, stat_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import message_of
from fixer.analysis.service_state import run_state_of
from fixer.formats.exec_status import EXEC, NOT_STARTED_STATUSES
from fixer.formats.launchers import START_ERROR, START_ERROR_STATUSES, UNREAD_FILE, launched_index
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.snapshot import CommandArgument, LogLine, Service, Snapshot, SpawnReason

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.causes.unit_misconfigured.exec_program import judge_program
    from fixer.repairs.unit_edits import manual_repairs

_SOURCED_FILE = regex(r"(?:^|[\s;&|('\"])(?:source|\.)[ \t]+['\"]?(?P<path>[^\s;&|()'\"$]+)", re.MULTILINE)


def explain_wrapped_program(case: Case, crash: FailedRun) -> StepExplanation | None:
    """Explain what is wrong with the program that the script starts; None if the program itself ended."""
    entry = _wrapped_entry(crash.service)
    said = None if entry is None else _unstarted_line(crash, entry.text)
    if said is None or entry is None:
        return _explain_unsourced(case, crash)
    line, why = said
    told = judge_program(case, crash, StepFailure(EXEC, why, (line,)), entry)
    return told if isinstance(told, StepExplanation) else None


def _explain_unsourced(case: Case, crash: FailedRun) -> StepExplanation | None:
    """Explain a missing file that the shell should source first (an environment's `activate`): the rest runs without
    that environment, or not at all."""
    service, unit = crash.service, crash.service.unit
    if unit is None or unit.main_pid or unit.result != "exit-code":
        return None
    script = None if service.entry is None else case.snapshot.file(service.node, service.entry.text)
    text = " ".join(unit.exec_start) + "\n" + ("" if script is None else script.data.decode("utf-8", "replace"))
    wanted = {match["path"] for match in _SOURCED_FILE.finditer(text)}
    for line in crash.lines if wanted else ():
        match = START_ERROR.search(message_of(line).strip()) or UNREAD_FILE.search(message_of(line).strip())
        if match is None or match["what"] not in wanted:
            continue
        path = posixpath.normpath(posixpath.join(unit.working_directory or "/", match["what"]))
        manual = (f"restore {path} (if it is a virtual environment: run python3 -m venv, then install the application "
                  f"into it), or name the existing file at {setting_source_text(service.entry, service)}. Then start "
                  f"{service.name}")
        summary = f"{service.name} cannot be started: its command first reads {path}, which is missing"
        return StepExplanation("start-203-exec-missing", summary, (log_evidence(line.text, line.where),),
                    manual_repairs("put-back-file", manual))
    return None


def _wrapped_entry(service: Service) -> CommandArgument | None:
    """Return the program that the failed script or launcher should have started."""
    unit, program = service.unit, service.program
    if program is not None:
        ended = program.ended in NOT_STARTED_STATUSES and program.state != "RUNNING"
    else:
        ended = unit is not None and unit.result == "exit-code" and unit.exec_main_status in START_ERROR_STATUSES
    place = launched_index([word.text for word in service.command]) if ended else None
    return service.command[place] if place is not None and (place or service.command_style == "shell") else None


def _unstarted_line(crash: FailedRun, path: str) -> tuple[LogLine, SpawnReason] | None:
    for line in reversed(crash.lines[-20:]):
        match = START_ERROR.search(message_of(line).strip())
        if match is not None and match["what"] == path:
            return line, "denied" if match["why"].lower().endswith("denied") else "missing"
    return None


def refused_programs(case: Case) -> Iterator[tuple[FailedRun, StepExplanation]]:
    """Return each program of a failing route that supervisord or OpenRC would refuse to start: none of them logs it."""
    by_service: dict[str, tuple[PortOwner, list[FailingAddress]]] = {}
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        if owner is not None and _may_be_refused(owner.service):
            by_service.setdefault(owner.service.id, (owner, []))[1].append(trouble)
    for owner, troubles in by_service.values():
        why = _refusal_reason(case.snapshot, owner.service)
        if why is not None:
            crash = FailedRun(owner, tuple(troubles), ())
            told = judge_program(case, crash, StepFailure(EXEC, why, ()))
            if isinstance(told, StepExplanation):
                yield crash, told


def _may_be_refused(service: Service) -> bool:
    """Return whether its next start may be refused. OpenRC marks a service as failed whose program it did not find."""
    state = run_state_of(service)
    return state == "stopped" if service.program is not None else (
        service.managed is not None and state in ("stopped", "failed"))


def _refusal_reason(snapshot: Snapshot, service: Service) -> SpawnReason | None:
    path = service.entry.text if service.entry is not None else ""
    if not path.startswith("/"):      # its manager searches its own PATH
        return None
    if is_missing(snapshot, service.node, path):
        return "missing"
    stat = stat_of(snapshot, service.node, path)
    return None if stat is None or (stat.kind == "file" and stat.mode & 0o111) else "denied"
