"""A unit with a root of its own (RootDirectory=, RootImage=): what lies on the machine at its paths is not its file."""

from __future__ import annotations

from fixer.analysis.exits.exec_step import StepFailure, Told, setting_evidence, where
from fixer.analysis.exits.failed_run import Crash
from fixer.model.snapshot import Service, UnitValue
from fixer.repairs.unit_edits import by_hand

_ROOTS = ("RootDirectory", "RootImage")
_SHOWS = frozenset({"BindPaths", "BindReadOnlyPaths"})


def own_root(service: Service) -> UnitValue | None:
    """The setting that gives it one, the last of its kind."""
    for key in _ROOTS:
        found = [s for s in service.unit_values if s.key == key]
        if found and found[-1].value.strip().strip("'\"") not in ("", "/"):
            return found[-1]
    return None


def in_own_root(crash: Crash, failure: StepFailure, variant: str, path: str) -> Told | None:
    """What systemd said of the path, told of the root in which it looked; None for a unit with the machine's own."""
    service = crash.service
    root = own_root(service)
    if root is None:
        return None
    named = f"{root.key}={root.value.strip()}"
    why = {"missing": "was not there", "denied": "was closed to it"}.get(failure.why, "could not be used")
    needs = ", with what runs it (interpreter, libraries)," if variant.startswith("start-203") else ""
    manual = (
        f"{where(root, service)} gives it a root of its own ({named}): have {path}{needs} in there, or shown in there "
        f"(BindReadOnlyPaths=); what lies at {path} on the machine itself is not looked at; then start {service.name}")
    shown = tuple(setting_evidence(s) for s in service.unit_values if s.key in _SHOWS and s.value.strip())
    return Told(variant, f"{service.name} could not be started: {path} {why} in its own root ({named})",
                (setting_evidence(root), *shown[-2:]), by_hand("mend-own-root", manual), "likely")
