"""A program that finds no folder for temporary files: /tmp has lost its mode, its unit hides it, or a disk is full."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.exits.path_access import PathState
from fixer.model.diagnosis import Repair
from fixer.model.snapshot import Service, UnitValue
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.unit_edits import Doing, by_hand, with_start
from fixer.repairs.write_variables import drop_in

FILE = "50-badgateway-tmp.conf"


def temporary_words(service: Service, path: str, state: PathState, setting: UnitValue | None) -> tuple[str, str]:
    """What is wrong, and what a person does about it."""
    folder = posixpath.dirname(path)
    said = "it finds no folder for temporary files that it may write to"
    box = service.container
    if box is not None and box.read_only:
        return f"{said}: {box.name} was made read-only", f"mount a tmpfs at {folder} of {box.name}"
    if setting is not None:
        return (f"{said} ({setting.key}={setting.value} makes {folder} read-only for it)",
                f"write PrivateTmp=yes beside {setting.key}= at {setting.file}:{setting.line}")
    if state.now == "holds":
        return (f"{said}: {state.words}",
                f"chown root:root {folder}; chmod 1777 {folder}, as every system has it ({state.words})")
    return said, (f"see what keeps {service.name} from {folder}: df -h {folder}; df -i {folder} (full?), mount "
                  "(read-only?), and its unit's protection")


def temporary_repairs(case: Case, crash: Crash, setting: UnitValue | None, todo: str) -> tuple[Repair, ...]:
    """A /tmp of its own, where the unit's protection is all that forbids it; else a person's."""
    service = crash.service
    own = any(s.key == "PrivateTmp" for s in service.unit_values)
    written = drop_in(case.snapshot, service, "PrivateTmp=yes\n", FILE) if setting is not None and not own else None
    if written is None or isinstance(written, NoPlace):
        return by_hand("open-path", todo)
    doing = Doing("open-folder", f"give {service.name} a /tmp of its own (PrivateTmp=yes)", todo)
    return (with_start(case, crash, doing, written),)
