"""The state of a service, as its service manager reports it, and the units that it requires."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeGuard

from fixer.analysis.evidence import bindings_of, file_line_text
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import Container, Program, Service, Snapshot, Unit

_REQUIRES = regex(r"^[ \t]*(?:Requires|BindsTo|Requisite)[ \t]*=(?P<names>[^\n#]*)$")
_REQUIRES_OR_WANTS = regex(r"^[ \t]*(?:Requires|BindsTo|Requisite|Wants)[ \t]*=(?P<names>[^\n#]*)$")


def requirements_of(snapshot: Snapshot, service: Service, *, wanted: bool = False) -> dict[str, Evidence]:
    """Return name -> the unit file line that requires (with `wanted`: or wants) it; short names are services."""
    unit, pattern = service.unit, _REQUIRES_OR_WANTS if wanted else _REQUIRES
    found: dict[str, Evidence] = {}
    for path in (unit.fragment_path, *unit.drop_in_paths) if unit is not None else ():
        file = snapshot.file(service.node, path)
        for number, text in enumerate(file.data.decode("utf-8", "replace").split("\n") if file is not None else (), 1):
            match = pattern.match(text)
            for name in match["names"].split() if match is not None else ():
                evidence = Evidence("file", file_line_text(snapshot, service.node, path, number), text.strip())
                found.setdefault(name if "." in name else f"{name}.service", evidence)
    return found


RunState: TypeAlias = Literal[
    "running", "starting", "looping", "stopped", "failed", "masked", "paused", "unknown",
]
_CLEAN_EXITS = frozenset({0, 130, 143})     # done, Ctrl-C, `docker stop`
_NO_FAILURE_RESULTS = ("", "success", "exec-condition")     # values of Result= that no failed run leaves


def run_state_of(service: Service) -> RunState:
    """Return the state that its service manager reports now."""
    if service.unit is not None:
        return _unit_run_state(service.unit)
    if service.container is not None:
        return _container_run_state(service.container)
    if service.program is not None:
        return _program_run_state(service.program)
    return "running" if service.pids else "stopped"


def _unit_run_state(unit: Unit) -> RunState:
    if unit.load_state == "masked":
        return "masked"
    if unit.blocked_by:
        return "starting"
    if unit.active_state == "active":
        return "running"
    if unit.active_state == "activating":
        return "looping" if unit.sub_state == "auto-restart" or unit.n_restarts else "starting"
    if unit.active_state == "failed":
        return "stopped" if _is_ended_by_stop(unit) else "failed"
    if unit.active_state == "inactive" and unit.load_state == "loaded":
        # if stopped between the runs of a crash loop, it is inactive with the result of its last run
        return "stopped" if unit.result in _NO_FAILURE_RESULTS else "failed"
    return "unknown"


def _is_ended_by_stop(unit: Unit) -> bool:
    """Return whether a stop signal ended it with a clean status (Java, socat), which systemd calls a failure."""
    return unit.result == "exit-code" and unit.exec_main_code == 1 and not unit.n_restarts and \
        unit.exec_main_status in _CLEAN_EXITS


def _container_run_state(container: Container) -> RunState:
    match container.status:
        case "running":
            return "running"
        case "paused":
            return "paused"
        case "restarting":
            return "looping"
        case "created":
            return "failed" if container.error else "stopped"
        case "exited" | "dead":
            return "stopped" if container.exit_code in _CLEAN_EXITS and not container.error else "failed"
        case _:
            return "unknown"


def _program_run_state(program: Program) -> RunState:
    match program.state:
        case "RUNNING":
            return "running"
        case "STARTING":
            return "looping" if program.restarts else "starting"
        case "BACKOFF":
            return "looping"
        case "FATAL":
            return "failed"
        case "EXITED" | "STOPPED":      # if stopped between the runs of a crash loop, the crash is why it is down
            return "stopped" if program.expected else "failed"
        case "DOWN":
            return "stopped"
        case _:
            return "unknown"


def start_time_of(service: Service) -> float:
    """Return when it last started, in seconds since the epoch; 0.0 if unknown."""
    if service.unit is not None:
        return service.unit.active_enter
    if service.program is not None:
        return service.program.started_at
    return service.container.started_at if service.container is not None else 0.0


def restart_count_of(service: Service) -> int:
    """Return how often its service manager restarted it by itself."""
    if service.unit is not None:
        return service.unit.n_restarts
    if service.program is not None:
        return service.program.restarts
    return service.container.restart_count if service.container is not None else 0


def is_socket_activated(service: Service) -> bool:
    """Return whether systemd holds its socket and starts it on a connection: it may be inactive."""
    return service.socket is not None and service.socket.active_state == "active"


_LEAVING_TYPES = frozenset({"forking", "oneshot"})


def is_unwatched(service: Service) -> bool:
    """Return whether its server does not run and nothing records how it ended: only a boot entry starts it, or a unit
    whose own work was done once it had started the server (`rc-local.service`, an init script)."""
    unit = service.unit
    if unit is None:
        return service.is_idle_boot_entry
    return (service.is_app_server and not service.pids and not unit.main_pid and unit.type in _LEAVING_TYPES
            and unit.result == "success" and not unit.n_restarts)


def is_start_queued(service: Service | None) -> TypeGuard[Service]:
    """Return whether its start waits in systemd's queue: another start would wait there too."""
    return service is not None and service.unit is not None and bool(service.unit.blocked_by)


def state_evidence(service: Service) -> Evidence:
    """Return the state of a service in its manager's own terms."""
    unit, container = service.unit, service.container
    if unit is not None:
        text = (
            f"{unit.active_state} ({unit.sub_state}), Result={unit.result}, status={unit.exec_main_status}, "
            f"NRestarts={unit.n_restarts}, {unit.unit_file_state or unit.load_state}"
        ) + (", from the journal: systemd has since reset it" if unit.is_from_journal else "")
        return Evidence("unit", unit.name, text)
    if container is not None:
        text = f"{container.status}, exit code {container.exit_code}, restarted {container.restart_count} times"
        return Evidence("container", container.name, text + (f", {container.error}" if container.error else ""))
    if service.program is not None:
        return _program_evidence(service.program)
    if service.boot_entry is not None and not service.pids:
        return Evidence("file", f"{service.boot_entry.file}:{service.boot_entry.line}", service.boot_entry.text)
    pids = ", ".join(str(pid) for pid in service.pids)
    return Evidence("process", service.name, f"pid {pids}" if pids else "no process")


def _program_evidence(program: Program) -> Evidence:
    state = {"DOWN": "supervisord does not run", "UNKNOWN": "state unknown"}.get(program.state, program.state)
    ended = f", {program.ended}" if program.ended and program.state not in ("RUNNING", "DOWN") else ""
    boot = "autostart" if program.autostart else "no autostart"
    return Evidence("program", program.name, f"{state}{ended}, ended {program.restarts} times recently, {boot}")


# Containers that run only `sleep` or the like: an operator debugs in them, or they only share their network.
IDLE_PROGRAMS = frozenset({"sleep", "tail", "pause"})


def is_idle_container(service: Service) -> bool:
    """Return whether its command is only that, and nothing configures it to listen."""
    return service.container is not None and bool(service.argv) and not bindings_of(service) and (
        program_name(service.argv) in IDLE_PROGRAMS)


def program_name(argv: tuple[str, ...]) -> str:
    """Return the program's file name."""
    return argv[0].rpartition("/")[2] if argv else ""
