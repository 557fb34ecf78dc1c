"""Wrapper scripts, and launchers like `timeout`, that end in a program which is not there, or may not be executed: the
shell says so, or the launcher, and ends with 127 or 126 as if it were the program."""

from __future__ import annotations

from fixer.causes.case import Case
from fixer.causes.endings.crashing import Crash
from fixer.causes.endings.logs import message
from fixer.causes.systemd.unitfailure import StepFailure, Told
from fixer.causes.systemd.unitprogram import judge_program
from fixer.model.launchers import UNSTARTED, UNSTARTED_STATUS, launched
from fixer.model.snapshot import ArgPlace, LogLine, Service
from fixer.model.supervisorwords import EXEC, UNFOUND, Why


def wrapped_program(case: Case, crash: Crash) -> Told | None:
    """What is wrong with the program that the script or launcher starts; None where the program itself ended."""
    entry = _ended_in(crash.service)
    if entry is None:
        return None
    said = _said(crash, entry.text)
    if said is None:
        return None
    line, why = said
    told = judge_program(case, crash, StepFailure(EXEC, why, (line,)), entry)
    return told if isinstance(told, Told) else None


def _ended_in(service: Service) -> ArgPlace | None:
    """The program that its script or launcher was to become, where that gave up."""
    unit, program = service.unit, service.program
    if program is not None:
        ended = program.ended in UNFOUND and program.state != "RUNNING"
    else:
        ended = unit is not None and unit.result == "exit-code" and unit.exec_main_status in UNSTARTED_STATUS
    place = launched([word.text for word in service.command]) if ended else None
    return service.command[place] if place is not None and (place or service.command_style == "shell") else None


def _said(crash: Crash, path: str) -> tuple[LogLine, Why] | None:
    for line in reversed(crash.lines[-20:]):
        match = UNSTARTED.search(message(line).strip())
        if match is not None and match["what"] == path:
            return line, "denied" if match["why"].lower().endswith("denied") else "missing"
    return None
