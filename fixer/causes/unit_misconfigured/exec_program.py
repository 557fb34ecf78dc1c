"""Status 203: a program or a file that a unit or script starts is missing, not executable, or has no interpreter."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node
from fixer.analysis.exits.exec_step import (
    StepExplanation,
    StepFailure,
    is_executable_file,
    is_missing,
    link_of,
    missing_file_evidence,
    program_line_evidence,
    setting_evidence,
    setting_source_text,
    stat_evidence,
    stat_of,
    working_directory_of,
)
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.path_access import PASS, Account, account_of_service, has_permission
from fixer.causes.unit_misconfigured.hidden_path import explain_hidden, explain_own_root, no_exec_setting
from fixer.causes.unit_misconfigured.interpreter import explain_broken_link, explain_interpreter
from fixer.formats.backup_names import is_unused_name
from fixer.formats.folders import is_below
from fixer.formats.start_files import (
    STANDARD_FOLDERS,
    VENV_NAMES,
    folder_of_environments,
    interpreter_of,
    similar_server,
    stem_of,
)
from fixer.managers import manager_of
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import FileMeta, WriteFile
from fixer.model.query import FileStat
from fixer.model.snapshot import CommandArgument, Service, Snapshot, UnitValue
from fixer.repairs.older_state import RELEASE_KEY as RELEASE
from fixer.repairs.older_state import release_repair, releases_with_file
from fixer.repairs.restore_code import restart_after_edit_steps
from fixer.repairs.unit_edits import (
    RepairWording,
    ValueEdit,
    complete_value_edit,
    edit_and_start_repair,
    manual_repairs,
    mended_explanation,
    written_and_start_repair,
)
from fixer.repairs.write_variables import EditSteps

INPUT_KEY = "program"
_REPAIR_ID = "correct-program"


def judge_program(case: Case, crash: FailedRun, failure: StepFailure,
                  named: CommandArgument | None = None) -> StepExplanation | str:
    """Explain what is wrong with the program (`named` in a script, else the unit's), or return the missing fact."""
    snapshot, service, entry = case.snapshot, crash.service, named or crash.service.entry
    node = service.node
    if entry is None or not entry.text:
        return f"which program {service.name} starts"
    if (inside := explain_own_root(crash, failure, "start-203-exec-missing", entry.text)) is not None:
        return inside
    if not entry.text.startswith("/"):
        return _explain_missing(case, crash, entry)
    if is_missing(snapshot, node, entry.text):
        link = link_of(snapshot, node, entry.text)
        return _explain_missing(case, crash, entry) if link is None else explain_broken_link(case, crash, entry.text,
                                                                                             entry.text)
    stat = stat_of(snapshot, node, entry.text)
    if (unseen := explain_hidden(case, crash, "start-203-exec-missing", entry.text)) is not None:
        return unseen
    if stat is None:
        return f"whether {entry.text} exists"
    if stat.kind != "file":
        return _explain_unusable(crash, entry, f"{entry.text} is a {stat.kind}", stat)
    if not stat.mode & 0o111:
        return _explain_no_execute_bit(case, crash, entry, stat)
    file = snapshot.file(node, entry.text)
    wanted = None if file is None else interpreter_of(file.data)
    if file is not None and wanted is not None and is_missing(snapshot, node, wanted):
        return explain_interpreter(case, crash, file, wanted)
    if wanted is not None and stat_of(snapshot, node, wanted) is None:
        return f"whether {wanted}, the interpreter of {entry.text}, exists"
    if failure.why == "denied":
        return _explain_denied_account(case, crash, entry, stat)
    if failure.why == "format":
        return _explain_unusable(
            crash, entry, f"{entry.text} is not an executable for this machine and names no interpreter", stat,
            "start-203-exec-bad-interpreter")
    said = f"{entry.text} could not be executed"
    evidence = (*program_line_evidence(service, entry), stat_evidence(entry.text, stat))
    return mended_explanation(case, crash, "start-203-exec-missing", said, evidence)


def _explain_missing(case: Case, crash: FailedRun, entry: CommandArgument) -> StepExplanation:
    service, path = crash.service, entry.text
    own, near, system = _candidate_programs(case.snapshot, service, path)
    summary = f"{service.name} cannot be started: its program {path} is missing"
    told = program_line_evidence(service, entry)
    evidence = (*told, missing_file_evidence(path))
    options = own or near or system
    other = () if own else _other_release_repairs(case, crash, path)
    if other and not options:
        return StepExplanation("start-203-exec-missing", summary, evidence, other)
    if not options:
        manual = (f"{setting_source_text(entry, service)} names {path}, which is missing. Restore it, or name the "
                  f"right program")
        return StepExplanation("start-203-exec-missing", summary, evidence, manual_repairs(_REPAIR_ID, manual))
    # certain: its own program, or the system's if the system's was named
    proven = len(options) == 1 and (bool(own)
                                    or _is_same_program(path, options[0], in_system=bool(system and not near)))
    need = None
    chosen: str | None = options[0]
    if not proven:
        why = (f"{path}, named at {setting_source_text(entry, service)}, does not exist; candidates: "
               f"{', '.join(options)}")
        need = Need(INPUT_KEY, "choice", why, options)
        chosen = case.inputs.get(INPUT_KEY) if case.inputs.get(INPUT_KEY) in options else None
    doing = RepairWording(
        _REPAIR_ID, f"run {chosen or 'the intended program'} instead of {path}",
        f"write {chosen or ' or '.join(options)} instead of {path} at {setting_source_text(entry, service)}", need,
    )
    edit = _edit_entry(service, entry, chosen)
    repair = edit_and_start_repair(case, crash, doing, edit)
    if chosen is not None and edit is None:
        repair = Repair(_REPAIR_ID, "manual", doing.does, (), doing.needs, doing.by_hand)
    seen = tuple(stat_evidence(name, stat) for name in options[:4]
                 if (stat := stat_of(case.snapshot, service.node, name)) is not None)
    return StepExplanation("start-203-exec-missing", summary, (*evidence, *seen), (*other, repair))


def _other_release_repairs(case: Case, crash: FailedRun, path: str) -> tuple[Repair, ...]:
    """Return the repair to another release, if a link selects one of several and others have the program."""
    found = releases_with_file(case, crash, path)
    if found is None:
        return ()
    lacks = path[len(found.link) + 1:]
    return (release_repair(found, crash, case.inputs.get(RELEASE), restart_after_edit_steps(case, crash), lacks),)


def _is_same_program(missing: str, found: str, *, in_system: bool) -> bool:
    """Return whether it is the same program in another system folder, or another version in the same folder."""
    if in_system:
        return posixpath.dirname(missing) in STANDARD_FOLDERS
    (folder, name), (place, other) = posixpath.split(missing), posixpath.split(found)
    stem = stem_of(name)
    return folder == place and stem == stem_of(other) and not (other + name).strip(stem + ".0123456789")


def _candidate_programs(snapshot: Snapshot, service: Service, missing: str) -> tuple[tuple[str, ...], ...]:
    """Return programs of that name in the unit's folders, in the missing one's folder or beside its environment, and
    in the system."""
    name, folder = posixpath.basename(missing), posixpath.dirname(missing)
    meant = similar_server(name)
    home = working_directory_of(service).rstrip("/")
    above = {f"{posixpath.dirname(home)}/{venv}/bin" for venv in VENV_NAMES} if home else set()
    beside = folder_of_environments(missing)
    own, near, system = [], [], []
    for path, stat in _programs(snapshot, service.node):
        where_, other = posixpath.dirname(path), posixpath.basename(path)
        if path == missing or is_unused_name(other, program=True):
            continue
        if other == name and (is_below(path, home) or where_ in above):
            own.append((path, stat))
        elif (where_ == folder and (
                other == meant or (folder not in STANDARD_FOLDERS and stem_of(other) == stem_of(name)))) or (
                    other == name and beside and folder_of_environments(path) == beside):
            near.append((path, stat))
        elif other == name and where_ in STANDARD_FOLDERS:
            system.append((path, stat))
    return tuple(tuple(_distinct_paths(group)) for group in (own, near, system))


def _programs(snapshot: Snapshot, node: str) -> Iterator[tuple[str, FileStat]]:
    found = find_node(snapshot, node)
    for path, stat in found.files if found is not None else ():
        if is_executable_file(stat) and not is_missing(snapshot, node, path):
            yield path, stat


def _distinct_paths(group: list[tuple[str, FileStat]]) -> Iterator[str]:
    """Return each program once: /bin is often a link to /usr/bin."""
    seen: set[str] = set()
    for path, stat in sorted(group, key=lambda pair: (not pair[0].startswith("/usr/bin/"), pair[0])):
        real = stat.real_path or path
        if real not in seen:
            seen.add(real)
            yield path


def _edit_entry(service: Service, entry: CommandArgument, program: str | None) -> ValueEdit | None:
    """Return the edit of the program's argument; None if none is chosen or it is not written literally."""
    for setting in reversed(service.unit_values):
        inside = entry.start is not None and entry.end is not None and setting.file == entry.file
        if program is not None and inside and setting.key == manager_of(service).setting_key("ExecStart"):
            assert entry.start is not None and entry.end is not None
            if setting.start <= entry.start and entry.end <= setting.end:
                return ValueEdit(setting, entry.start, entry.end, program)
    if program is None or entry.start is None or entry.end is None or entry.file is None or entry == service.entry:
        return None
    # in a script
    return complete_value_edit(UnitValue("", entry.text, entry.file, entry.line, entry.start, entry.end), program)


def _explain_no_execute_bit(case: Case, crash: FailedRun, entry: CommandArgument, stat: FileStat) -> StepExplanation:
    service, path = crash.service, entry.text
    summary = f"{service.name} cannot be started: {path} has no execute bit"
    evidence = (*program_line_evidence(service, entry), stat_evidence(path, stat))
    file = case.snapshot.file(service.node, path)
    manual = f"chmod +x {path}, then start {service.name}"
    if file is None or len(file.data) != stat.size:
        return StepExplanation("start-203-exec-not-executable", summary, evidence,
                               manual_repairs("make-executable", manual))
    old = FileMeta(stat.mode & 0o7777, stat.uid, stat.gid)
    new = FileMeta((stat.mode | (stat.mode & 0o444) >> 2) & 0o7777, stat.uid, stat.gid)
    step = WriteFile(service.node, file.real_path, file.data, file.data, "make it executable", meta=new,
                     expect_meta=old, in_place=file.single_file_mount)
    written = EditSteps((step,), file.real_path, file.managed_by)
    repair = written_and_start_repair(case, crash, RepairWording("make-executable", f"make {path} executable", manual),
                                      written)
    return StepExplanation("start-203-exec-not-executable", summary, evidence, (repair,))


def _explain_denied_account(case: Case, crash: FailedRun, entry: CommandArgument, stat: FileStat) -> StepExplanation:
    """Explain why this account may not execute it: its mode or a folder of its path."""
    account = manager_of(crash.service).account_name()
    barred = no_exec_setting(crash.service, stat.real_path or entry.text)
    if barred is not None:
        said = f"{barred.key}={barred.value.strip()} forbids execution there"
        manual = (f"{setting_source_text(barred, crash.service)} ({barred.key}) does not let {crash.service.name} "
                  f"execute {entry.text}. Add what it needs (also the interpreter and libraries) to ExecPaths= in its "
                  "own drop-in, run systemctl daemon-reload, then start it")
        summary = f"{crash.service.name} cannot be started: {entry.text} exists, but {said}"
        evidence = (*program_line_evidence(crash.service, entry), setting_evidence(barred),
                    stat_evidence(entry.text, stat))
        return StepExplanation("start-203-exec-not-executable", summary, evidence,
                               manual_repairs("mend-program", manual))
    who = account_of_service(case.snapshot, crash.service)
    shut = first_closed_folder(case.snapshot, crash.service.node, entry.text, who)
    if shut is None and who is not None and has_permission(stat, who, PASS) and _is_selinux_enforcing(case, crash):
        return _explain_selinux(crash, entry, account, stat)
    if shut is None:
        return _explain_unusable(
            crash, entry, f"{account} may not execute {entry.text} (its mode, its owner or a noexec mount)", stat)
    path, folder = shut
    said = f"{account} may not enter {path} (mode {folder.mode & 0o7777:04o}, owner {folder.uid}:{folder.gid})"
    told = _explain_unusable(crash, entry, said, stat)
    return StepExplanation(told.variant, told.summary, (*told.evidence, stat_evidence(path, folder)), told.repairs)


def _is_selinux_enforcing(case: Case, crash: FailedRun) -> bool:
    node = find_node(case.snapshot, crash.service.node)
    return node is not None and isinstance(node.policy, Known) and node.policy.value.enforcing is True


def _explain_selinux(crash: FailedRun, entry: CommandArgument, account: str, stat: FileStat) -> StepExplanation:
    """Explain a denial that no file mode makes: SELinux lets systemd start no file of a type such as user_home_t."""
    service, folder = crash.service, posixpath.dirname(entry.text)
    said = f"its mode and the folders above let {account} execute it, and SELinux is enforcing"
    manual = (f"{said}: ausearch -m avc -ts recent shows what it denies, ls -Z {entry.text} the type of the file. What "
              f"has the type of a home folder (user_home_t) systemd may not start: move the program out of there, or "
              f"semanage fcontext -a -t bin_t '{folder}(/.*)?' && restorecon -Rv {folder}. Then start {service.name}")
    evidence = (*program_line_evidence(service, entry), stat_evidence(entry.text, stat),
                Evidence("kernel", "/sys/fs/selinux/enforce", "1: SELinux is enforcing"))
    summary = f"{service.name} cannot be started: {entry.text} was denied to it; {said}"
    return StepExplanation("start-203-exec-not-executable", summary, evidence, manual_repairs("mend-program", manual))


def first_closed_folder(
    snapshot: Snapshot, node: str, path: str, who: Account | None = None,
) -> tuple[str, FileStat] | None:
    """Return the first folder of the path that the account may not enter; that others may not, if it is unknown."""
    parts = path.split("/")
    for end in range(2, len(parts)):
        folder = "/".join(parts[:end])
        stat = stat_of(snapshot, node, folder)
        if stat is None or stat.kind != "dir":
            continue
        if not (stat.mode & PASS if who is None else has_permission(stat, who, PASS)):
            return folder, stat
    return None


def _explain_unusable(
    crash: FailedRun, entry: CommandArgument, said: str, stat: FileStat, variant: str = "start-203-exec-not-executable",
) -> StepExplanation:
    service = crash.service
    manual = f"{said}; {setting_source_text(entry, service)} names it. Correct that, then start {service.name}"
    evidence: tuple[Evidence, ...] = (*program_line_evidence(service, entry), stat_evidence(entry.text, stat))
    return StepExplanation(variant, f"{service.name} cannot be started: {said}", evidence,
                           manual_repairs("mend-program", manual))
