"""What starts a service at boot, and the steps that enable it if nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from fixer.analysis.evidence import bindings_of
from fixer.model.plan import DaemonReload, Step, UnitAction, WriteFile
from fixer.model.snapshot import Service, Snapshot, Unit

_DISABLED_STATES = frozenset({"disabled"})
_UNENABLED_STATES = frozenset({"static", "linked", "linked-runtime", "enabled-runtime", "indirect"})
_BOOT_TARGETS = frozenset({"multi-user.target", "graphical.target", "default.target", "basic.target", "sysinit.target",
                     "network.target", "network-online.target"})
_DEFAULT_TARGET = "multi-user.target"
_MAX_NOTES = 3


def is_disabled(service: Service) -> bool:
    """Return whether its service manager reports that a boot does not start it."""
    if service.program is not None:
        unit = service.program.unit
        return not service.program.autostart or (unit is not None and unit.unit_file_state in _DISABLED_STATES)
    unit = service.unit if service.socket is None else service.socket
    return unit is not None and unit.unit_file_state in _DISABLED_STATES


def is_off_at_boot(service: Service) -> bool:
    """Return whether nothing starts it at boot: it is disabled, or no unit that systemd has loaded pulls it in.

    An enabled unit counts only if this boot did not start it either: its target is not the one that is booted.
    """
    if is_disabled(service):
        return True
    unit = service.unit
    if unit is None or service.socket is not None or unit.pulled_by is None or _pulling_units(service, unit):
        return False
    if not unit.fragment_path.startswith("/") or unit.fragment_path.startswith("/run/"):     # lost at a reboot
        return False
    return unit.unit_file_state in _UNENABLED_STATES or (unit.unit_file_state == "enabled" and _has_never_run(unit))


def _pulling_units(service: Service, unit: Unit) -> tuple[str, ...]:
    """Return the units with which a boot may start it. A path unit does not count if the service is stopped: it has not
    triggered. Nor does a target if the service never ran, except the targets of every boot."""
    pulled = unit.pulled_by or ()
    if service.running:
        return pulled
    idle = (".path", ".target") if _has_never_run(unit) else (".path",)
    return tuple(name for name in pulled if name in _BOOT_TARGETS or not name.endswith(idle))


def _has_never_run(unit: Unit) -> bool:
    """Return whether it has not run since the boot, or since systemd unloaded it."""
    return unit.active_state == "inactive" and not (unit.active_enter or unit.inactive_enter or unit.state_change)


def boot_state_text(service: Service) -> str:
    """Return the boot state of a stopped service as text."""
    return "is stopped and disabled at boot" if is_disabled(service) else "is stopped, and nothing starts it at boot"


def enable_at_boot_text(service: Service) -> str:
    """Return what a repair that starts it also does for the boot, as text."""
    if is_disabled(service):
        return " and enable it at boot"
    return " and make it start at boot" if is_off_at_boot(service) else ""


def boot_details(service: Service) -> tuple[str, ...]:
    """Return a detail if the next boot may not start it."""
    unit = service.unit
    if unit is None or service.socket is not None or is_disabled(service):
        return ()
    if is_off_at_boot(service):
        return (f"nothing starts it at boot: its unit is {unit.unit_file_state}, and no loaded unit wants it",)
    if unit.unit_file_state != "enabled" or unit.inactive_enter:
        return ()
    return (f"it is enabled, but it has not started since the boot. If it was enabled before the boot, no boot starts "
            f"it. systemctl list-dependencies --reverse {service.name} lists the units that want it; systemctl "
            "get-default shows the boot target",)


def boot_notes(snapshot: Snapshot) -> Iterator[str]:
    """Yield a note about each service of a route that no boot starts: nothing is broken there yet."""
    asked = {name for endpoint in snapshot.endpoints
             for name in (endpoint.configured_service, endpoint.listening_service) if name}
    asked -= _foreign_port_holders(snapshot)
    units = [s for s in snapshot.services if s.id in asked and s.running and s.unit is not None and s.program is None]
    for service in [s for s in units if s.socket is None and is_off_at_boot(s)][:_MAX_NOTES]:
        unit = service.unit
        if unit is None or unit.pulled_by is None or unit.pulled_by:     # another unit starts it too
            continue
        way = "enable" if is_disabled(service) else f"add-wants {_boot_target(snapshot, service.node)}"
        name, state = service.name, unit.unit_file_state
        yield f"nothing starts {name} at boot, and nginx needs it ({state}): run systemctl {way} {name}"
    yield from _nginx_boot_notes(snapshot)


def _foreign_port_holders(snapshot: Snapshot) -> set[str]:
    """Return the holders of ports that only other services are configured for: they should not stay there."""
    found: set[str] = set()
    for endpoint in snapshot.endpoints:
        told = {s.id for s in snapshot.services if s.node == endpoint.node and any(
            b.unix == endpoint.unix and (endpoint.unix is not None or b.port == endpoint.port_on_node)
            for b in bindings_of(s))}
        if endpoint.listening_service is not None and told and endpoint.listening_service not in told:
            found.add(endpoint.listening_service)
    return found


def _nginx_boot_notes(snapshot: Snapshot) -> Iterator[str]:
    """Yield the same about nginx itself, if its unit runs it."""
    for nginx in snapshot.nginxes:
        service = nginx.service
        unit = service.unit if service is not None and service.socket is None else None
        if service is None or unit is None or not unit.main_pid or nginx.master_pid != unit.main_pid:
            continue
        if unit.pulled_by == () and is_disabled(service):
            yield f"nothing starts {service.name} at boot ({unit.unit_file_state}): run systemctl enable {service.name}"


def boot_steps(snapshot: Snapshot, service: Service) -> tuple[Step, ...]:
    """Return steps that start it at boot: `enable` if its unit has a target, else the link of `systemctl add-wants`."""
    unit = service.unit if service.socket is None else service.socket
    if unit is None or not is_off_at_boot(service):
        return ()
    if unit.unit_file_state in _DISABLED_STATES:
        return (unit_action(service, unit, "enable"),)
    target = _boot_target(snapshot, service.node)
    if any(s.key == "WantedBy" and s.value == target and s.present for s in service.settings):
        return ()       # the link exists, and systemd has not reloaded yet
    folder = f"/etc/systemd/system/{target}.wants"
    return (
        WriteFile(service.node, f"{folder}/{unit.name}", None, b"", f"the link that makes {target} start it",
                  link_target=unit.fragment_path, create_dirs=(folder,)),
        DaemonReload(service.node),
    )


def _boot_target(snapshot: Snapshot, node: str) -> str:
    """Return the target that starts nginx on that node: the machine boots to it."""
    units = [n.service.unit for n in snapshot.nginxes if n.node == node and n.service is not None]
    pulled = [name for unit in units if unit is not None for name in unit.pulled_by or ()]
    targets = [name for name in pulled if name.endswith(".target")]
    return targets[0] if targets else _DEFAULT_TARGET


# One systemctl verb as a step, with the states to which an undo returns.
SystemctlVerb: TypeAlias = Literal["start", "stop", "restart", "enable", "disable", "reset-failed"]


def is_active_without_process(service: Service) -> bool:
    """Return whether a unit that only starts things (rc.local, an init script, a oneshot that remains) is still active
    and its processes have ended."""
    unit = service.unit
    return unit is not None and (unit.active_state, unit.sub_state) == ("active", "exited") and not service.pids


def is_single_command_oneshot(service: Service, unit: Unit) -> bool:
    """Return whether it is a oneshot for one command, started at boot; what else rc.local starts is unknown."""
    commands = [s for s in service.unit_values if s.key == "ExecStart" and s.value.strip()]
    return (unit.type == "oneshot" and unit.unit_file_state == "enabled" and len(commands) == 1
            and unit.name != "rc-local.service")


def unit_action(service: Service, unit: Unit, verb: SystemctlVerb, describe: str = "") -> UnitAction:
    """Return one systemctl verb as a step, with the states to which an undo returns."""
    gone = unit is service.unit and is_active_without_process(service)
    return UnitAction(
        service.node, unit.name, verb, "exited" if gone else unit.active_state, unit.unit_file_state, unit.main_pid,
        describe,
    )
