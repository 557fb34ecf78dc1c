"""Applications that their server cannot import because it starts in the wrong folder."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import host_path_of
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.exec_step import setting_evidence, setting_of, setting_source_text, working_directory_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.formats.folders import is_within
from fixer.formats.start_files import find_missing_module, module_files, module_folders, names_start_folder, target_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.repairs.container_settings import write_compose_settings
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.mount_at_folder import MountedFolder
from fixer.repairs.start_service import wait_for_listener_step
from fixer.repairs.unit_edits import RepairWording, complete_value_edit, edit_and_start_repair


def find_mounted_folder(case: Case, crash: FailedRun, fault: CodeFault) -> MountedFolder | None:
    """Return the only mounted folder that holds the module, if no folder that the server searches does."""
    box, module = crash.service.container, find_missing_module(fault.log_line.text)
    if box is None or box.is_machine or not module or "PYTHONPATH" in box.env_names:
        return None
    stats, looked = dict(case.snapshot.engine_files), module_folders(crash.service.argv, box.working_dir or "/")
    if any(host_path_of(box, path) in stats for folder in looked for path in module_files(folder, module)):
        return None
    found = {at.rstrip("/"): (source, host) for source, at, _ in box.mounts
             for path in module_files(at.rstrip("/"), module) if (host := host_path_of(box, path)) in stats}
    if len(found) != 1:
        return None
    folder, (source, host) = next(iter(found.items()))
    return MountedFolder(folder, source, looked[0], Evidence("file", host, f"mounted below {folder}"))


def start_in_mount_repair(case: Case, crash: FailedRun, there: MountedFolder) -> Repair | None:
    """Set working_dir in the compose file; by hand if nothing can be mounted where it starts. Return None if the file
    cannot be edited, or if the command names a folder."""
    service, box = crash.service, crash.service.container
    if box is None or names_start_folder(service.argv):
        return None
    summary = f"start {service.name} in {there.folder} instead of {there.start_folder}"
    written = write_compose_settings(case.snapshot, service, {"working_dir": there.folder}, summary)
    if isinstance(written, NotEditable) and there.start_folder == "/":
        by_hand = f"set working_dir of {service.name} to {there.folder}, then recreate the container"
        return Repair("start-in-folder", "manual", summary, (), manual=by_hand)
    if isinstance(written, NotEditable):
        return None
    steps = (*written.steps, *wait_for_listener_step(case.snapshot, service, crash.failing_addresses[0].endpoint))
    return Repair("start-in-folder", "disruptive", f"{summary}, in {written.where}; the container is recreated", steps)


@dataclass(frozen=True, slots=True)
class PackageFolder:
    """A server that starts inside its own package (`folder`), and the folder from which the target can be imported."""

    folder: str
    import_folder: str
    evidence: tuple[Evidence, ...]


def find_package_folder(case: Case, crash: FailedRun, fault: CodeFault) -> PackageFolder | None:
    """Return the folder above, if the unit starts inside the package that its target names."""
    service = crash.service
    if service.container is not None or service.unit is None or any(w.startswith("--chdir") for w in service.argv):
        return None
    module, _, called = target_of(service.argv).partition(":")
    package, _, last = module.rpartition(".")
    folder, below = working_directory_of(service), "/" + package.replace(".", "/")
    if not package or not folder.endswith(below) or f"No module named '{package.split('.')[0]}'" not in fault.text:
        return None
    file = case.snapshot.file(service.node, f"{folder}/{last}.py")
    name = called.partition(".")[0].partition("(")[0]
    if file is None or not regex(rf"(?m)^(?:async +)?(?:def +)?{name}\b").search(file.data.decode("utf-8", "replace")):
        return None
    setting = setting_of(service, "WorkingDirectory")
    told = () if setting is None else (setting_evidence(setting),)
    return PackageFolder(folder, folder.removesuffix(below) or "/", (*told, Evidence("file", file.path, f"has {name}")))


def start_above_package_repair(case: Case, crash: FailedRun, inside: PackageFolder) -> Repair:
    """Set WorkingDirectory= to the folder from which the target can be imported."""
    setting = setting_of(crash.service, "WorkingDirectory")
    does = f"run in {inside.import_folder} instead of {inside.folder}"
    doing = RepairWording("correct-directory", does, f"set WorkingDirectory={inside.import_folder} at "
                                             f"{setting_source_text(setting, crash.service)}")
    if setting is None or setting.value.lstrip("-") != inside.folder:
        return Repair(doing.id, "manual", does, (), manual=f"{doing.by_hand}, then start {crash.service.name}")
    dash = "-" if setting.value.startswith("-") else ""
    return edit_and_start_repair(case, crash, doing, complete_value_edit(setting, dash + inside.import_folder))


def mounted_code_text(crash: FailedRun, fault: CodeFault) -> str:
    """Return a note if the code of a failed import is mounted from the host, or "". uvicorn's error is the same for an
    empty, a wrong and an unreadable folder."""
    box = crash.service.container
    unseen = fault.kind == "target" and ("Could not import" in fault.text or "No module named" in fault.text)
    if not unseen or box is None or box.is_machine:
        return ""
    folders = module_folders(crash.service.argv, box.working_dir)
    # fixer does not record the value of PYTHONPATH: if it is set, any mounted folder may hold the code
    mounts = dict.fromkeys((*((source, at) for source, at, _ in box.mounts), *box.shares))       # also volumes
    over = [m for m in mounts if "PYTHONPATH" in box.env_names or any(is_within(f, m[1]) for f in folders)]
    if not over:
        return ""
    source, at = max(over, key=lambda m: len(m[1]))
    who = f"the account {box.user}" if box.user else "its account"
    return f"{at} is mounted from {source}, which may lack it or be inaccessible to {who}"
