"""Containers that the engine cannot start: their program, account, folder or port is not available."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, host_path_of, line_text, log_evidence, shorten
from fixer.analysis.exits.exec_step import StepExplanation
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import message_of
from fixer.analysis.service_state import state_evidence
from fixer.formats.addresses import is_wildcard
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.plan import FileMeta, WriteFile
from fixer.model.snapshot import Container, FileContent, LogLine, Service, Snapshot
from fixer.repairs.command_options import edit_argument
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.mount_at_folder import find_mount_with, mount_at_folder_repair, mount_evidence
from fixer.repairs.restore_code import restart_after_edit_steps
from fixer.repairs.start_service import start_or_restart_steps
from fixer.repairs.unit_edits import manual_repairs

with lazy_imports():
    from difflib import SequenceMatcher  # only for a name that may be a typing error

# Errors of runc and the engine (State.Error), each with its problem as text.
_ENGINE_ERRORS = (
    (regex(r'exec: "(?P<what>[^"]+)": (?:executable file not found|stat [^:]+: no such file)'), "its program {what} is "
     "not in its image", "program"),
    (regex(r'exec: "(?P<what>[^"]+)": permission denied'), "its program {what} may not be executed", "program"),
    (regex(r"exec (?P<what>\S+): (?:no such file or directory|exec format error)"), "its program {what} cannot run: "
     "its interpreter is missing from the image, or it is built for another architecture", "program"),
    (regex(r"unable to find (?:user|group) (?P<what>[^:\s]+): no matching entries"), "its user {what} is not in its "
     "image", "user"),
    (regex(r'chdir to cwd \("(?P<what>[^"]+)"\)[^:]{0,200}: (?:no such file or directory|permission denied)'),
     "its working directory {what} cannot be entered", "working_dir"),
    (regex(r"(?:Bind for|listen tcp\d?) (?P<what>[\d.:\[\]]++)[^:]{0,200} "
           r"(?:failed: port is already allocated|bind: address already in use)"),
     "its published port {what} is in use by something else", "ports"),
    (regex(r"address already in use|port is already allocated"), "a port that it publishes is in use", "ports"),
)
# Errors in the log, after the start: from runc, or from the init that `init: true` runs before the program.
_RUNC_ERROR = regex(r"^exec (?P<what>/\S+): (?P<why>no such file or directory|exec format error|permission denied)$")
_INIT_ERROR = regex(r"^\[(?:FATAL tini \(\d+\)\] exec|dumb-init\]) (?P<what>\S+?):?(?: failed:)? "
              r"(?P<why>No such file or directory|Exec format error|Permission denied)$")
_ENGINE_PREFIXES = regex(r"^(?:failed to create task for container: |failed to create shim task: |OCI runtime create "
                         r"failed: |"
                r"runc create failed: |unable to start container process: )+")
_EXEC_PROBLEMS = {
    "no such file or directory": "cannot run: the file or the interpreter in its #! line is missing (a #! line that "
    "ends with CR LF names an interpreter that does not exist)",
    "exec format error": "cannot run: it is built for another architecture, or it is a script without a #! line",
    "permission denied": "may not be executed",
}
_VARIANT = "container-cannot-start"
_SERVERS = ("uvicorn", "gunicorn", "hypercorn", "daphne", "granian", "waitress-serve", "flask", "python3", "node")
_MIN_SIMILARITY = 0.8
_MOUNT_SOURCES = "the mounts (volumes, secrets, configs)"
_COMMAND_NOT_FOUND = regex(r"(?:^|: )(?:\d+: )?(?P<what>[\w./-]+): (?:not found|command not found|Permission denied)$")

# a shell begins with its own name, or with the script's
_SHELL_NOT_FOUND = regex(r"^[\w./-]+: (?:line )?\d+: (?:exec: )?(?P<what>[\w./-]+): (?:command )?not found$")


def explain_failed_container(case: Case, crash: FailedRun) -> StepExplanation | None:
    """Return what the engine, or the shell in the container, could not start; None if the program itself ended."""
    service, box = crash.service, crash.service.container
    if box is None or box.is_machine:
        return None
    if box.status == "running":
        return _explain_restarting(case, crash)
    if box.missing_sources:
        return _make_explanation(case, crash, (_missing_sources_text(box), _MOUNT_SOURCES, ""), None)
    for pattern, said, key in _ENGINE_ERRORS:
        match = pattern.search(box.error)
        if match is not None:
            named = match.groupdict().get("what") or ""
            return (_explain_port_conflict(case, crash, box, said.format(what=named)) if key == "ports"
                    else None) or _make_explanation(
                case, crash, (said.format(what=named), key, named), None)
    last = next((line for line in reversed(crash.lines) if message_of(line).strip()), None)
    words = "" if last is None else message_of(last).strip()
    ran = _RUNC_ERROR.search(words) or _INIT_ERROR.search(words)
    if ran is not None and last is not None and box.exit_code:
        said = _EXEC_PROBLEMS[ran["why"].lower(
            )] if "/" in ran["what"] or ran["why"][0] != "N" else "is not in its image"
        return _make_explanation(case, crash, (f"its program {ran['what']} {said}", "command", ran["what"]), last)
    if box.exit_code in (126, 127):
        for line in reversed(crash.lines[-20:]):
            match = _COMMAND_NOT_FOUND.search(message_of(line).strip())
            if match is not None:
                what = match["what"]
                said = f"its command {what} is not in its image" if box.exit_code == 127 else (
                    f"its command {what} may not be executed")
                return _make_explanation(case, crash, (said, "command", what), line)
    return None if not box.error or service.unit is not None else _make_explanation(
        case, crash, (_engine_error_text(box), "", ""), None)


def _explain_port_conflict(case: Case, crash: FailedRun, box: Container, said: str) -> StepExplanation | None:
    """Name the holder of the port if it is a container; return the start if no container publishes the port now."""

    name, holder = crash.service.name, port_publisher(case.snapshot, box)
    if holder is not None:
        by_whom = f"{said.removesuffix(' by something else')} by container {holder.name}"
        told = _make_explanation(case, crash, (by_whom, "ports", ""), None)
        return replace(told, evidence=(*told.evidence, state_evidence(holder)))
    steps = restart_after_edit_steps(case, crash) if is_port_free_now(case.snapshot, box) else ()
    if not steps:
        return None
    summary = (f"{name} could not be started: another container published one of its ports. No container publishes it "
               "now, but the service was not started again")
    return StepExplanation(_VARIANT, summary, (state_evidence(crash.service),),
                (Repair("start-service", "safe", f"start {name}", steps),))


def _missing_sources_text(box: Container) -> str:
    """Return the problem as text. The engine logs none: it refuses each start, and the container stays as it was."""
    return f"the Docker host no longer has {' and '.join(box.missing_sources[:3])}, which it mounts"


def refused_start_reason(box: Container) -> tuple[str, str] | None:
    """Return (problem, key of the compose file) of a stopped container that the engine could not start."""
    if box.status == "running" or not (box.error or box.missing_sources):
        return None
    if box.missing_sources:
        return _missing_sources_text(box), _MOUNT_SOURCES
    for pattern, said, key in _ENGINE_ERRORS:
        match = pattern.search(box.error)
        if match is not None:
            return said.format(what=match.groupdict().get("what") or ""), key
    return _engine_error_text(box), ""


def _engine_error_text(box: Container) -> str:
    """Return the engine's error without the prefixes of its layers."""
    return f"the engine reports: {shorten(_ENGINE_PREFIXES.sub('', box.error), 160)}"


def _explain_restarting(case: Case, crash: FailedRun) -> StepExplanation | None:
    """Explain a container that runs one more try. Its exit code is 0, so the last line of the previous run decides."""
    last = next((line for line in reversed(crash.lines) if message_of(line).strip()), None)
    match = None if last is None or crash.has_running_parent else _SHELL_NOT_FOUND.search(message_of(last).strip())
    if match is None:
        return None
    return _make_explanation(case, crash,
                             (f"its command {match['what']} is not in its image", "command", match["what"]), last)


def _make_explanation(case: Case, crash: FailedRun, words: tuple[str, str, str],
                      line: LogLine | None) -> StepExplanation:
    """Return the explanation. `words`: the problem, the key of the compose file that causes it, and the wrong name."""
    (said, key, named), service = words, crash.service
    is_missing = "not in its image" in said or "the file or the interpreter" in said
    moved = _explain_mounted_elsewhere(case, crash, said, named) if is_missing else None
    if moved is not None:
        return moved
    if named and key in ("program", "command"):

        own = explain_mounted_program(case, crash, named, denied="may not be executed" in said)
        if own is not None:
            shown = () if line is None else (log_evidence(line.text, line.where),)
            return StepExplanation(_VARIANT, f"{service.name} cannot be started: {own.problem}",
                        (state_evidence(service), own.evidence, *shown), (own.repair,))
    place = _compose_line_evidence(case.snapshot, service, named, key)
    box = service.container
    files = "" if box is None else box.label("com.docker.compose.project.config_files") or ""
    at = place.where if place is not None else f"{key or 'the settings'} of {service.name}" + (
        f" in {files}" if files else "")
    lacks = box.missing_sources if box is not None else ()
    mend = "free that port, or publish another" if key == "ports" else f"correct {at}, or the image"
    if key == _MOUNT_SOURCES:
        mend = f"restore it, or correct {at}"
    manual = f"{said[0].upper()}{said[1:]}: {mend}; then start {service.name} again"
    other = _typo_repair(case, crash, named) if key in ("program", "command") and "not in its image" in said else None
    return StepExplanation(
        _VARIANT, f"{service.name} cannot be started: {said}",
        (state_evidence(service), *((place,) if place is not None else ()),
         *(Evidence("file", path, "no such file on the Docker host") for path in lacks),
         *((log_evidence(line.text, line.where),) if line is not None else ())),
        (*((other,) if other is not None else ()), *manual_repairs("mend-container", manual)),
    )


def _explain_mounted_elsewhere(case: Case, crash: FailedRun, said: str, named: str) -> StepExplanation | None:
    """Explain a program that is missing where the command names it, while another mount has it."""
    service, box = crash.service, crash.service.container
    path = posixpath.normpath(posixpath.join(box.working_dir or "/", named)) if box is not None and "/" in named else ""
    there = find_mount_with(case.snapshot, service, path) if path else None
    if there is None:
        return None
    return StepExplanation(
        _VARIANT, f"{service.name} cannot be started: {said}; {there.text}",
        (state_evidence(service), there.evidence, *mount_evidence(crash, there)),
        (mount_at_folder_repair(case, crash, there),))


def _typo_repair(case: Case, crash: FailedRun, named: str) -> Repair | None:
    """Return a repair of a typing error: the program's name is close to that of a known server, and is corrected in its
    file."""
    service = crash.service
    near = [name for name in _SERVERS if name != named
            and SequenceMatcher(None, name, named).ratio() >= _MIN_SIMILARITY]
    word = next((w for w in service.command if w.text == named), None)
    if len(near) != 1 or word is None:
        return None
    does = f"run {near[0]} instead of {named}"
    edit = edit_argument(case.snapshot, service, word, near[0], does)
    begin = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(edit, NotEditable) or isinstance(begin, NotEditable):
        return None
    return Repair("correct-program", "disruptive", f"{does}, in {edit.where}, then start {service.name}",
                  (*edit.steps, *begin))


def _compose_line_evidence(snapshot: Snapshot, service: Service, named: str, key: str) -> Evidence | None:
    """Return the line of the compose file that names it, in the command or as the value of that key, as evidence."""
    words = [(word.file, word.line) for word in service.command if word.file and named and named in word.text]
    values = [(one.file, one.line) for one in service.compose_settings
              if one.key == key and named and named in one.value]
    for file, line in (*words, *values):
        if named in (text := line_text(snapshot, service.files_node, file or "", line)):
            return Evidence("file", f"{file}:{line}", text)
    return None


# Programs of containers that are scripts mounted from the Docker host, and that cannot run as they are.
_ELF_MAGIC = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class MountedProgram:
    """The problem of the script, the evidence, and the repair."""

    problem: str
    evidence: Evidence
    repair: Repair


def explain_mounted_program(case: Case, crash: FailedRun, named: str, *, denied: bool) -> MountedProgram | None:
    """Explain why the program cannot run. `denied`: the kernel refused to execute it; else it is missing or of an
    unknown kind. None if the program is in the image, was not read, or does not explain that."""
    box = crash.service.container
    file = _mounted_file(case, box, named) if box is not None else None
    if file is None or len(file.data) != file.stat.size or b"\0" in file.data or file.data.startswith(_ELF_MAGIC):
        return None
    first = file.data.split(b"\n", 1)[0]
    if denied:
        return _explain_no_execute_bit(case, crash, file, named)
    if first.startswith(b"#!") and first.endswith(b"\r"):
        return _explain_carriage_returns(case, crash, file, named)
    where, text = f"{file.path}:1", first.decode("utf-8", "replace").strip()
    if not first.startswith(b"#!"):
        problem = f"its program {named} names no interpreter: its first line has no #!"
        todo = f"write #!/bin/sh (or its interpreter) as the first line of {file.path}"
    else:
        problem = f"the #! line of its program {named} names {text[2:].strip()}, which is not in its image"
        todo = f"at {where}, name an interpreter that is in the image, or install this one in the image"
    todo = f"{todo}; then start {crash.service.name}"
    return MountedProgram(problem, Evidence("file", where, text),
                          Repair("mend-container", "manual", todo, (), manual=todo))


def _mounted_file(case: Case, box: Container | None, named: str) -> FileContent | None:
    path = posixpath.normpath(posixpath.join(box.working_dir or "/", named)) if box is not None else ""
    host = host_path_of(box, path) if box is not None else ""
    return case.snapshot.file(ENGINE, host) if host else None


def _explain_carriage_returns(case: Case, crash: FailedRun, file: FileContent, named: str) -> MountedProgram:
    lines = file.data.count(b"\r\n")
    step = WriteFile(file.node, file.real_path, file.data, file.data.replace(b"\r\n", b"\n"),
                     "remove the carriage returns", in_place=file.single_file_mount)
    return MountedProgram(
        f"the lines of its program {named} end in CR LF, so the name of its interpreter ends in a carriage return",
        Evidence("file", file.path, f"{lines} lines end in a carriage return"),
        _edit_and_start_repair(case, crash, "strip-carriage-returns", f"remove the carriage returns from {file.path}",
                               step))


def _explain_no_execute_bit(case: Case, crash: FailedRun, file: FileContent, named: str) -> MountedProgram | None:
    stat = file.stat
    if stat.mode & 0o111:
        return None
    new = FileMeta((stat.mode | (stat.mode & 0o444) >> 2) & 0o7777, stat.uid, stat.gid)
    step = WriteFile(file.node, file.real_path, file.data, file.data, "make it executable", meta=new,
                     expect_meta=FileMeta(stat.mode & 0o7777, stat.uid, stat.gid), in_place=file.single_file_mount)
    return MountedProgram(
        f"its program {named} has no execute bit on the Docker host",
        Evidence("file", file.path, f"mode {stat.mode & 0o7777:04o}, owner {stat.uid}:{stat.gid}"),
        _edit_and_start_repair(case, crash, "make-executable", f"make {file.path} executable", step))


def _edit_and_start_repair(case: Case, crash: FailedRun, ident: str, does: str, step: WriteFile) -> Repair:
    begin = restart_after_edit_steps(case, crash)
    if not begin:
        manual = f"{does}; then start {crash.service.name}"
        return Repair(ident, "manual", does, (), manual=manual)
    return Repair(ident, "disruptive", f"{does}, then start {crash.service.name}", (step, *begin))


# Ports of the Docker host that a container publishes and that were in use at its start: who holds them now.


def port_publisher(snapshot: Snapshot, box: Container) -> Service | None:
    """Return the running container that publishes such a port now."""
    for service in snapshot.services:
        other = service.container
        if other is not None and other.id != box.id and other.status in ("running", "paused") and any(
                outer == port and (host == own or is_wildcard(host) or is_wildcard(own))
                for own, port, _ in box.published for host, outer, _ in other.published):
            return service
    return None


def is_port_free_now(snapshot: Snapshot, box: Container) -> bool:
    """Return whether no container publishes the port now, which was another's by the engine's error. All were read."""
    return snapshot.target.kind in ("compose", "docker") and "port is already allocated" in box.error and (
        bool(box.networks) and port_publisher(snapshot, box) is None)
