"""Wrapper scripts, and launchers like `timeout`, that end in a program which is not there, or may not be executed: the
shell says so, or the launcher, and ends with 127 or 126 as if it were the program."""

from __future__ import annotations

import posixpath
import re

from fixer.analysis.case import Case
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.exec_step import StepFailure, Told, where
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import message
from fixer.causes.unit_misconfigured.exec_program import judge_program
from fixer.formats.launchers import UNSTARTED, UNSTARTED_STATUS, launched
from fixer.formats.supervisorwords import EXEC, UNFOUND, Why
from fixer.lazy.regex import regex
from fixer.model.snapshot import ArgPlace, LogLine, Service
from fixer.repairs.unit_edits import by_hand

_SOURCES = regex(r"(?:^|[\s;&|('\"])(?:source|\.)[ \t]+['\"]?(?P<path>[^\s;&|()'\"$]+)", re.MULTILINE)
_UNOPENED = regex(r"cannot open (?P<what>\S+): No such file$")       # dash


def wrapped_program(case: Case, crash: Crash) -> Told | None:
    """What is wrong with the program that the script or launcher starts; None where the program itself ended."""
    entry = _ended_in(crash.service)
    said = None if entry is None else _said(crash, entry.text)
    if said is None or entry is None:
        return _unsourced(case, crash)
    line, why = said
    told = judge_program(case, crash, StepFailure(EXEC, why, (line,)), entry)
    return told if isinstance(told, Told) else None


def _unsourced(case: Case, crash: Crash) -> Told | None:
    """A file that the shell was to read first (the environment's `activate`) is not there: what comes after it starts
    without that environment, or not at all."""
    service, unit = crash.service, crash.service.unit
    if unit is None or unit.main_pid or unit.result != "exit-code":
        return None
    script = None if service.entry is None else case.snapshot.file(service.node, service.entry.text)
    text = " ".join(unit.exec_start) + "\n" + ("" if script is None else script.data.decode("utf-8", "replace"))
    wanted = {match["path"] for match in _SOURCES.finditer(text)}
    for line in crash.lines if wanted else ():
        match = UNSTARTED.search(message(line).strip()) or _UNOPENED.search(message(line).strip())
        if match is None or match["what"] not in wanted:
            continue
        path = posixpath.normpath(posixpath.join(unit.working_directory or "/", match["what"]))
        manual = (f"put {path} back (for an environment: python3 -m venv, and install the application into it), or "
                  f"name the one that is there at {where(service.entry, service)}; then start {service.name}")
        summary = f"{service.name} cannot be started: {path}, which its command reads first, is not there"
        return Told("start-203-exec-missing", summary, (log_evidence(line.text, line.where),),
                    by_hand("put-back-file", manual))
    return None


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
