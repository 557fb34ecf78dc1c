"""The steps by which systemd starts, restarts and enables a unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from fixer.lazy.regex import regex
from fixer.managers import ServiceStarter, manager_of
from fixer.managers.systemd_state import Systemd
from fixer.model.plan import DaemonReload, Step, UnitAction, WriteFile
from fixer.model.snapshot import Service, Snapshot, Unit

_REQUIRES = regex(r"^[ \t]*(?:Requires|BindsTo|Requisite)[ \t]*=(?P<names>[^\n#]*)$")
_REQUIRES_OR_WANTS = regex(r"^[ \t]*(?:Requires|BindsTo|Requisite|Wants)[ \t]*=(?P<names>[^\n#]*)$")
_DEFAULT_TARGET = "multi-user.target"
SystemctlVerb: TypeAlias = Literal["start", "stop", "restart", "enable", "disable", "reset-failed"]


class SystemdSteps(ServiceStarter):
    """Steps of systemctl for one unit."""

    __slots__ = ()

    def start_steps(self, *, with_replicas: bool = False) -> tuple[Step, ...]:
        service, unit = self.service, _unit_of(self.service)
        enable = boot_steps(self.snapshot, service)
        if is_socket_down(service):
            assert service.socket is not None
            socket = unit_action(service, service.socket, "start")
            if unit.active_state != "failed":
                return (*enable, socket)
            # systemd refuses a socket once its service runs; the service is a step of its own so that an undo stops
            # it too
            return (unit_action(service, unit, "reset-failed"), *enable, socket, unit_action(service, unit, "start"))
        # systemd refuses a plain start within the start limit's window
        failed = manager_of(service).run_state() in ("failed", "looping")
        first = (unit_action(service, unit, "reset-failed"),) if failed else ()
        # systemd would start these too: as steps of their own, an undo stops them as well
        needed = [unit_action(other, required, "start") for other, required in self._required_units()]
        return (*first, *enable, *needed, unit_action(service, unit, "start"))

    def _required_units(self) -> Iterator[tuple[Service, Unit]]:
        """Yield the stopped units that this one requires."""
        wanted = {name for name, *_ in requirement_lines(self.snapshot, self.service)}
        for other in self.snapshot.services:
            unit = other.unit if other.node == self.service.node and other.name in wanted else None
            if unit is not None and unit.active_state == "inactive" and unit.load_state == "loaded":
                yield other, unit

    def restart_steps(self, describe: str = "") -> tuple[Step, ...]:
        return (unit_action(self.service, _unit_of(self.service), "restart", describe),)

    def apply_steps(self, describe: str = "") -> tuple[Step, ...] | str:
        running = manager_of(self.service).run_state() == "running"
        return self.restart_steps(describe) if running else self.start_steps()

    @property
    def awaited_unit(self) -> str:
        return _unit_of(self.service).name


def _unit_of(service: Service) -> Unit:
    assert service.unit is not None
    return service.unit


def requirement_lines(
    snapshot: Snapshot, service: Service, *, wanted: bool = False,
) -> Iterator[tuple[str, str, int, str]]:
    """Yield (unit, file, line, text) of the units that a unit's files require (with `wanted`: or want); short names are
    services."""
    unit, pattern = service.unit, _REQUIRES_OR_WANTS if wanted else _REQUIRES
    for path in (unit.fragment_path, *unit.drop_in_paths) if unit is not None else ():
        file = snapshot.file(service.node, path)
        for number, text in enumerate(file.data.decode("utf-8", "replace").split("\n") if file is not None else (), 1):
            match = pattern.match(text)
            for name in match["names"].split() if match is not None else ():
                yield name if "." in name else f"{name}.service", path, number, text.strip()


def is_socket_down(service: Service) -> bool:
    """Return whether its socket unit does not listen: started by hand, the service would have no socket."""
    return service.socket is not None and service.socket.active_state in ("inactive", "failed")


def has_failed_by_itself(unit: Unit) -> bool:
    """Return whether it was started and ended with an error of its own: another start ends the same way."""
    return unit.active_state in ("failed", "activating") and unit.result == "exit-code"


def boot_steps(snapshot: Snapshot, service: Service) -> tuple[Step, ...]:
    """Return steps that start it at boot: `enable` if its unit has a target, else the link of `systemctl add-wants`."""
    unit = service.unit if service.socket is None else service.socket
    if unit is None or not manager_of(service).is_off_at_boot():
        return ()
    if unit.unit_file_state == "disabled":
        return (unit_action(service, unit, "enable"),)
    target = boot_target(snapshot, service.node)
    if any(s.key == "WantedBy" and s.value == target and s.present for s in service.settings):
        return ()       # the link exists, and systemd has not reloaded yet
    folder = f"/etc/systemd/system/{target}.wants"
    return (
        WriteFile(service.node, f"{folder}/{unit.name}", None, b"", f"the link that makes {target} start it",
                  link_target=unit.fragment_path, create_dirs=(folder,)),
        DaemonReload(service.node),
    )


def boot_target(snapshot: Snapshot, node: str) -> str:
    """Return the target that starts nginx on that node: the machine boots to it."""
    units = [n.service.unit for n in snapshot.nginxes if n.node == node and n.service is not None]
    pulled = [name for unit in units if unit is not None for name in unit.pulled_by or ()]
    targets = [name for name in pulled if name.endswith(".target")]
    return targets[0] if targets else _DEFAULT_TARGET


def unit_action(service: Service, unit: Unit, verb: SystemctlVerb, describe: str = "") -> UnitAction:
    """Return one systemctl verb as a step, with the states to which an undo returns."""
    manager = manager_of(service)
    gone = unit is service.unit and isinstance(manager, Systemd) and manager.is_active_without_process
    return UnitAction(
        service.node, unit.name, verb, "exited" if gone else unit.active_state, unit.unit_file_state, unit.main_pid,
        describe,
    )


STARTER = SystemdSteps
