"""Status 200, 216, 217 and 226: a unit's folder, group, account or sandbox path does not exist."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node, shorten
from fixer.analysis.exits.exec_step import (
    StepExplanation,
    StepFailure,
    is_missing,
    link_of,
    missing_file_evidence,
    setting_evidence,
    setting_of,
    setting_source_text,
    stat_evidence,
    stat_of,
    working_directory_of,
)
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.path_access import PASS, account_of_service, has_permission
from fixer.analysis.run_log import message_of
from fixer.causes.unit_misconfigured.exec_program import first_closed_folder
from fixer.causes.unit_misconfigured.hidden_path import explain_hidden, explain_own_root
from fixer.formats.folders import is_below, is_within
from fixer.formats.start_files import FSTAB, PROC_MOUNTS, app_file, resolve_link
from fixer.formats.unit_file import SANDBOX_SETTINGS, sandbox_path
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import WriteFile
from fixer.model.query import FileStat
from fixer.model.snapshot import Service, Snapshot, UnitValue
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

FOLDER_KEY, ACCOUNT_KEYS = "directory", {"User": "user", "Group": "group"}
_WORD = regex(r"\S+")
_MISSING_PATH = regex(      # between two colons the first such word decides
    r"(?<![^:])(?>[^:]*?(?:namespac|mount))[^:]*+: (?P<path>/[^:]+): No such file or directory")


def judge_folder(case: Case, crash: FailedRun, failure: StepFailure) -> StepExplanation | str:
    """Judge WorkingDirectory=: missing or inaccessible."""
    service = crash.service
    setting = setting_of(service, "WorkingDirectory")
    path = working_directory_of(service)
    if not path.startswith("/"):
        return f"the working directory of {service.name}"
    if (inside := explain_own_root(crash, failure, "start-200-chdir", path)) is not None:
        return inside
    told = () if setting is None else (setting_evidence(setting),)
    if is_missing(case.snapshot, service.node, path):
        return _explain_missing_folder(case, crash, setting, path)
    stat = stat_of(case.snapshot, service.node, path)
    if (unseen := explain_hidden(case, crash, "start-200-chdir", path)) is not None:
        return unseen
    if stat is None:
        return f"whether {path} exists"
    account = manager_of(service).account_name()
    if failure.why == "denied" or stat.kind != "dir":
        who = account_of_service(case.snapshot, service)
        shut = first_closed_folder(case.snapshot, service.node, path + "/x", who) or (path, stat)
        is_open = shut[1].mode & PASS if who is None else has_permission(shut[1], who, PASS)
        if shut[1].kind == "dir" and is_open:      # as every folder of the path is now
            said = f"{account} was not allowed to enter its working directory {path}"
            return mended_explanation(case, crash, "start-200-chdir", said, (*told, stat_evidence(*shut)))
        text = f"mode {shut[1].mode & 0o7777:04o}, owner {shut[1].uid}:{shut[1].gid}"
        said = f"{account} may not enter {shut[0]} ({text})" if stat.kind == "dir" else f"{path} is a {stat.kind}"
        manual = (
            f"{said}, and {setting_source_text(setting, service)} names {path}. Let {account} enter it (chown or "
            f"chmod), or name the right folder or account there. Then start {service.name}"
        )
        return StepExplanation("start-200-chdir", f"{service.name} cannot be started in its working directory: {said}",
                    (*told, stat_evidence(*shut)), manual_repairs("mend-directory", manual))
    said = f"its working directory {path} was missing"
    return mended_explanation(case, crash, "start-200-chdir", said, (*told, stat_evidence(path, stat)))


def _explain_missing_folder(case: Case, crash: FailedRun, setting: UnitValue | None, path: str) -> StepExplanation:
    service, node = crash.service, crash.service.node
    link = link_of(case.snapshot, node, path)
    end = resolve_link(path, link.link_target) if link is not None and link.link_target else None
    summary = f"{service.name} cannot be started: its working directory {path} is missing"
    if end is not None:
        summary = f"{service.name} cannot be started: its working directory {path} is a link to {end}, which is missing"
    evidence = (*(() if setting is None else (setting_evidence(setting),)), missing_file_evidence(end or path))
    mount = _mount_of(case.snapshot, node, end or path)
    if mount is not None and not _is_mounted_now(case.snapshot, node, mount[0]):     # another folder may hold a copy
        point, line = mount
        manual = (f"mount {point} ({FSTAB} has {line.split()[0]} there), then start {service.name}. "
                  f"RequiresMountsFor={point} in its unit makes it wait for the mount")
        return StepExplanation("start-200-chdir", f"{summary}; {point} is not mounted",
                    (*evidence, Evidence("file", FSTAB, line)), manual_repairs("mount-folder", manual))
    options = _candidate_folders(case.snapshot, service, path)
    if end is not None:
        beside = tuple(o for o in options if posixpath.dirname(o) == posixpath.dirname(end))
        options = beside or options
    if not options:
        manual = (
            f"{setting_source_text(setting, service)} names the working directory {path}, which is missing. Restore "
            f"it, or name the folder of the application there. Then start {service.name}"
        )
        return StepExplanation("start-200-chdir", summary, evidence, manual_repairs("correct-directory", manual))
    need, chosen = None, options[0] if len(options) == 1 else None
    if chosen is None:
        why = f"{path} is missing; the application's file is in {', '.join(options)}"
        need = Need(FOLDER_KEY, "choice", why, options)
        chosen = case.inputs.get(FOLDER_KEY) if case.inputs.get(FOLDER_KEY) in options else None
    file = app_file(service.argv) or ""
    seen = tuple(stat_evidence(f"{o}/{file}", stat) for o in options[:4]
                 if (stat := stat_of(case.snapshot, node, f"{o}/{file}")) is not None)
    repair = _correct_folder_repair(case, crash, setting, path, (chosen, need))
    return StepExplanation("start-200-chdir", summary, (*evidence, *seen), (repair,))


def _correct_folder_repair(
    case: Case, crash: FailedRun, setting: UnitValue | None, path: str, choice: tuple[str | None, Need | None],
) -> Repair:
    """Return the repair to the existing folder: in the link that selected the old one, else in the unit."""
    (chosen, need), service = choice, crash.service
    link = link_of(case.snapshot, service.node, path)
    doing = RepairWording(
        "correct-directory", f"run in {chosen or 'the intended folder'} instead of {path}",
        f"write {chosen or 'the right folder'} instead of {path} at {setting_source_text(setting, service)}", need,
    )
    if link is not None and link.link_target:
        if chosen is None:
            return Repair(doing.id, "disruptive", doing.does, (), doing.needs)
        steps = (
            WriteFile(service.node, path, None, None, f"remove the link to {link.link_target}",
                      link_target=link.link_target),
            WriteFile(service.node, path, None, b"", f"link to {chosen}", link_target=chosen),
        )
        return written_and_start_repair(case, crash, doing, EditSteps(steps, path))
    if setting is None or "%" in setting.value or setting.value.lstrip("-") != path:
        return Repair(doing.id, "manual", doing.does, (), doing.needs, doing.by_hand)
    edit = None
    if chosen is not None:
        edit = complete_value_edit(setting, ("-" if setting.value.startswith("-") else "") + chosen)
    return edit_and_start_repair(case, crash, doing, edit)


def _candidate_folders(snapshot: Snapshot, service: Service, missing: str) -> tuple[str, ...]:
    """Return folders that hold the application's file and that no other service uses. Those that hold the program, too,
    take precedence."""
    inside = app_file(service.argv)
    node = find_node(snapshot, service.node)
    if inside is None or node is None:
        return ()
    taken = {working_directory_of(s) for s in snapshot.services if s.id != service.id}
    found: dict[str, str] = {}
    for path, stat in node.files:
        home = path.removesuffix(f"/{inside}")
        if home != path and home not in taken and home != missing and path not in node.missing_paths:
            real = (stat.real_path or path).removesuffix(f"/{inside}")
            found.setdefault(real, home)
    homes = tuple(sorted(found.values()))
    program = "" if service.entry is None else service.entry.text
    around = tuple(home for home in homes if is_below(program, home))
    return around or homes


def judge_account(case: Case, crash: FailedRun, failure: StepFailure) -> StepExplanation | str:
    """Judge User= or Group=: an account that systemd does not find."""
    key = "User" if failure.status == 217 else "Group"
    variant = "start-217-user" if key == "User" else "start-216-group"
    service, unit = crash.service, crash.service.unit
    setting = setting_of(service, key)
    assert unit is not None
    name = unit.user if key == "User" else unit.group
    file = case.snapshot.file(service.node, "/etc/passwd" if key == "User" else "/etc/group")
    if file is None or not name:
        return f"the accounts of {service.node}"
    accounts = _parse_accounts(file.data)
    told = () if setting is None else (setting_evidence(setting),)
    word = "account" if key == "User" else "group"
    if name in accounts or name in accounts.values():
        if failure.lines and failure.why != "missing":      # systemd was refused: the account exists
            reason = failure.lines[-1].text.rpartition(": ")[2].strip()
            return f"why systemd may not run {service.name} as {name} ({shorten(reason, 80)})"
        said = f"the {word} {name} did not exist"
        return mended_explanation(case, crash, variant, said, (*told, Evidence("file", file.path, f"{name} exists")))
    summary = f"{service.name} cannot be started: its {word} {name} does not exist"
    evidence = (*told, Evidence("file", file.path, f"no {word} is called {name}"))
    options = _likely_accounts(case.snapshot, service, key, accounts)
    make = f"useradd --system {name}" if key == "User" else f"groupadd --system {name}"
    manual = (f"name an existing {word} at {setting_source_text(setting, service)} instead of {name}, "
              f"or create that one ({make})")
    if setting is None or not options:
        return StepExplanation(variant, summary, evidence, manual_repairs(f"correct-{word}", manual))
    need_key = ACCOUNT_KEYS[key]
    why = (f"{name}, named at {setting_source_text(setting, service)}, does not exist; "
           f"the application's files belong to {' and '.join(options)}")
    need = Need(need_key, "choice", why, options)
    chosen = case.inputs.get(need_key) if case.inputs.get(need_key) in options else None
    does = f"change the {word} from {name} to {chosen or 'an existing one'}"
    edit = None if chosen is None else complete_value_edit(setting, chosen)
    doing = RepairWording(f"correct-{word}", does, manual, need)
    return StepExplanation(variant, summary, evidence, (edit_and_start_repair(case, crash, doing, edit),))


def _parse_accounts(data: bytes) -> dict[str, str]:
    """Parse /etc/passwd or /etc/group: name -> number."""
    rows = [line.split(":") for line in data.decode("utf-8", "replace").splitlines()]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def _likely_accounts(snapshot: Snapshot, service: Service, key: str, accounts: dict[str, str]) -> tuple[str, ...]:
    """Return the owners of its folder and files, without root, which owns most of them."""
    paths = [service.unit.working_directory] if service.unit is not None else []
    paths += [*service.env_files, *([service.entry.text] if service.entry is not None else [])]
    numbers: dict[str, None] = {}
    for stat in (stat_of(snapshot, service.node, path) for path in paths):
        number = None if stat is None else _owner_number(stat, key)
        if number:
            numbers.setdefault(str(number))
    if key == "Group" and service.unit is not None:
        passwd = snapshot.file(service.node, "/etc/passwd")
        for line in (passwd.data if passwd is not None else b"").decode("utf-8", "replace").splitlines():
            row = line.split(":")
            if len(row) > 3 and row[0] == service.unit.user:
                numbers = {row[3]: None, **numbers}
    names = {number: name for name, number in reversed(accounts.items())}
    return tuple(names[number] for number in numbers if number in names)


def _owner_number(stat: FileStat, key: str) -> int:
    return stat.uid if key == "User" else stat.gid


def judge_sandbox(case: Case, crash: FailedRun, failure: StepFailure) -> StepExplanation | str:
    """Judge a missing path of the unit's sandbox."""
    service = crash.service
    said = [m["path"] for line in failure.lines for m in [_MISSING_PATH.search(message_of(line))] if m]
    lines = [s for s in service.unit_values if s.key in SANDBOX_SETTINGS]
    name = service.unit.name if service.unit is not None else service.name
    named = [(s, w, sandbox_path(w, name)) for s in lines for w in s.value.split()]
    gone = [(s, w, p) for s, w, p in named if is_missing(case.snapshot, service.node, p) or p in said[-1:]]
    if not gone:
        return f"which sandbox path of {service.name} is missing"
    setting, _, path = next((one for one in gone if not _is_editable_path(case, service, one[0], one[1])), gone[0])
    manual = (
        f"{setting_source_text(setting, service)} needs {path}, which is missing. Create it (mkdir, owned by the "
        f"account of {service.name}), or write -{path} there to make it optional. Then start {service.name}"
    )
    paths = tuple(dict.fromkeys(path for _, _, path in gone))
    kind, are = ("a path", "is") if len(paths) == 1 else ("paths", "are")
    shown = (*(setting_evidence(setting) for setting, _, _ in gone), *(missing_file_evidence(path) for path in paths))
    said_of = f"{service.name} cannot be started: {kind} of its sandbox {are} missing: {' and '.join(paths)}"
    return StepExplanation(
        "start-226-namespace", said_of, tuple(dict.fromkeys(shown)),
        _optional_path_repairs(case, crash, [(setting, word) for setting, word, _ in gone], manual),
    )


def _is_editable_path(case: Case, service: Service, setting: UnitValue, word: str) -> bool:
    """Return whether the line is safe to edit. Below a mount point the data may be missing: the operator decides."""
    plain = setting.value.split().count(word) == 1 and not set("\"'\\%") & set(setting.value)
    return plain and setting.file.startswith("/etc/") and not _is_mounted(
        case.snapshot, service.node, word.lstrip("+").split(":", 1)[0])


def _optional_path_repairs(case: Case, crash: FailedRun, gone: list[tuple[UnitValue, str]],
                           manual: str) -> tuple[Repair, ...]:
    """Return the repair that makes the paths optional with a dash; the sandbox still forbids the same. systemd names
    one path at a time, so it edits all of them at once."""
    service = crash.service
    if not all(_is_editable_path(case, service, setting, word) for setting, word in gone):
        return manual_repairs("mend-sandbox", manual)
    paths = " and ".join(dict.fromkeys(word.lstrip("+").split(":", 1)[0] for _, word in gone))
    words = ", ".join(f"-{word} in {setting.key}=" for setting, word in gone)
    doing = RepairWording("make-path-optional", f"let {service.name} start without {paths} ({words})", manual)
    edits = []
    for setting, word in gone:
        at = setting.start + _word_offset(setting.value, setting.value.split().index(word))
        edits.append(ValueEdit(setting, at, at, "-"))
    return (edit_and_start_repair(case, crash, doing, *edits),)


def _word_offset(text: str, number: int) -> int:
    """Return the offset at which the word of that index begins."""
    return [m.start() for m in _WORD.finditer(text)][number]


def _is_mounted(snapshot: Snapshot, node: str, path: str) -> bool:
    """Return whether the path is at or below a mount point of /etc/fstab."""
    return _mount_of(snapshot, node, path) is not None


def _is_mounted_now(snapshot: Snapshot, node: str, point: str) -> bool:
    """Return whether something is mounted exactly there, or the mounts are unknown."""
    table = snapshot.file(node, PROC_MOUNTS)
    return table is None or any(line.split()[1:2] == [point.encode()] for line in table.data.splitlines())


def _mount_of(snapshot: Snapshot, node: str, path: str) -> tuple[str, str] | None:
    """Return the mount point of /etc/fstab at or above the path, with its line."""
    table = snapshot.file(node, FSTAB)
    lines = (table.data if table is not None else b"").decode("utf-8", "replace").splitlines()
    rows = [(line.split(), line.strip()) for line in lines]
    points = [(row[1].rstrip("/"), line) for row, line in rows
              if len(row) > 2 and not row[0].startswith("#") and row[1] not in ("/", "none")]
    return next((found for found in points if is_within(path, found[0])), None)
