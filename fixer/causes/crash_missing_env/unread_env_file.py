"""Files of variables that a start could not read: `EnvironmentFile=` of a unit, and what a script reads by `.`."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import container_of, find_node, host_path_of, log_evidence
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import message_of, program_lines
from fixer.analysis.service_state import is_unwatched, state_evidence
from fixer.causes.crash_missing_env.lost_env_file import CAUSE_ID, VARIANT, backups_of, restore_variables_repair
from fixer.formats.backup_names import has_similar_name
from fixer.formats.launchers import UNREAD_FILE
from fixer.managers import starter_of
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.repairs.start_service import start_steps


def missing_file_finding(case: Case, crash: FailedRun) -> Finding | None:
    """Return the finding if an EnvironmentFile= is missing, so systemd did not start the unit (Result=resources)."""
    unit, entry = crash.service.unit, crash.service.boot_entry
    if _is_of_variables(crash.service.missing_file) and (is_unwatched(crash.service) or not _has_own_output(crash)):
        said = Evidence("file", crash.service.missing_file, "no such file")
        how = f" as {entry.file}:{entry.line} does" if entry is not None else ""
        return missing_sourced_file_finding(crash, crash.service.missing_file, said, how)
    if unit is None:
        return _unread_variables_finding(crash)
    if unit.result != "resources":
        return None
    missing = [
        path for path in (word.split(" ")[0] for word in unit.environment_files)
        if not path.startswith("-") and case.snapshot.file(crash.service.node, path) is None
    ]
    if not missing:
        return restored_file_finding(case, crash)
    similar = _similar_files(case, crash, missing[0])
    again = restore_variables_repair(case, crash, backups_of(case.snapshot, crash.service, missing[0]), ())
    held = f"Possible copies: {', '.join(similar)}" if similar else "Its contents are unknown"
    manual = f"restore {missing[0]} with the variables that {unit.name} needs, then start it. {held}"
    return Finding(
        cause=CAUSE_ID, variant=VARIANT, role="root", confidence="certain",
        summary=f"{unit.name} is not started: {missing[0]}, named by its EnvironmentFile=, does not exist", detail=(),
        routes=crash.routes, service=crash.service.name, node=crash.service.node,
        evidence=(state_evidence(crash.service), Evidence("file", missing[0], "no such file"),
                  *(log_evidence(line.text, line.where) for line in crash.lines if "environment file" in line.text)),
        repairs=(*(() if again is None else (again,)),
                 Repair("restore-environment-file", "manual", f"restore {missing[0]}", (), manual=manual)),
    )


def _unread_variables_finding(crash: FailedRun) -> Finding | None:
    """Return the finding if a run ended as its shell could not read a file by its `.` command: a shell ends there."""
    last = program_lines(crash.lines)[-1:]
    match = UNREAD_FILE.search(message_of(last[0]).strip()) if last else None
    if match is None or match["sourced"] is None or not _is_of_variables(match["what"]):
        return None
    return missing_sourced_file_finding(crash, match["what"], log_evidence(last[0].text, last[0].where))


def _is_of_variables(path: str) -> bool:
    """Return whether the file holds variables. One in a folder of programs is an environment to run in."""
    return path != "" and posixpath.basename(posixpath.dirname(path)) != "bin"


def _has_own_output(crash: FailedRun) -> bool:
    """Return whether the last run wrote anything but the shell's complaint: then its script came past the file."""
    return any(UNREAD_FILE.search(message_of(line).strip()) is None for line in program_lines(crash.lines)[-1:])


def missing_sourced_file_finding(crash: FailedRun, path: str, said: Evidence, how: str = "") -> Finding:
    """Return the finding if its script reads its variables from a file that does not exist: the shell ends there,
    before it redirects any output."""
    name = crash.service.name
    manual = f"restore {path} with the variables that {name} needs, then start it{how}"
    return Finding(
        cause=CAUSE_ID, variant=VARIANT, role="root", confidence="likely",
        summary=f"{name} ends at once: {path}, which its script reads, does not exist", detail=(),
        routes=crash.routes, service=name, node=crash.service.node,
        evidence=(said, state_evidence(crash.service)),
        repairs=(Repair("restore-environment-file", "manual", f"restore {path}", (), manual=manual),),
    )


def absent_file_repairs(case: Case, crash: FailedRun, names: str) -> tuple[Repair, ...]:
    """Return what a person does about files of variables that its start reads only if they exist."""
    service, paths = crash.service, crash.service.absent_env_files
    if not paths:
        return ()
    box = container_of(case.snapshot, service.node)
    hosts = [host_path_of(box, path) for path in paths] if box is not None and not box.is_machine else []
    at = f" (on the Docker host: {', '.join(filter(None, hosts))})" if any(hosts) else ""
    again = starter_of(case.snapshot, service).by_hand()
    manual = f"if {' or '.join(paths)} set {names} before, restore it{at} with all of its variables; then {again}"
    return (Repair("restore-environment-file", "manual", f"restore {paths[0]}", (), manual=manual),)


def restored_file_finding(case: Case, crash: FailedRun) -> Finding | None:
    """Return the finding for an EnvironmentFile= that was missing at the last start and exists now."""
    failure = crash.manager_line("environment-file-missing")
    steps = start_steps(case.snapshot, crash.service, crash.failing_addresses[0].endpoint)
    if failure is None or not steps:
        return None
    name, unit = crash.service.name, crash.service.unit
    paths = () if unit is None else tuple(word.split(" ")[0].removeprefix("-") for word in unit.environment_files)
    return Finding(
        cause=CAUSE_ID, variant=VARIANT, role="root", confidence="likely",
        summary=f"{name} was not started: a file named by its EnvironmentFile= was missing; it exists now, but "
                "the service was not started again",
        detail=(), routes=crash.routes, service=name, node=crash.service.node,
        evidence=(state_evidence(crash.service), log_evidence(failure.text, failure.where),
                  *(Evidence("file", path, "exists") for path in paths[:2])),
        repairs=(Repair("start-service", "safe", f"start {name}", steps),),
    )


def _similar_files(case: Case, crash: FailedRun, path: str) -> tuple[str, ...]:
    """Return files with names like the missing file's, newest first. Their contents were not read."""
    node = find_node(case.snapshot, crash.service.node)
    found = [(stat.mtime, name) for name, stat in (node.files if node is not None else ())
             if has_similar_name(name, path) and stat.kind == "file"]
    return tuple(name for _, name in sorted(found, reverse=True))[:4]
