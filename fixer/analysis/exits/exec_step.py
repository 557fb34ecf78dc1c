"""Units whose program systemd could not start: at which step it failed, why, and what the disk says about it now."""

from __future__ import annotations

from fixer.analysis.evidence import find_node
from fixer.analysis.run_log import lines_of, message_of
from fixer.formats.exec_status import OTHER_STEPS, SPAWN_FAILED, STEPS, SpawnReason, child_spawn_error, spawn_error
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Confidence, Repair
from fixer.model.facts import Evidence
from fixer.model.query import FileStat
from fixer.model.snapshot import CommandArgument, LogLine, Program, Service, Snapshot, UnitValue

CAUSE_ID = "unit-misconfigured"

_STEP_FAILED = regex(r"Failed at step (?P<step>[A-Z_]+) spawning (?P<what>.*?): (?P<why>[^:]+)$")
_REASONS: dict[str, SpawnReason] = {"No such file or directory": "missing", "Permission denied": "denied",
                        "Exec format error": "format", "No such process": "missing"}
_SUPERVISORD_KEYS = {"ExecStart": "command", "WorkingDirectory": "directory", "User": "user"}
_TAIL_LINES = 80       # of the last lines: a start limit leaves a dozen of them for each try


@dataclass(frozen=True, slots=True)
class StepFailure:
    """systemd's own number for the step at which it failed, the lines that say it, and the reason they give."""

    status: int
    why: SpawnReason
    lines: tuple[LogLine, ...]


def step_failure(service: Service) -> StepFailure | None:
    """The step at which systemd, or supervisord, failed before the program ran; None where the program itself ended."""
    unit = service.unit
    if service.program is not None:
        return _spawn_failure(service, service.program)
    if unit is None or unit.main_pid or unit.result != "exit-code":
        return None
    further = OTHER_STEPS.get(unit.exec_main_status, ("",))[0]
    step = STEPS.get(unit.exec_main_status, further)
    for line in reversed(lines_of(service)[-_TAIL_LINES:]):
        match = _STEP_FAILED.search(message_of(line).rstrip())
        if match is not None and match["step"] == step:
            return StepFailure(unit.exec_main_status, _REASONS.get(match["why"].strip(), "unknown"), (line,))
    return StepFailure(unit.exec_main_status, "unknown", ()) if step and not further else None


def _spawn_failure(service: Service, program: Program) -> StepFailure | None:
    """The same of supervisord: what its log says where it has not forked, and what the child left where it has."""
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
    """systemd says that it could not start the program at all."""
    failure = step_failure(service)
    return failure is not None and bool(failure.lines)


def working_directory_of(service: Service) -> str:
    """The folder that it is to run in, empty where none is told."""
    if service.program is None:
        return service.unit.working_directory if service.unit is not None else ""
    told = setting_of(service, "WorkingDirectory")
    return told.value.strip() if told is not None else ""


def account_name_of(service: Service) -> str:
    """The account that it is told to run as."""
    told = setting_of(service, "User") if service.program is not None else None
    return (told.value.strip() if told is not None else "" if service.unit is None else service.unit.user) or "root"


def stat_of(snapshot: Snapshot, node: str, path: str) -> FileStat | None:
    """What a path is, links followed; None where it is not there, leads nowhere, or was not looked at."""
    stat = link_of(snapshot, node, path)
    return stat.target if stat is not None and stat.kind == "link" else stat


def link_of(snapshot: Snapshot, node: str, path: str) -> FileStat | None:
    """What a path is itself, be it a link that leads nowhere."""
    found = find_node(snapshot, node)
    return None if found is None else dict(found.files).get(path)


def is_missing(snapshot: Snapshot, node: str, path: str) -> bool:
    """It was looked for and is not there, or is a link that leads nowhere."""
    found = find_node(snapshot, node)
    return found is not None and path in found.missing_paths


def is_executable_file(stat: FileStat | None) -> bool:
    """A regular file that somebody may execute."""
    end = stat.target if stat is not None and stat.kind == "link" else stat
    return end is not None and end.kind == "file" and bool(end.mode & 0o111)


def setting_key_of(service: Service, key: str) -> str:
    """What its manager calls that setting of a unit."""
    return _SUPERVISORD_KEYS.get(key, key) if service.program is not None else key


def setting_of(service: Service, key: str) -> UnitValue | None:
    """The assignment that counts: the last one, none where that one is empty."""
    found = [s for s in service.unit_values if s.key == setting_key_of(service, key)]
    return found[-1] if found and found[-1].value else None


def setting_evidence(setting: UnitValue) -> Evidence:
    """The line of the unit's file."""
    return Evidence("file", f"{setting.file}:{setting.line}", f"{setting.key}={' '.join(setting.value.split())}"[:300])


def program_line_evidence(service: Service, named: CommandArgument | None = None) -> tuple[Evidence, ...]:
    """The line that names the program, of its file or the `named` one of a script."""
    entry = named or service.entry
    for setting in reversed(service.unit_values):
        here = entry is not None and (setting.file, setting.line) == (entry.file, entry.line)
        if setting.key == setting_key_of(service, "ExecStart") and here:
            return (setting_evidence(setting),)
    return () if named is None or named == service.entry else (Evidence("file", setting_source_text(named, service),
                                                                        named.text),)


def setting_source_text(place: CommandArgument | UnitValue | None, service: Service) -> str:
    """`file:line`, or the unit's name where no file says it."""
    return f"{place.file}:{place.line}" if place is not None and place.file else service.name


def missing_file_evidence(path: str) -> Evidence:
    """That a path is not there."""
    return Evidence("file", path, "not there")


def stat_evidence(path: str, stat: FileStat) -> Evidence:
    """Mode and owner of a path."""
    return Evidence("file", path, f"{stat.kind}, mode {stat.mode & 0o7777:04o}, owner {stat.uid}:{stat.gid}")


@dataclass(frozen=True, slots=True)
class StepExplanation:
    """What a judge of one step says: the variant, one sentence, the proof and the repairs."""

    variant: str
    summary: str
    evidence: tuple[Evidence, ...]
    repairs: tuple[Repair, ...]
    confidence: Confidence = "certain"
    detail: tuple[str, ...] = ("nothing listens while it does not run",)
