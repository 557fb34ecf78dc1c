"""An application that is mounted into its container at another folder than the one that its server starts in."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.exits.code_error import CodeFault
from fixer.analysis.exits.failed_run import Crash
from fixer.formats.modules import files_of, module_folders, unfound
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.repairs.container_settings import set_compose
from fixer.repairs.file_edits import NoPlace, on_host
from fixer.repairs.start_service import waiting


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
