"""Units whose program systemd could not start: the failed step, the reason, and the present state of the files."""

from __future__ import annotations

import posixpath

from fixer.analysis.evidence import find_node, shorten
from fixer.analysis.run_log import event_of, lines_of, message_of
from fixer.formats.exec_status import OTHER_STEPS, SPAWN_FAILED, STEPS, child_spawn_error, spawn_error
from fixer.formats.start_files import app_file
from fixer.lazy.dataclass import dataclass
from fixer.managers import manager_of
from fixer.model.diagnosis import Confidence, Repair
from fixer.model.facts import Evidence
from fixer.model.query import FileStat
from fixer.model.snapshot import CommandArgument, LogLine, Program, Service, Snapshot, SpawnReason, UnitValue

CAUSE_ID = "unit-misconfigured"

_SCRIPTS = (".js", ".mjs", ".cjs")
_TAIL_LINES = 80       # last lines that are read: a start limit leaves a dozen for each try


@dataclass(frozen=True, slots=True)
class StepFailure:
    """systemd's exit status of the failed step, the lines that report it, and the reason that they give."""

    status: int
    why: SpawnReason
    lines: tuple[LogLine, ...]


def step_failure(service: Service) -> StepFailure | None:
    """Return the step at which systemd or supervisord failed before the program ran; None if the program ended."""
    unit = service.unit
    if service.program is not None:
        return _spawn_failure(service, service.program)
    if unit is None or unit.main_pid or unit.result != "exit-code":
        return None
    further = OTHER_STEPS.get(unit.exec_main_status, ("",))[0]
    step = STEPS.get(unit.exec_main_status, further)
    for line in reversed(lines_of(service)[-_TAIL_LINES:]):
        event = event_of(line)
        if event is not None and event.kind == "step-failed" and event.subject == step:
            return StepFailure(unit.exec_main_status, event.reason, (line,))
    return StepFailure(unit.exec_main_status, "unknown", ()) if step and not further else None


def _spawn_failure(service: Service, program: Program) -> StepFailure | None:
    """Return the same for supervisord: by its log if it did not fork, else by the output of the child."""
    if program.state in ("RUNNING", "DOWN", "UNKNOWN"):
        return None
    lines = lines_of(service)[-_TAIL_LINES:]
    found = spawn_error(program.ended)
    if found is not None:
        return StepFailure(*found, tuple(line for line in lines if program.ended in line.text)[-1:])
    if program.ended != SPAWN_FAILED:
        return None
    for line in reversed(lines):
        child = child_spawn_error(message_of(line))
        if child is not None:
            return StepFailure(*child, (line,))
    return None


def has_failed_before_start(service: Service) -> bool:
    """Return whether systemd logged that it could not start the program."""
    failure = step_failure(service)
    return failure is not None and bool(failure.lines)


def start_error_text(service: Service) -> str:
    """Return what systemd says of a program that it could not start, empty if nothing."""
    failure = step_failure(service)
    if failure is None or not failure.lines:
        return ""
    said = message_of(failure.lines[-1]).removeprefix(f"{service.name}: ")
    return f"systemd says: {shorten(said, 120)}"


def working_directory_of(service: Service) -> str:
    """Return the configured working directory, empty if there is none."""
    return service.start_folder


def program_text(service: Service | None) -> str:
    """Return the application's file as its command names it, in brackets; empty if that is unknown."""
    if service is None or service.container is not None:
        return ""
    script = next((word for word in service.argv[1:] if word.endswith(_SCRIPTS)), "")
    name, folder = app_file(service.argv) or script, working_directory_of(service)
    return f" ({posixpath.join(folder, name)})" if name and folder else ""


def stat_of(snapshot: Snapshot, node: str, path: str) -> FileStat | None:
    """Return the stat of a path, links followed; None if it is missing, a dangling link, or was not read."""
    stat = link_of(snapshot, node, path)
    return stat.target if stat is not None and stat.kind == "link" else stat


def link_of(snapshot: Snapshot, node: str, path: str) -> FileStat | None:
    """Return the stat of a path itself, even if it is a dangling link."""
    found = find_node(snapshot, node)
    return None if found is None else dict(found.files).get(path)


def is_missing(snapshot: Snapshot, node: str, path: str) -> bool:
    """Return whether the path was read and is missing, or is a dangling link."""
    found = find_node(snapshot, node)
    return found is not None and path in found.missing_paths


def is_executable_file(stat: FileStat | None) -> bool:
    """Return whether it is a regular file with an execute bit."""
    end = stat.target if stat is not None and stat.kind == "link" else stat
    return end is not None and end.kind == "file" and bool(end.mode & 0o111)


def setting_of(service: Service, key: str) -> UnitValue | None:
    """Return the assignment in effect: the last one; None if that one is empty."""
    found = [s for s in service.unit_values if s.key == manager_of(service).setting_key(key)]
    return found[-1] if found and found[-1].value else None


def setting_evidence(setting: UnitValue) -> Evidence:
    """Return the line of the unit's file as evidence."""
    return Evidence("file", f"{setting.file}:{setting.line}", f"{setting.key}={' '.join(setting.value.split())}")


def program_line_evidence(service: Service, named: CommandArgument | None = None) -> tuple[Evidence, ...]:
    """Return the line that names the program: of its file, or the `named` one of a script."""
    entry = named or service.entry
    for setting in reversed(service.unit_values):
        here = entry is not None and (setting.file, setting.line) == (entry.file, entry.line)
        if setting.key == manager_of(service).setting_key("ExecStart") and here:
            return (setting_evidence(setting),)
    return () if named is None or named == service.entry else (Evidence("file", setting_source_text(named, service),
                                                                        named.text),)


def setting_source_text(place: CommandArgument | UnitValue | None, service: Service) -> str:
    """Return `file:line`, or the unit's name if no file defines it."""
    return f"{place.file}:{place.line}" if place is not None and place.file else service.name


def missing_file_evidence(path: str) -> Evidence:
    """Return evidence that a path is missing."""
    return Evidence("file", path, "not there")


def stat_evidence(path: str, stat: FileStat) -> Evidence:
    """Return the kind, mode and owner of a path as evidence."""
    return Evidence("file", path, f"{stat.kind}, mode {stat.mode & 0o7777:04o}, owner {stat.uid}:{stat.gid}")


@dataclass(frozen=True, slots=True)
class StepExplanation:
    """The explanation of one failed step: the variant, one sentence, the evidence and the repairs."""

    variant: str
    summary: str
    evidence: tuple[Evidence, ...]
    repairs: tuple[Repair, ...]
    confidence: Confidence = "certain"
    detail: tuple[str, ...] = ("nothing listens while it does not run",)
