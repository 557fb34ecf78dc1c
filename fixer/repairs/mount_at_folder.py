"""Files that a program misses while its container has them mounted elsewhere, and the repair: to mount them there."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import FailedRun
from fixer.formats.folders import is_within
from fixer.formats.mount_places import files_at, places_in_mounts
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service, Snapshot
from fixer.repairs.container_settings import write_compose_settings
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.start_service import wait_for_listener_step


@dataclass(frozen=True, slots=True)
class MountedFolder:
    """The container's folder that holds the file, its source, the folder where the program looks, and the evidence."""

    folder: str
    source: str
    start_folder: str
    evidence: Evidence

    @property
    def text(self) -> str:
        """What has the file."""
        return f"{self.source}, mounted at {self.folder}, has it"


def find_mount_with(snapshot: Snapshot, service: Service, path: str) -> MountedFolder | None:
    """Return the only mount that has the missing file at its source, if the path itself is below no mount."""
    box = service.container
    if box is None or box.is_machine:
        return None
    stats = dict(snapshot.engine_files)
    found = {(place.folder, place.wanted): place for file in files_at(path, service.argv)
             for place in places_in_mounts(file, box.mounts)
             if place.host in stats and stats[place.host].end.kind == "file"}
    if len(found) != 1:
        return None
    (place,) = found.values()
    return MountedFolder(place.folder, place.source, place.wanted,
                         Evidence("file", place.host, f"mounted below {place.folder}"))


def mount_at_folder_repair(case: Case, crash: FailedRun, there: MountedFolder) -> Repair:
    """Mount it where the program looks. By hand where the compose file cannot be edited, or where something else
    is mounted there already."""
    service, box = crash.service, crash.service.container
    key = f"volumes.{there.folder}"
    setting = next((one for one in service.compose_settings if one.key.rstrip("/") == key), None)
    place = f" ({setting.file}:{setting.line})" if setting is not None else ""
    summary = f"mount {there.source} at {there.start_folder} instead of {there.folder}"
    places = {at.rstrip("/") for _, at in box.shares} | {at.rstrip("/") for _, at, _ in box.mounts} if box else set()
    taken = any(is_within(there.start_folder, at) or is_within(at, there.start_folder) for at in places)
    written = write_compose_settings(case.snapshot, service, {setting.key: there.start_folder},
                                     summary) if setting is not None and not taken else None
    if written is None or isinstance(written, NotEditable):
        manual = (f"{service.name} needs {there.source} at {there.start_folder}, and it is mounted at {there.folder}"
                  f"{place}: mount it at {there.start_folder}, or let the command of {service.name} name "
                  f"{there.folder}. Then recreate the container")
        return Repair("mount-at-folder", "manual", summary, (), manual=manual)
    steps = (*written.steps, *wait_for_listener_step(case.snapshot, service, crash.failing_addresses[0].endpoint))
    return Repair("mount-at-folder", "disruptive", f"{summary}{place}; the container is recreated", steps)


def mount_evidence(crash: FailedRun, there: MountedFolder) -> tuple[Evidence, ...]:
    """Return the line of the compose file that mounts the folder."""
    return tuple(Evidence("file", f"{one.file}:{one.line}", one.value) for one in crash.service.compose_settings
                 if one.key.rstrip("/") == f"volumes.{there.folder}")
