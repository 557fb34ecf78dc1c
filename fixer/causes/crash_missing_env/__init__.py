"""The backend ends at once, because an environment variable that it asks for is not set.
nginx finds no listener (`111: Connection refused`, 502). Set the variable where the service takes its variables from.

By hand
  journalctl -u UNIT -n 50                   # which variable? or: docker logs --tail 50 CONTAINER
  systemctl show -p EnvironmentFiles UNIT    # the file it takes variables from: add NAME=value there
  systemctl edit UNIT                        # no such file: [Service] Environment="NAME=value"
  systemctl reset-failed UNIT; systemctl start UNIT
  docker compose up -d SERVICE               # after environment:, env_file: or .env has the variable
  supervisorctl update PROGRAM               # after environment=NAME="value" in the program's file

What it is
  The program reads a variable (a secret key, a database address) when it starts and stops when there is none. Often
  after a release that introduced the variable, or after a file with variables was lost or emptied.

Why nginx says 502
  The program never gets as far as listening: `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  Its manager says failed (or starts it again and again), and its own log since the last start names the variable: a
  KeyError raised by os.environ, a settings class with "Field required", "NAME environment variable is not set". A
  KeyError anywhere else is an error in the code, not a missing variable. If the variable is set in the places that feed
  the service now, it is not missing: then the service only has to be started.

The repair and its safety
  set-variable (disruptive): the value is yours to give (`--set NAME=VALUE`), fixer never invents one. It is written
  where the service takes its variables from already: its EnvironmentFile, else a drop-in beside the unit (mode 0600
  for a secret); with Compose env_file, .env or environment:; with supervisord the program's environment=. Then the
  service is started. Undo puts the file back.

  mend-variable-line (disruptive): the EnvironmentFile holds the variable in a line that only a shell takes (`export
  NAME=value`, or behind a byte order mark): what stands before the name is taken away, where a shell and systemd read
  the value alike. Nobody has to give a value then. The program names only the first variable that it lacks: other lines
  of that file that systemd ignores so are mended with it.

  export-variable (disruptive): the start script, or what it sources, sets the variable for its shell alone: `export` is
  written before it, and the service is started.

  restore-backup (disruptive): where a copy beside the EnvironmentFile, the env_file or the application's .env holds the
  variable (shop.env.bak, .env.old, shop.env.dpkg-old), or the file is gone and a copy is left, a person may choose it
  (`--set restore-from=PATH`). Of a file that holds other variables only the missing ones are taken from the copy; one
  that is gone or holds none gets all of it, a new one with the copy's mode and owner. Values are shown nowhere.
  A service of a compose project without a container whose env_file is gone (Compose refuses every `up` then, also that
  of another service) is created after a person has chosen what the file is made from: a copy, or an example beside it
  (.env.example), whose values may be placeholders.

Variants
  start-env-var-missing  the program asks for a variable that is not set
  start-envfile-missing  the file with its variables (EnvironmentFile=, env_file) does not exist
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.dependency.complaint import dependency_complaint, unset_addresses
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.exec_step import working_directory_of
from fixer.analysis.exits.exit_reason import (
    NamedLine,
    blank_variables,
    missing_variables,
    names_configuration,
    rejected_variables,
)
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.service_state import state_evidence
from fixer.causes.crash_missing_env.lost_env_file import (
    MisreadLine,
    backup_evidence,
    backups_with,
    find_misread_line,
    limit_to_compose,
    lost_env_findings,
    other_ignored_lines,
    remove_prefix_steps,
    restore_variables_repair,
)
from fixer.causes.crash_missing_env.unexported_variable import unexported_finding, unexported_variables
from fixer.causes.crash_missing_env.unread_env_file import absent_file_repairs, missing_file_finding
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service
from fixer.redaction.secrets import is_secret_name
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.start_service import restart_steps, start_or_restart_steps, start_steps
from fixer.repairs.write_variables import is_variable_set, write_variables

with lazy_imports():
    from difflib import SequenceMatcher  # only if a variable is missing

REPAIR_ID = "set-variable"
_MIN_SIMILARITY = 0.85             # difflib ratio of two names


def judge(case: Case) -> Verdict:
    """Judge each failed service: does its log name a variable that nothing sets?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in (*all_of.found, *hand_started_runs(case)):
        found = _judge_run(case, crash)
        if found is None:
            ruled.append(state_evidence(crash.service))
        else:
            findings.append(for_person(crash, found))
    if case.snapshot.compose is not None and case.snapshot.compose.missing_env_files:
        findings += lost_env_findings(case)
    return conclude(findings, all_of.missing, ruled)


def _judge_run(case: Case, crash: FailedRun) -> Finding | None:
    file = missing_file_finding(case, crash)
    missing = missing_variables(crash.end)
    blank = () if missing else blank_variables(crash.end, crash.service) or missing_address_lines(crash)
    if file is not None:
        return file
    if blank:
        return _missing_variable_finding(case, limit_to_compose(crash, blank), blank)
    if not missing:
        return None
    lacking = tuple(s for s in missing if not is_variable_set(crash.service, s.name))
    kept = unexported_variables(crash, [s.name for s in lacking])
    if kept and len(kept) == len(lacking):
        return unexported_finding(case, crash, kept, _evidence(case, crash, missing))
    return _missing_variable_finding(case, crash, lacking) if lacking else _set_since_finding(case, crash, missing)


def missing_address_lines(crash: FailedRun) -> tuple[NamedLine, ...]:
    """Return the unset address variables of the compose file if the service tried a database socket in its container:
    drivers do so by default."""
    wanted = unset_addresses(crash.service)
    complaint = dependency_complaint(crash.end) if wanted else None
    return tuple(NamedLine(one.name, complaint.log_line)
                 for one in wanted) if complaint is not None and complaint.unix else ()


def _missing_variable_finding(case: Case, crash: FailedRun, missing: tuple[NamedLine, ...]) -> Finding:
    names = ", ".join(s.name for s in missing)
    lost = tuple(m for s in missing if (m := find_misread_line(case.snapshot, crash.service, s.name)) is not None)
    wanted = tuple(s.name for s in missing)
    copies = () if lost else backups_with(case.snapshot, crash.service, wanted)
    again = restore_variables_repair(case, crash, copies, wanted)
    evidence = (*_evidence(case, crash, missing),
                *(Evidence("file", m.where, f"{m.name}… is set there in a form that systemd does not read")
                  for m in lost),
                *backup_evidence(copies if again is not None else (), wanted))
    if names_configuration(missing[0].line):
        return _missing_setting_finding(case, crash, missing)
    if rejected := rejected_variables(crash.end):
        return _renamed_variable_finding(case, crash, missing, rejected)
    by_hand, write = absent_file_repairs(case, crash, names), _repair(case, crash, missing, lost)
    return Finding(
        cause=CAUSE.id, variant="start-env-var-missing", role="root", confidence="certain",
        summary=f"{crash.ends_text}: {names} {'is' if len(missing) == 1 else 'are'} not set",
        detail=(*(m.problem_text for m in lost), *_others_text(case, crash, lost),
                "nothing listens while it does not run"),
        routes=crash.routes, service=crash.service.name, node=crash.service.node, evidence=evidence,
        repairs=(*(by_hand if write.risk == "manual" else ()), write, *(() if again is None else (again,)),
                 *(by_hand if write.risk != "manual" else ())),
    )


def _missing_setting_finding(case: Case, crash: FailedRun, missing: tuple[NamedLine, ...]) -> Finding:
    """Return the finding on a program that looks for the name in its configuration: no variable may help."""
    names, name = ", ".join(s.name for s in missing), crash.service.name
    manual = (f"add {names} to the configuration that {name} reads (its log says which, or the traceback above that "
              f"line), or set the variable that this file takes it from; then start {name}")
    return Finding(
        cause=CAUSE.id, variant="start-env-var-missing", role="root", confidence="likely",
        summary=f"{crash.ends_text}: its configuration lacks {names}",
        detail=("nothing listens while it does not run",), routes=crash.routes, service=name, node=crash.service.node,
        evidence=_evidence(case, crash, missing),
        repairs=(Repair(REPAIR_ID, "manual", f"add {names} to the configuration of {name}", (), manual=manual),),
    )


def _renamed_variable_finding(case: Case, crash: FailedRun, missing: tuple[NamedLine, ...],
                              rejected: tuple[NamedLine, ...]) -> Finding:
    """Return the finding on a program that lacks one name and rejects another: to set the first is not enough."""
    service, verb = crash.service, "is" if len(missing) == 1 else "are"
    names, others = (", ".join(one.name for one in found) for found in (missing, rejected))
    manual = (f"look where {others} is set: in the file that {service.name} itself reads (such as .env in "
              f"{working_directory_of(service) or 'its folder'}). If it is meant to be {names}, rename it there; else "
              f"remove it, and set {names}. Then start {service.name}")
    return Finding(
        cause=CAUSE.id, variant="start-env-var-missing", role="root", confidence="certain",
        summary=f"{crash.ends_text}: {names} {verb} not set, and its settings do not know {others}",
        detail=("nothing listens while it does not run",), routes=crash.routes, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((*_evidence(case, crash, missing),
                                      *(log_evidence(one.line.text, one.line.where) for one in rejected)))),
        repairs=(Repair(REPAIR_ID, "manual", f"name what {service.name} needs as its settings do", (), manual=manual),),
    )


def _evidence(case: Case, crash: FailedRun, missing: tuple[NamedLine, ...]) -> tuple[Evidence, ...]:
    names = {s.name for s in missing}
    return tuple(dict.fromkeys((
        *(log_evidence(s.line.text, s.line.where) for s in missing),
        *(Evidence("file", one.defined_in, f"{one.name}… is substituted by Compose, and nothing sets it")
          for one in crash.service.unset_variables if one.name in names),
        *(Evidence("file", path, "no such file; its start reads variables from it if it exists")
          for path in crash.service.absent_env_files),
        *crash.symptoms(case),
    )))


def _repair(case: Case, crash: FailedRun, missing: tuple[NamedLine, ...], lost: tuple[MisreadLine, ...]) -> Repair:
    service, names = crash.service, ", ".join(s.name for s in missing)
    if len(lost) == len(missing) and all(m.is_plain for m in lost) and not any(s.name in case.inputs for s in missing):
        again = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
        files = ", ".join(dict.fromkeys(m.file.path for m in lost))
        others = tuple(m for m in other_ignored_lines(case.snapshot, service, lost) if m.is_plain)
        names = ", ".join((names, *(m.name for m in others)))
        closed = dict.fromkeys(f"{m.within.name} at line {m.within.line}" for m in lost if m.within is not None)
        how = f" (and close the quote of {' and '.join(closed)})" if closed else ""
        text = f"write {names} in {files} as systemd reads it{how}, then start {service.name}"
        managers = ", ".join(dict.fromkeys(m.file.managed_by for m in lost if m.file.managed_by))
        if managers:
            text += f" ({managers} manages that file and will overwrite the edit)"
        if not isinstance(again, NotEditable):
            return Repair("mend-variable-line", "disruptive", text, (*remove_prefix_steps((*lost, *others)), *again))
    needs = tuple(
        Need(s.name, "secret" if is_secret_name(s.name) else "value",
             f"{service.name} needs {s.name}{_found_elsewhere_text(case, service, s.name, lost)}")
        for s in missing
    )
    values = {s.name: case.inputs.get(s.name, "") for s in missing}
    written = write_variables(case.snapshot, service, values)
    begin = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(written, NotEditable):
        why = begin.reason if isinstance(begin, NotEditable) else written.reason
        return Repair(REPAIR_ID, "manual", f"set {names} for {service.name}", (), needs,
                      f"set {names}; fixer cannot do this: {why}")
    if isinstance(begin, NotEditable):
        manual = (f"set {names} in {written.where}, then recreate {service.name}; fixer cannot do this: "
                  f"{begin.reason}")
        return Repair(REPAIR_ID, "manual", f"set {names} for {service.name}", (), needs, manual)
    summary = f"set {names} in {written.where}, then start {service.name}"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    complete = all(s.name in case.inputs for s in missing)
    return Repair(REPAIR_ID, "disruptive", summary, (*written.steps, *begin) if complete else (), needs)


def _others_text(case: Case, crash: FailedRun, lost: tuple[MisreadLine, ...]) -> tuple[str, ...]:
    """Return one line that names the other variables which systemd ignores for the same reason."""
    others = other_ignored_lines(case.snapshot, crash.service, lost)
    lines = ", ".join(f"{m.name} (line {m.line})" for m in others)
    return (f"systemd ignores {lines} there too",) if others else ()


def _found_elsewhere_text(case: Case, service: Service, name: str, lost: tuple[MisreadLine, ...]) -> str:
    """Return a hint where a value of the variable, or a similar name, stands, or ""."""
    found = next((m for m in lost if m.name == name), None)
    if found is not None:
        return f"; {found.where} holds it, in a form that a shell and systemd read differently"
    return _similar_name_text(service, name) or _set_elsewhere_text(case, service, name)


def _similar_name_text(service: Service, name: str) -> str:
    """Return a hint about a variable with a similar name, which may be a typing error, or ""."""
    near = [a for a in service.env if a.defined_in and a.name.upper() != name.upper()
            and SequenceMatcher(None, a.name.upper(), name.upper()).ratio() >= _MIN_SIMILARITY]
    return f"; {near[0].name} is set at {near[0].defined_in}: is that a typing error?" if len(near) == 1 else ""


def _set_elsewhere_text(case: Case, service: Service, name: str) -> str:
    """Return a hint where another service of the same application sets the variable, or ""."""
    def kin(other: Service) -> bool:
        template = service.name.partition("@")[0] if "@" in service.name else ""
        folder = working_directory_of(service)
        return other.node == service.node and other.id != service.id and (
            bool(template and other.name.startswith(f"{template}@")) or (
                folder not in ("", "/") and working_directory_of(other) == folder))

    found = [(other.name, one.defined_in) for other in case.snapshot.services if kin(other)
             for one in other.env if one.name == name and not one.empty and one.defined_in]
    return f"; {found[0][0]} gets it at {found[0][1]}" if found else ""


def _set_since_finding(case: Case, crash: FailedRun, missing: tuple[NamedLine, ...]) -> Finding:
    """Return the finding for a variable that was set after the last start: the service only has to be started."""
    service = crash.service
    place = next((a.defined_in for a in service.env if a.name.upper() == missing[0].name.upper()), "")
    endpoint = crash.failing_addresses[0].endpoint
    repair = Repair("start-service", "safe", f"start {service.name}", start_steps(case.snapshot, service, endpoint))
    if crash.has_running_parent:      # the parent still has its old environment
        again = restart_steps(case.snapshot, service, endpoint)
        repair = Repair("restart-service", "disruptive", f"restart {service.name}", again)
    return Finding(
        cause=CAUSE.id, variant="start-env-var-missing", role="root", confidence="likely",
        summary=f"{service.name} ended because {missing[0].name} was not set; it is set now, but the service was not "
                "started again",
        detail=(), routes=crash.routes, service=service.name, node=service.node,
        evidence=(*_evidence(case, crash, missing), Evidence("file", place, f"{missing[0].name}… is set")),
        repairs=(repair,) if repair.steps else (),
    )


CAUSE = Cause(
    id="crash-missing-env",
    title="the backend ends at once: an environment variable is not set",
    family="backend crashed, or exits at once",
    variants=("start-env-var-missing", "start-envfile-missing"),
    verdict=judge,
    page=__doc__,
)
