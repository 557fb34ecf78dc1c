"""Paths hidden from a unit: by its sandbox (ProtectHome=, InaccessiblePaths=) or a root of its own (RootDirectory=)."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.exits.exec_step import (
    StepExplanation,
    StepFailure,
    setting_evidence,
    setting_source_text,
    stat_evidence,
    stat_of,
)
from fixer.analysis.exits.failed_run import FailedRun
from fixer.formats.folders import is_within
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Repair
from fixer.model.snapshot import Service, UnitValue

with lazy_imports():  # not needed in most looks
    from fixer.repairs.unit_edits import RepairWording, complete_value_edit, edit_and_start_repair, manual_repairs

_HOME_FOLDERS = ("/home/", "/root/", "/run/user/")
_HIDING_VALUES = frozenset({"yes", "true", "on", "1", "tmpfs"})


def explain_hidden(case: Case, crash: FailedRun, variant: str, path: str) -> StepExplanation | None:
    """Return the finding if a setting of the unit hides the path, else None."""
    service = crash.service
    setting = _hiding_setting(service, path)
    if setting is None:
        return None
    stat = stat_of(case.snapshot, service.node, path)
    said = f"{setting.key}={setting.value.strip()} hides {path} from it"
    if setting.key == "ProtectHome":
        doing = RepairWording("show-homes", f"set ProtectHome=read-only instead of {setting.value.strip()}",
                      f"write ProtectHome=read-only at {setting_source_text(setting, service)} (or "
                      f"ProtectHome=no if it has to write there)")
        repairs: tuple[Repair, ...] = (edit_and_start_repair(case, crash, doing,
                                                             complete_value_edit(setting, "read-only")),)
    else:
        repairs = manual_repairs("show-path", (
            f"{setting_source_text(setting, service)} hides {path} from {service.name}. Remove that path there, run "
            f"systemctl daemon-reload, then start {service.name}"))
    evidence = (setting_evidence(setting), *(() if stat is None else (stat_evidence(path, stat),)))
    return StepExplanation(variant, f"{service.name} cannot be started: {said}", evidence, repairs)


def no_exec_setting(service: Service, path: str) -> UnitValue | None:
    """Return the unit setting that forbids to execute anything at that path."""
    kept = None
    for setting in service.unit_values:
        words = [word.lstrip("-+") for word in setting.value.split() if "/" in word]
        if setting.key == "NoExecPaths" and any(is_within(path, word) for word in words):
            kept = setting
        elif setting.key == "ExecPaths" and any(word != "/" and is_within(path, word) for word in words):
            return None
    return kept


def _hiding_setting(service: Service, path: str) -> UnitValue | None:
    homes = [s for s in service.unit_values if s.key == "ProtectHome"][-1:]
    if homes and homes[0].value.strip().lower() in _HIDING_VALUES and f"{path}/".startswith(_HOME_FOLDERS):
        return homes[0]
    for setting in service.unit_values:
        closed = [word.lstrip("-+") for word in setting.value.split() if "/" in word]
        if setting.key == "InaccessiblePaths" and any(is_within(path, word) for word in closed):
            return setting
    return None


# A unit with its own root (RootDirectory=, RootImage=) does not see the machine's files at its paths.
_ROOT_KEYS = ("RootDirectory", "RootImage")
_BIND_KEYS = frozenset({"BindPaths", "BindReadOnlyPaths"})


def own_root_setting(service: Service) -> UnitValue | None:
    """Return the setting of its root, the last of its kind."""
    for key in _ROOT_KEYS:
        found = [s for s in service.unit_values if s.key == key]
        if found and found[-1].value.strip().strip("'\"") not in ("", "/"):
            return found[-1]
    return None


def explain_own_root(crash: FailedRun, failure: StepFailure, variant: str, path: str) -> StepExplanation | None:
    """Return systemd's error for the path, explained for the unit's own root; None without one."""
    service = crash.service
    root = own_root_setting(service)
    if root is None:
        return None
    named = f"{root.key}={root.value.strip()}"
    why = {"missing": "was missing", "denied": "was not accessible"}.get(failure.why, "could not be used")
    needs = " with its interpreter and libraries" if variant.startswith("start-203") else ""
    manual = (
        f"{setting_source_text(root, service)} gives it its own root ({named}). Create {path}{needs} in that root, or "
        f"show it there with BindReadOnlyPaths=; {path} on the machine itself has no effect. Then start "
        f"{service.name}")
    shown = tuple(setting_evidence(s) for s in service.unit_values if s.key in _BIND_KEYS and s.value.strip())
    return StepExplanation(variant, f"{service.name} could not be started: {path} {why} in its own root ({named})",
                (setting_evidence(root), *shown[-2:]), manual_repairs("mend-own-root", manual), "likely")
