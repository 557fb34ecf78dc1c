"""What starts a service when the machine boots, and the steps that see to it where nothing does."""

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
    """Its manager says that a boot does not start it."""
    if service.program is not None:
        unit = service.program.unit
        return not service.program.autostart or (unit is not None and unit.unit_file_state in _DISABLED_STATES)
    unit = service.unit if service.socket is None else service.socket
    return unit is not None and unit.unit_file_state in _DISABLED_STATES


def is_off_at_boot(service: Service) -> bool:
    """Started by nothing when the machine boots: disabled, or pulled in by nothing that systemd has loaded.

    What is enabled counts only where the present boot did not start it either: for a target that is not booted to.
    """
    if is_disabled(service):
        return True
    unit = service.unit
    if unit is None or service.socket is not None or unit.pulled_by is None or _pulling_units(service, unit):
        return False
    if not unit.fragment_path.startswith("/") or unit.fragment_path.startswith("/run/"):     # gone after a boot
        return False
    return unit.unit_file_state in _UNENABLED_STATES or (unit.unit_file_state == "enabled" and _has_never_run(unit))


def _pulling_units(service: Service, unit: Unit) -> tuple[str, ...]:
    """What a boot may start it along with. Not a path unit of one that does not run: that starts it whenever it finds
    what it waits for, so it has not. Nor a target of one that never ran: only those that every boot comes by would have
    started it."""
    pulled = unit.pulled_by or ()
    if service.running:
        return pulled
    idle = (".path", ".target") if _has_never_run(unit) else (".path",)
    return tuple(name for name in pulled if name in _BOOT_TARGETS or not name.endswith(idle))


def _has_never_run(unit: Unit) -> bool:
    """Since the boot, or since systemd unloaded it."""
    return unit.active_state == "inactive" and not (unit.active_enter or unit.inactive_enter or unit.state_change)


def boot_state_text(service: Service) -> str:
    """What is said of a stopped one."""
    return "is stopped and disabled at boot" if is_disabled(service) else "is stopped, and no boot starts it"


def enable_at_boot_text(service: Service) -> str:
    """What a repair that starts it says of the boot."""
    if is_disabled(service):
        return " and enable it at boot"
    return " and let a boot start it" if is_off_at_boot(service) else ""


def boot_details(service: Service) -> tuple[str, ...]:
    """A detail, where the next boot may leave it out."""
    unit = service.unit
    if unit is None or service.socket is not None or is_disabled(service):
        return ()
    if is_off_at_boot(service):
        return (f"nothing starts it at boot: {unit.unit_file_state}, and no unit that systemd has loaded wants it",)
    if unit.unit_file_state != "enabled" or unit.inactive_enter:
        return ()
    return (f"it is enabled, and nothing has started it since the boot: unless that was done after it, no boot will "
            f"(systemctl list-dependencies --reverse {service.name} names what wants it, systemctl get-default what is "
            "booted to)",)


def boot_notes(snapshot: Snapshot) -> Iterator[str]:
    """A note for what runs behind a route and would not come back with the machine: nothing there is broken yet."""
    asked = {name for endpoint in snapshot.endpoints
             for name in (endpoint.configured_service, endpoint.listening_service) if name}
    asked -= _foreign_port_holders(snapshot)
    units = [s for s in snapshot.services if s.id in asked and s.running and s.unit is not None and s.program is None]
    for service in [s for s in units if s.socket is None and is_off_at_boot(s)][:_MAX_NOTES]:
        unit = service.unit
        if unit is None or unit.pulled_by is None or unit.pulled_by:     # something else starts it along
            continue
        way = "enable" if is_disabled(service) else f"add-wants {_boot_target(snapshot, service.node)}"
        name, state = service.name, unit.unit_file_state
        yield f"no boot starts {name}, which nginx needs: {state}; systemctl {way} {name}"
    yield from _nginx_boot_notes(snapshot)


def _foreign_port_holders(snapshot: Snapshot) -> set[str]:
    """Who holds a port that another service is told to listen on, and is not told so itself: not to be kept there."""
    found: set[str] = set()
    for endpoint in snapshot.endpoints:
        told = {s.id for s in snapshot.services if s.node == endpoint.node and any(
            b.unix == endpoint.unix and (endpoint.unix is not None or b.port == endpoint.port_on_node)
            for b in bindings_of(s))}
        if endpoint.listening_service is not None and told and endpoint.listening_service not in told:
            found.add(endpoint.listening_service)
    return found


def _nginx_boot_notes(snapshot: Snapshot) -> Iterator[str]:
    """The same of nginx itself, where its unit runs it."""
    for nginx in snapshot.nginxes:
        service = nginx.service
        unit = service.unit if service is not None and service.socket is None else None
        if service is None or unit is None or not unit.main_pid or nginx.master_pid != unit.main_pid:
            continue
        if unit.pulled_by == () and is_disabled(service):
            yield f"no boot starts {service.name}: {unit.unit_file_state}; systemctl enable {service.name}"


def boot_steps(snapshot: Snapshot, service: Service) -> tuple[Step, ...]:
    """Let a boot start it: `enable` where it says for what, else the link that `systemctl add-wants` makes."""
    unit = service.unit if service.socket is None else service.socket
    if unit is None or not is_off_at_boot(service):
        return ()
    if unit.unit_file_state in _DISABLED_STATES:
        return (unit_action(service, unit, "enable"),)
    target = _boot_target(snapshot, service.node)
    if any(s.key == "WantedBy" and s.value == target and s.present for s in service.settings):
        return ()       # there already, and systemd was not told yet
    folder = f"/etc/systemd/system/{target}.wants"
    return (
        WriteFile(service.node, f"{folder}/{unit.name}", None, b"", f"the link by which {target} starts it",
                  link_target=unit.fragment_path, create_dirs=(folder,)),
        DaemonReload(service.node),
    )


def _boot_target(snapshot: Snapshot, node: str) -> str:
    """Which one starts nginx, there: whatever that machine boots to."""
    units = [n.service.unit for n in snapshot.nginxes if n.node == node and n.service is not None]
    pulled = [name for unit in units if unit is not None for name in unit.pulled_by or ()]
    targets = [name for name in pulled if name.endswith(".target")]
    return targets[0] if targets else _DEFAULT_TARGET


# One systemctl verb as a step, with the states that an undo goes back to.
SystemctlVerb: TypeAlias = Literal["start", "stop", "restart", "enable", "disable", "reset-failed"]


def is_active_without_process(service: Service) -> bool:
    """A unit that only starts things (rc.local, an init script, a oneshot that remains) is active still; what it
    started is gone."""
    unit = service.unit
    return unit is not None and (unit.active_state, unit.sub_state) == ("active", "exited") and not service.pids


def is_single_command_oneshot(service: Service, unit: Unit) -> bool:
    """A oneshot of its own for one command, started at boot; what rc.local starts besides nobody knows."""
    commands = [s for s in service.unit_values if s.key == "ExecStart" and s.value.strip()]
    return (unit.type == "oneshot" and unit.unit_file_state == "enabled" and len(commands) == 1
            and unit.name != "rc-local.service")


def unit_action(service: Service, unit: Unit, verb: SystemctlVerb, describe: str = "") -> UnitAction:
    """One systemctl verb, with the states that an undo goes back to."""
    gone = unit is service.unit and is_active_without_process(service)
    return UnitAction(
        service.node, unit.name, verb, "exited" if gone else unit.active_state, unit.unit_file_state, unit.main_pid,
        describe,
    )
