"""Wrapper scripts that end in a program which is not there, or may not be executed: the shell says so, and ends with
127 or 126 as if it were the program."""

from __future__ import annotations

from fixer.causes.case import Case
from fixer.causes.endings.crashing import Crash
from fixer.causes.endings.logs import message
from fixer.causes.systemd.unitfailure import StepFailure, Told
from fixer.causes.systemd.unitprogram import judge_program
from fixer.model.regex import regex
from fixer.model.snapshot import ArgPlace, LogLine, Service
from fixer.model.supervisorwords import EXEC, UNFOUND, Why

# dash, busybox and bash, in this order of their words; a missing interpreter is "not found" too.
_SAID = regex(r"(?:^|: )(?P<what>/[^:]+): (?P<why>not found|No such file or directory|Permission denied|cannot execute"
              r"[^:]*)(?:: (?:No such file or directory|required file not found))?$")


def wrapped_program(case: Case, crash: Crash) -> Told | None:
    """What is wrong with the program that the script starts; None where the program itself ended."""
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
    """The program that its script was to become, where the shell gave up."""
    unit, program = service.unit, service.program
    if program is not None:
        ended = program.ended in UNFOUND and program.state != "RUNNING"
    else:
        ended = unit is not None and unit.result == "exit-code" and f"exit status {unit.exec_main_status}" in UNFOUND
    first = service.command[0] if service.command and service.command_style == "shell" else None
    return first if ended and first is not None and first.text.startswith("/") else None


def _said(crash: Crash, path: str) -> tuple[LogLine, Why] | None:
    for line in reversed(crash.lines[-20:]):
        match = _SAID.search(message(line).strip())
        if match is not None and match["what"] == path:
            return line, "denied" if match["why"] == "Permission denied" else "missing"
    return None
