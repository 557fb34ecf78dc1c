"""Backup copies of a unit's files, and the packaged unit below a local one, for the operator to restore."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from fixer.analysis.case import Case
from fixer.analysis.exits.exec_step import StepExplanation, is_executable_file, is_missing, stat_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.formats.exec_status import failed_pre_command, is_pre_command_retried
from fixer.formats.unit_file import (
    PACKAGE_FOLDERS,
    UnitLine,
    bare_command,
    effective_lines,
    is_complete_unit,
    is_unit_backup,
    last_value,
    naming_arguments,
    program_of,
    sandbox_paths,
    unit_lines,
    working_directory_of,
)
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.diagnosis import Need, Repair
from fixer.model.plan import DaemonReload, WriteFile
from fixer.model.snapshot import FileContent, Service, Snapshot
from fixer.redaction.all_files import redact_unit
from fixer.repairs.older_state import BACKUP_ID, BACKUP_KEY, masked_lines, newest_first_key
from fixer.repairs.unit_edits import RepairWording, written_and_start_repair
from fixer.repairs.write_variables import EditSteps

_ACCOUNT_FILES = {"User": "/etc/passwd", "Group": "/etc/group"}


@dataclass(frozen=True, slots=True)
class _OlderFile:
    """A backup copy, and the unit's file that it is a version of."""

    file: FileContent
    backup: FileContent

    @property
    def label(self) -> str:
        """Return its path, marked if it is the package's."""
        ours = posixpath.dirname(self.backup.path) not in PACKAGE_FOLDERS
        return self.backup.path if ours else f"{self.backup.path} (from the package)"


def add_older_file(case: Case, crash: FailedRun, told: StepExplanation) -> StepExplanation:
    """Add a backup copy to choose if the repair needs the operator anyway."""
    first = told.repairs[0] if told.repairs else None
    if first is None or told.confidence != "certain" or (first.risk != "manual" and not first.needs):
        return told
    repair = _restore_repair(case, crash, told)
    if repair is None:
        return told
    by_hand = tuple(r for r in told.repairs if r.risk == "manual")
    return replace(told, repairs=(*(r for r in told.repairs if r.risk != "manual"), repair, *by_hand))


def _restore_repair(case: Case, crash: FailedRun, told: StepExplanation) -> Repair | None:
    service, unit = crash.service, crash.service.unit
    if unit is None or service.program is not None or unit.need_daemon_reload:     # it failed with files read before
        return None
    paths = tuple(p for p in (unit.fragment_path, *unit.drop_in_paths) if p)
    files = {path: file for path in paths if (file := case.snapshot.file(service.node, path)) is not None}
    if len(files) < len(paths):
        return None
    states = sorted(_older_files(case, crash, told, files), key=lambda state: newest_first_key(state.backup))
    if not states:
        return None
    of = ", ".join(dict.fromkeys(state.file.path for state in states))
    choices = tuple(state.backup.path for state in states)
    why = f"a version of {of} with which systemd can start it: {', '.join(state.label for state in states)}"
    need = Need(BACKUP_KEY, "choice", why, choices)
    chosen = next((state for state in states if state.backup.path == case.inputs.get(BACKUP_KEY)), None)
    if chosen is None:
        does = f"restore another version of {of}, then start {service.name}"
        return Repair(BACKUP_ID, "disruptive", does, (), (need,))
    old, new = chosen.file, chosen.backup
    write = WriteFile(old.node, old.real_path, old.data, new.data, f"the content of {new.path}",
                      in_place=old.single_file_mount,
                      mask=(*masked_lines(old.data, redact_unit), *masked_lines(new.data, redact_unit)))
    by_hand = f"copy the content of {new.path} to {old.path}, then run systemctl daemon-reload"
    doing = RepairWording(BACKUP_ID, f"restore the content of {new.path}", by_hand, need)
    written = EditSteps((write, DaemonReload(service.node)), old.real_path, old.managed_by)
    return written_and_start_repair(case, crash, doing, written)


def _older_files(case: Case, crash: FailedRun, told: StepExplanation,
                 files: Mapping[str, FileContent]) -> Iterator[_OlderFile]:
    """Return copies of the same unit file in which the failed setting would work."""
    snapshot, node = case.snapshot, crash.service.node
    now = _parse_unit_lines(files)
    for path, file in files.items():
        for copy in snapshot.files:
            if copy.node != node or copy.path in files or copy.path != copy.real_path or copy.stat.kind != "file" \
                    or not is_unit_backup(copy.path, path) or not path.startswith("/etc/"):
                continue
            then = _parse_unit_lines({**files, path: replace(copy, path=path)})
            if copy.data != file.data and is_complete_unit(copy.data) and _is_same_unit(file, copy, now, then) \
                    and _is_fixed_in(snapshot, crash, told, now, then) \
                    and _has_no_known_fault(snapshot, crash.service, then):
                yield _OlderFile(file, copy)


def _parse_unit_lines(files: Mapping[str, FileContent]) -> tuple[UnitLine, ...]:
    return tuple(line for path, file in files.items() for line in unit_lines(path, file.data))


def _is_same_unit(file: FileContent, copy: FileContent, now: tuple[UnitLine, ...], then: tuple[UnitLine, ...]) -> bool:
    """Return whether both start the same service at the same address; else by program or Description=. A drop-in is
    identified by its folder, and must share a key."""
    if naming_arguments(now) != naming_arguments(then):
        return False
    ours, theirs = unit_lines(file.path, file.data), unit_lines(copy.path, copy.data)
    if not {line.key for line in ours} & {line.key for line in theirs}:
        return False
    if naming_arguments(now) or file.path.endswith(".conf"):
        return True
    said = [[line.value.strip() for line in lines if line.key == "Description"] for lines in (ours, theirs)]
    programs = [posixpath.basename(program_of(lines)) for lines in (now, then)]
    return programs[0] == programs[1] != "" or said[0] == said[1] != []


def _is_fixed_in(snapshot: Snapshot, crash: FailedRun, told: StepExplanation, now: tuple[UnitLine, ...],
               then: tuple[UnitLine, ...]) -> bool:
    """Return whether the failed setting differs in the copy and would not fail again on this disk."""
    node, unit = crash.service.node, crash.service.unit
    kind = told.variant.removeprefix("start-")
    if kind.startswith("203-"):
        return program_of(then) != program_of(now) and is_executable_file(stat_of(snapshot, node, program_of(then)))
    if kind == "200-chdir":
        stat = stat_of(snapshot, node, working_directory_of(then))
        return working_directory_of(then) != working_directory_of(now) and (not working_directory_of(then) or (
            stat is not None and stat.kind == "dir"))
    if kind in ("217-user", "216-group"):
        key = "User" if kind == "217-user" else "Group"
        return last_value(then, key) != last_value(now, key) and _has_account(snapshot, node, key, then) is True
    if kind == "226-namespace":
        name = unit.name if unit is not None else ""
        paths = sandbox_paths(then, name)
        return paths != sandbox_paths(now, name) and all(stat_of(snapshot, node, path) is not None for path in paths)
    if kind == "execstartpre-failed" and unit is not None:
        bad = failed_pre_command(unit) or (unit.pre[0] if is_pre_command_retried(unit) else None)
        kept = {bare_command(line.value) for line in effective_lines(then, "ExecStartPre")}
        return bad is not None and bare_command(bad.argv) not in kept
    return False


def _has_no_known_fault(snapshot: Snapshot, service: Service, then: tuple[UnitLine, ...]) -> bool:
    """Return whether nothing else in it is known to fail."""
    node = service.node
    program = stat_of(snapshot, node, program_of(then))
    folder = stat_of(snapshot, node, working_directory_of(then))
    needed = (program_of(then), working_directory_of(then), *sandbox_paths(then, service.name))
    gone = [p for p in needed if p.startswith("/")]
    return not any(is_missing(snapshot, node, path) for path in gone) and bool(program_of(then)) \
        and (program is None or is_executable_file(program)) and (folder is None or folder.kind == "dir") \
        and all(_has_account(snapshot, node, key, then) is not False for key in _ACCOUNT_FILES)


def _has_account(snapshot: Snapshot, node: str, key: str, lines: tuple[UnitLine, ...]) -> bool | None:
    """Return whether the account that it runs as exists; None if unknown."""
    name, file = last_value(lines, key), snapshot.file(node, _ACCOUNT_FILES[key])
    if not name:
        return True
    if file is None or "%" in name:
        return None
    rows = [line.split(":") for line in file.data.decode("utf-8", "replace").splitlines()]
    return any(name in row[:1] + row[2:3] for row in rows)
