"""Repairs of an error in code or command: an older state of the file, a corrected argument, else exact instructions."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.exits.changed_since import (
    changed_command_evidence,
    changed_files_evidence,
    installed_module_evidence,
    is_file_mended,
    present_module_evidence,
    unread_unit_files_evidence,
)
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.source_files import (
    has_valid_syntax,
    sound_backup_copies,
    source_file_of,
)
from fixer.analysis.service_state import run_state_of, start_text_of
from fixer.formats.start_files import app_file, target_of
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import ContainerAction, Risk, Step, WaitForListener, WriteFile
from fixer.model.snapshot import FileContent
from fixer.repairs.code_by_hand import manual_text
from fixer.repairs.command_options import (
    TLS_OPTIONS,
    correct_option_repair,
    correct_variable_repair,
    edit_argument,
    gunicorn_setting_evidence,
    option_argument,
    option_value,
)
from fixer.repairs.correct_target import correct_target_repair
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.older_state import (
    BACKUP_ID,
    BACKUP_KEY,
    RELEASE_KEY,
    release_repair,
    releases_of,
    releases_with_file,
)
from fixer.repairs.start_service import start_or_restart_steps, start_steps, wait_for_listener_step
from fixer.repairs.unit_edits import reload_and_start_repair

_NOT_RESTARTED_TEXT = ", but the service was not started again"
RESTART_TIMEOUT = 45.0          # seconds that a program or a database may take until it listens


@dataclass(frozen=True, slots=True)
class ChangeSinceExit:
    """What has changed since the program ended, as text, and the evidence. `is_cure`: what it lacked is there now."""

    text: str
    evidence: tuple[Evidence, ...]
    is_cure: bool = False


def find_change_since_exit(case: Case, crash: FailedRun, fault: CodeFault) -> ChangeSinceExit | None:
    """Return the change that removed, or may have removed, the reason of its end; None if it holds, as far as seen."""
    file, service = source_file_of(case.snapshot, crash.service, fault.file), crash.service
    if service.unit is not None and service.unit.need_daemon_reload:      # a start uses what systemd has read
        new = unread_unit_files_evidence(case.snapshot, crash)
        return ChangeSinceExit(f"{new[0].where} was changed after that, and systemd has not reloaded it",
                               new) if new else None
    if file is not None and is_file_mended(case.snapshot, crash, fault, file):
        text = f"{file.path} was changed after the last start attempt{_NOT_RESTARTED_TEXT}"
        return ChangeSinceExit(text, (Evidence("file", file.path, "changed since then, and a complete program"),))
    if fault.kind == "syntax":
        return None
    if (present := present_module_evidence(case.snapshot, crash, fault.text)) is not None:
        return ChangeSinceExit(f"{present.where} is there now{_NOT_RESTARTED_TEXT}", (present,), is_cure=True)
    if fault.kind in ("import", "server"):
        there = installed_module_evidence(case.snapshot, crash)
        text = f"{fault.name} is there now{_NOT_RESTARTED_TEXT}"
        return None if there is None else ChangeSinceExit(text, (there,), is_cure=True)
    of_command = fault.kind in ("target", "option")
    changed = changed_command_evidence(case.snapshot, crash, fault.name if fault.kind == "target" else "") \
        if of_command else changed_files_evidence(case.snapshot, crash)
    word = option_argument(service, fault) if fault.kind == "option" else None
    now = target_of(service.argv) if fault.kind == "target" else word.text if word is not None else ""
    if changed and now and now not in fault.text and now != fault.name:
        return ChangeSinceExit(f"its command contains {now} now{_NOT_RESTARTED_TEXT}", changed)
    if not changed or (file is not None and not has_valid_syntax(file) and file.path.endswith(".py")):
        return None
    return ChangeSinceExit(f"{changed[0].where} was changed after that, and only a start shows if it is fixed",
                           changed)


def code_repairs(case: Case, crash: FailedRun, fault: CodeFault, since: ChangeSinceExit | None) -> tuple[Repair, ...]:
    """Return the repairs, the best first; the last one is always what the operator does by hand."""
    file = source_file_of(case.snapshot, crash.service, fault.file)
    offered: list[Repair] = []
    if since is not None:
        unit = crash.service.unit
        steps = () if unit is not None and unit.need_daemon_reload else restart_after_edit_steps(case, crash)
        offered += [] if steps or unit is None else [reload_and_start_repair(case, crash)]
        summary = f"{since.text.partition(', ')[0]}: start {crash.service.name}"
        if steps:
            risk: Risk = "disruptive" if crash.has_running_parent else "safe"
            offered.append(Repair("start-service", risk, summary, steps))
        if since.is_cure:       # its reason is over: no edit is left to be made
            told = Repair("start-service", "manual", summary, (), manual=start_text_of(crash.service))
            return tuple(offered) or (told,)
    if file is not None:
        backup = _backup_repair(case, crash, fault, file)
        offered += [backup] if backup is not None else []
        offered += _release_repairs(case, crash, fault, file)
    if fault.kind == "target":
        offered += _complete_release_repairs(case, crash)
        offered.append(correct_target_repair(case, crash, fault))
    elif fault.kind == "tls":
        offered += [r for r in (_tls_file_repair(case, crash, kind) for kind in ("key", "cert")) if r is not None]
    elif fault.kind in ("option", "value"):
        correct = correct_option_repair if fault.kind == "option" else correct_variable_repair
        corrected = correct(case, crash, fault)
        offered += [corrected] if corrected is not None else []
    if not any(r.risk == "manual" for r in offered):
        by_hand = manual_text(case, crash, fault)
        offered.append(Repair("mend-code", "manual", _summary_text(case, crash, fault), (), manual=by_hand))
    return tuple(offered)


def restart_after_edit_steps(case: Case, crash: FailedRun) -> tuple[Step, ...]:
    """Return steps that start it, or restart a parent that still runs the old code; empty if it has no manager.

    It is known to work before it listens, so it gets more time than others.
    """
    return tuple(replace(step, seconds=RESTART_TIMEOUT) if isinstance(step, WaitForListener) else step
                 for step in _restart_steps(case, crash))


def _restart_steps(case: Case, crash: FailedRun) -> tuple[Step, ...]:
    service, endpoint = crash.service, crash.endpoint
    box = service.container
    if box is not None:
        verb = "restart" if box.status in ("running", "restarting") else "start"
        action = ContainerAction(box.id, box.name, "restart" if verb == "restart" else "start", box.status)
        return (action, *wait_for_listener_step(case.snapshot, service, endpoint))
    if run_state_of(service) == "running":
        begun = start_or_restart_steps(case.snapshot, service, endpoint)
        return () if isinstance(begun, NotEditable) else begun
    return start_steps(case.snapshot, service, endpoint)


def _backup_repair(case: Case, crash: FailedRun, fault: CodeFault, file: FileContent) -> Repair | None:
    """Return a repair with a backup copy of the file; the operator chooses which one, and whether at all."""
    states = sound_backup_copies(case.snapshot, file, fault)
    if not states:
        return None
    paths = tuple(state.path for state in states)
    why = f"a backup copy of {file.path} without the error: {', '.join(paths)}"
    need = Need(BACKUP_KEY, "choice", why, paths)
    chosen = next((state for state in states if state.path == case.inputs.get(BACKUP_KEY)), None)
    steps: tuple[Step, ...] = ()
    if chosen is not None:
        write = WriteFile(file.node, file.real_path, file.data, chosen.data, f"the content of {chosen.path}",
                          in_place=file.single_file_mount)
        steps = (write, *restart_after_edit_steps(case, crash))
    summary = f"restore {file.path} from a backup copy, then start {crash.service.name}"
    return Repair(BACKUP_ID, "disruptive", summary, steps, (need,))


def _release_repairs(case: Case, crash: FailedRun, fault: CodeFault, file: FileContent) -> list[Repair]:
    """Return a repair with an older release on the disk, if a link says which one runs."""
    found = releases_of(case, crash, fault, file)
    return [] if found is None else [release_repair(found, crash, case.inputs.get(RELEASE_KEY),
                                                    restart_after_edit_steps(case, crash))]


def _complete_release_repairs(case: Case, crash: FailedRun) -> list[Repair]:
    """Return a repair if the running release lacks the application's file and others hold it: it was never complete."""
    inside = app_file(crash.service.argv)
    path = "" if inside is None else posixpath.join(crash.service.start_folder, inside)
    found = releases_with_file(case, crash, path) if path.startswith("/") else None
    lacks = inside or ""
    return [] if found is None else [
        release_repair(found, crash, case.inputs.get(RELEASE_KEY), restart_after_edit_steps(case, crash), lacks)]


def _tls_file_repair(case: Case, crash: FailedRun, kind: str) -> Repair | None:
    """Return a repair of the path of the key or certificate in the command; the operator gives the right one."""
    service = crash.service
    word = option_value(service, TLS_OPTIONS[kind])
    if word is None:
        return None
    key = f"ssl-{kind}file"
    need = Need(key, "value", f"the {'private key' if kind == 'key' else 'certificate'} of {service.name}, "
                              f"now {word.text}", pattern=r"/[^\s'\"\\$%]+")
    chosen = case.inputs.get(key, "")
    edit = edit_argument(case.snapshot, service, word, chosen or word.text, f"load {chosen or 'another file'}")
    begin = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(edit, NotEditable) or isinstance(begin, NotEditable):
        return None
    summary = f"set another {'key' if kind == 'key' else 'certificate'} than {word.text} for {service.name}"
    return Repair(f"correct-{kind}file", "disruptive", summary, (*edit.steps, *begin) if chosen else (), (need,))


def _summary_text(case: Case, crash: FailedRun, fault: CodeFault) -> str:
    match fault.kind:
        case "import" if fault.name.count(".") and "No module" in fault.text:
            return f"restore {fault.name} for {crash.service.name}"
        case "import" if fault.name.startswith("/"):        # of Node
            return f"restore {fault.name} for {crash.service.name}"
        case "import" | "server":
            return f"install the package that provides {fault.name} for {crash.service.name}"
        case "tls":
            return f"set a certificate and its matching key for {crash.service.name}"
        case "value":
            return f"set {fault.name} of {crash.service.name} to a number"
        case "descriptor":
            return f"give {crash.service.name} its socket"
        case "option":
            setting = gunicorn_setting_evidence(case, crash.service, fault)
            return f"correct {setting[0].where if setting else f'the command of {crash.service.name}'}"
        case _:
            return f"correct {fault.file_line or crash.service.name}"
