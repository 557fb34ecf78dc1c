"""The application that a command names is there, seen from the folder above: it starts inside its own package."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.exits.code_error import CodeFault, target_of
from fixer.analysis.exits.exec_step import directory_of, setting_evidence, setting_of, where
from fixer.analysis.exits.failed_run import Crash
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.repairs.unit_edits import Doing, edit_and_start, whole


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
