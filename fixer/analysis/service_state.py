"""The state of a service, as its service manager reports it, and the units that it requires."""

from __future__ import annotations

from typing import TypeGuard

from fixer.analysis.evidence import bindings_of, file_line_text, pids_of, processes_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import RunState, manager_of
from fixer.model.facts import Evidence
from fixer.model.snapshot import Listener, Service, Snapshot, UnitSetting

with lazy_imports():
    from fixer.managers.systemd_steps import requirement_lines  # only if a service is down


def requirements_of(snapshot: Snapshot, service: Service, *, wanted: bool = False) -> dict[str, Evidence]:
    """Return name -> the unit file line that requires (with `wanted`: or wants) it; short names are services."""
    found: dict[str, Evidence] = {}
    for name, path, number, text in requirement_lines(snapshot, service, wanted=wanted):
        found.setdefault(name, Evidence("file", file_line_text(snapshot, service.node, path, number), text))
    return found


def run_state_of(service: Service) -> RunState:
    """Return the state that its service manager reports now."""
    return manager_of(service).run_state()


def start_time_of(service: Service) -> float:
    """Return when it last started, in seconds since the epoch; 0.0 if unknown."""
    return manager_of(service).started_at()


def end_time_of(service: Service) -> float:
    """Return when its last run ended, by its manager; 0.0 if unknown."""
    return manager_of(service).ended_at()


def restart_count_of(service: Service) -> int:
    """Return how often its service manager restarted it by itself."""
    return manager_of(service).restart_count()


def state_evidence(service: Service) -> Evidence:
    """Return the state of a service in its manager's own terms."""
    return manager_of(service).evidence()


def start_text_of(service: Service) -> str:
    """Return how an operator starts it, as part of a sentence."""
    return manager_of(service).start_text()


def is_socket_activated(service: Service) -> bool:
    """Return whether systemd holds its socket and starts it on a connection: it may be inactive."""
    return service.socket is not None and service.socket.active_state == "active"


def holds_socket(service: Service, line: Listener) -> bool:
    """Return whether its processes hold the socket, or systemd holds it for its socket unit."""
    return not set(service.pids).isdisjoint(pids_of(line)) or is_held_by_systemd(service, line)


def is_held_by_systemd(service: Service, line: Listener | None) -> bool:
    """Return whether systemd holds the socket for its socket unit: the kernel then accepts connections there whatever
    the service does."""
    return line is not None and is_socket_activated(service) and 1 in pids_of(line) and any(
        line.address == b.unix if line.family == "unix" else line.port == b.port for b in bindings_of(service))


def is_unwatched(service: Service) -> bool:
    """Return whether its server does not run and nothing records how it ended: only a boot entry starts it, or a unit
    whose own work was done once it had started the server (`rc-local.service`, an init script)."""
    return manager_of(service).is_unwatched()


def is_start_queued(service: Service | None) -> TypeGuard[Service]:
    """Return whether its start waits in systemd's queue: another start would wait there too."""
    return service is not None and service.unit is not None and bool(service.unit.blocked_by)


# Containers that run only `sleep` or the like: an operator debugs in them, or they only share their network.
IDLE_PROGRAMS = frozenset({"sleep", "tail", "pause"})


def is_idle_container(service: Service) -> bool:
    """Return whether its command is only that, and nothing configures it to listen."""
    return service.container is not None and bool(service.argv) and not bindings_of(service) and (
        program_name(service.argv) in IDLE_PROGRAMS)


def program_name(argv: tuple[str, ...]) -> str:
    """Return the program's file name."""
    return argv[0].rpartition("/")[2] if argv else ""


_REMOVED = " (deleted)"      # the kernel's mark behind the name of what is gone


def removed_folder_evidence(snapshot: Snapshot, service: Service) -> Evidence | None:
    """Return evidence that a process of the service runs in a folder that was removed after its start: what it opens by
    a relative path is gone, though a folder of the same name may be there again."""
    for process in processes_of(snapshot, service.node, service.pids):
        folder = process.cwd.or_else("")
        if folder.endswith(_REMOVED):
            return Evidence("process", f"/proc/{process.pid}/cwd", folder)
    return None


# Units with a network namespace of their own: they cannot reach what the machine itself serves.
_TRUE_VALUES = frozenset({"yes", "true", "on", "1"})


def private_network_setting(service: Service) -> UnitSetting | None:
    """Return the setting of its namespace: an empty one (PrivateNetwork=) or a named one (NetworkNamespacePath=)."""
    return next((s for s in service.settings if s.value and (
        s.key == "NetworkNamespacePath" or (s.key == "PrivateNetwork" and s.value.lower() in _TRUE_VALUES))), None)
