"""Which unit makes a folder below /run at its start, and as which account."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.folders import is_below
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service, Snapshot, UnitValue

_START_STEPS = frozenset({"ExecStartPre", "ExecCondition", "ExecStart", "ExecStartPost"})
_MAKERS = frozenset({"mkdir", "install"})


@dataclass(frozen=True, slots=True)
class FolderMaker:
    """A unit that makes the folder: how, as text, and the evidence. `unit` is its name, `socket_unit` whether it is a
    socket unit, which makes every missing folder above its socket as root."""

    unit: str
    text: str
    evidence: Evidence
    socket_unit: bool = False


def root_folder_maker(snapshot: Snapshot, service: Service, folder: str) -> FolderMaker | None:
    """Return the unit that makes the folder as root, if the service's own unit does not give it to its account."""
    if service.unit is None or not folder.startswith("/run/") or folder in runtime_folders(service):
        return None
    return next(_makers(snapshot, service, folder), None)


def _makers(snapshot: Snapshot, service: Service, folder: str) -> Iterator[FolderMaker]:
    own = [service, *(s for s in snapshot.services if s.node == service.node and s.id != service.id)]
    for socket in dict.fromkeys(s.socket for s in own if s.socket is not None):
        path = next((text for text in socket.listen if is_below(text, folder)), None)
        if path is not None:
            yield FolderMaker(socket.name, f"{socket.name} made it for its socket {path}, as root", Evidence(
                "unit", socket.name, f"ListenStream={path}"), socket_unit=True)
    for value in service.unit_values:
        if value.key in _START_STEPS and _makes_as_root(service, value, folder):
            yield FolderMaker(service.name, f"{value.key}= of its unit makes it as root", Evidence(
                "file", f"{value.file}:{value.line}", f"{value.key}={value.value}"))


def _makes_as_root(service: Service, value: UnitValue, folder: str) -> bool:
    """Return whether the line runs mkdir or install on that folder with the rights of root, and gives it to nobody."""
    command = value.value.lstrip("@-:+!")
    marks, words = value.value[:len(value.value) - len(command)], command.split()
    all_root = any(v.key == "PermissionsStartOnly" and v.value.strip().lower() in ("yes", "true", "on", "1")
                   for v in service.unit_values)
    if not words or words[0].rpartition("/")[2] not in _MAKERS or folder not in (w.rstrip("/") for w in words[1:]):
        return False
    given = any(word.startswith(("-o", "--owner")) for word in words[1:])
    return not given and ("+" in marks or "!" in marks or (all_root and value.key != "ExecStart"))


def runtime_folders(service: Service) -> frozenset[str]:
    """Return the folders in /run that systemd creates for the unit at each start, for its account."""
    words = [w for s in service.settings if s.key == "RuntimeDirectory" for w in s.value.split()]
    return frozenset(f"/run/{word.partition(':')[0]}" for word in words if "%" not in word)
