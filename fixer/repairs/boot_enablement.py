"""What starts a service at boot, as text and notes."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.evidence import bindings_of
from fixer.formats.unit_file import RC_LOCAL_UNIT
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.managers.systemd_state import Systemd
from fixer.model.snapshot import Service, Snapshot, Unit

with lazy_imports():  # not needed in most looks
    from fixer.managers.systemd_steps import boot_target

_MAX_NOTES = 3


def boot_state_text(service: Service) -> str:
    """Return the boot state of a stopped service as text."""
    disabled = manager_of(service).is_disabled()
    return "is stopped and disabled at boot" if disabled else "is stopped, and nothing starts it at boot"


def enable_at_boot_text(service: Service) -> str:
    """Return what a repair that starts it also does for the boot, as text."""
    if service.program is not None and service.program.missing_include is not None:
        return f", and include {service.program.file} in {service.program.conf}"
    if manager_of(service).is_disabled():
        return " and enable it at boot"
    return " and make it start at boot" if manager_of(service).is_off_at_boot() else ""


def boot_details(service: Service) -> tuple[str, ...]:
    """Return a detail if the next boot may not start it."""
    unit = service.unit
    if unit is None or service.socket is not None or manager_of(service).is_disabled():
        return ()
    if manager_of(service).is_off_at_boot():
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
    for service in [s for s in units if s.socket is None and manager_of(s).is_off_at_boot()][:_MAX_NOTES]:
        unit = service.unit
        if unit is None or unit.pulled_by is None or unit.pulled_by:     # another unit starts it too
            continue
        if unit.unit_file_state == "transient":     # somebody runs it for now: no boot is meant to
            continue
        way = "enable" if manager_of(service).is_disabled() else f"add-wants {boot_target(snapshot, service.node)}"
        name, state = service.name, unit.unit_file_state
        yield f"nothing starts {name} at boot, and nginx needs it ({state}): run systemctl {way} {name}"
    yield from _nginx_boot_notes(snapshot)


def _foreign_port_holders(snapshot: Snapshot) -> set[str]:
    """Return the holders of ports that only other services are configured for: they should not stay there."""
    # thousands of locations may lead to one place
    held = {(e.node, e.unix, e.port_on_node, e.listening_service) for e in snapshot.endpoints
            if e.listening_service is not None}
    found: set[str] = set()
    for node, unix, port, holder in held:
        told = {s.id for s in snapshot.services if s.node == node and any(
            b.unix == unix and (unix is not None or b.port == port) for b in bindings_of(s))}
        if told and holder not in told:
            found.add(holder)
    return found


def _nginx_boot_notes(snapshot: Snapshot) -> Iterator[str]:
    """Yield the same about nginx itself, if its unit runs it."""
    for nginx in snapshot.nginxes:
        service = nginx.service
        unit = service.unit if service is not None and service.socket is None else None
        if service is None or unit is None or not unit.main_pid or nginx.master_pid != unit.main_pid:
            continue
        if unit.pulled_by == () and manager_of(service).is_disabled():
            yield f"nothing starts {service.name} at boot ({unit.unit_file_state}): run systemctl enable {service.name}"


def is_active_without_process(service: Service) -> bool:
    """Return whether a unit that only starts things (rc.local, an init script, a oneshot that remains) is still active
    and its processes have ended."""
    manager = manager_of(service)
    return isinstance(manager, Systemd) and manager.is_active_without_process


def is_single_command_oneshot(service: Service, unit: Unit) -> bool:
    """Return whether it is a oneshot for one command, started at boot; what else rc.local starts is unknown."""
    commands = [s for s in service.unit_values if s.key == "ExecStart" and s.value.strip()]
    return (unit.type == "oneshot" and unit.unit_file_state == "enabled" and len(commands) == 1
            and unit.name != RC_LOCAL_UNIT)
