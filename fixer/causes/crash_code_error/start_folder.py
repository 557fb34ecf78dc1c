"""An application that is mounted into its container at another folder than the one that its server starts in."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import on_host
from fixer.analysis.exits.code_error import CodeFault, target_of
from fixer.analysis.exits.exec_step import directory_of, setting_evidence, setting_of, where
from fixer.analysis.exits.failed_run import Crash
from fixer.formats.start_files import files_of, module_folders, unfound
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.repairs.container_settings import set_compose
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import waiting
from fixer.repairs.unit_edits import Doing, edit_and_start, whole


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The folder of the container that has the module, and what shows it."""

    folder: str
    start: str
    shown: Evidence


def mounted_elsewhere(case: Case, crash: Crash, fault: CodeFault) -> Elsewhere | None:
    """The one mounted folder that has the module, where none does of those that the server looks into."""
    box, module = crash.service.container, unfound(fault.said.text)
    if box is None or box.is_machine or not module or "PYTHONPATH" in box.env_names:
        return None
    stats, looked = dict(case.snapshot.engine_files), module_folders(crash.service.argv, box.working_dir or "/")
    if any(on_host(box, path) in stats for folder in looked for path in files_of(folder, module)):
        return None
    found = {at.rstrip("/"): host for _, at, _ in box.mounts for path in files_of(at.rstrip("/"), module)
             if (host := on_host(box, path)) in stats}
    if len(found) != 1:
        return None
    folder, host = next(iter(found.items()))
    return Elsewhere(folder, looked[-1], Evidence("file", host, f"mounted below {folder}"))


def start_there(case: Case, crash: Crash, there: Elsewhere) -> Repair | None:
    """Its working directory, in the compose file; None where that cannot be edited or the command names a folder."""
    service, box = crash.service, crash.service.container
    if box is None or there.start != (box.working_dir or "/"):
        return None
    summary = f"let {service.name} start in {there.folder} instead of {there.start}"
    written = set_compose(case.snapshot, service, {"working_dir": there.folder}, summary)
    if isinstance(written, NoPlace):
        return None
    steps = (*written.steps, *waiting(case.snapshot, service, crash.troubles[0].endpoint))
    return Repair("start-in-folder", "disruptive", f"{summary}, in {written.where}; it is made anew", steps)


# The application that a command names is there, seen from the folder above: it starts inside its own package.


@dataclass(frozen=True, slots=True)
class Inside:
    """`folder` is where it starts, `home` where the target can be imported from, `shown` what proves both."""

    folder: str
    home: str
    shown: tuple[Evidence, ...]


def inside_package(case: Case, crash: Crash, fault: CodeFault) -> Inside | None:
    """The folder above, where the unit starts in the very package that the target names first."""
    service = crash.service
    if service.container is not None or service.unit is None or any(w.startswith("--chdir") for w in service.argv):
        return None
    module, _, called = target_of(service.argv).partition(":")
    package, _, last = module.rpartition(".")
    folder, below = directory_of(service), "/" + package.replace(".", "/")
    if not package or not folder.endswith(below) or f"No module named '{package.split('.')[0]}'" not in fault.text:
        return None
    file = case.snapshot.file(service.node, f"{folder}/{last}.py")
    name = called.partition(".")[0].partition("(")[0]
    if file is None or not regex(rf"(?m)^(?:async +)?(?:def +)?{name}\b").search(file.data.decode("utf-8", "replace")):
        return None
    setting = setting_of(service, "WorkingDirectory")
    told = () if setting is None else (setting_evidence(setting),)
    return Inside(folder, folder.removesuffix(below) or "/", (*told, Evidence("file", file.path, f"has {name}")))


def start_above(case: Case, crash: Crash, inside: Inside) -> Repair:
    """WorkingDirectory= becomes the folder from which the target can be imported."""
    setting = setting_of(crash.service, "WorkingDirectory")
    does = f"run in {inside.home} instead of {inside.folder}"
    doing = Doing("correct-directory", does, f"write {inside.home} as WorkingDirectory= at "
                                             f"{where(setting, crash.service)}")
    if setting is None or setting.value.lstrip("-") != inside.folder:
        return Repair(doing.id, "manual", does, (), manual=f"{doing.by_hand}, then start {crash.service.name}")
    dash = "-" if setting.value.startswith("-") else ""
    return edit_and_start(case, crash, doing, whole(setting, dash + inside.home))
