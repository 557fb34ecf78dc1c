"""Steps that start, restart or create a service, by its manager, and that wait until it listens."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Literal

from fixer.analysis.case import Case
from fixer.analysis.dependency.start_order import awaited_unit_names
from fixer.analysis.evidence import age_text, bindings_of, listeners_on, pids_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.service_state import requirements_of, run_state_of
from fixer.formats.addresses import reached_at
from fixer.model.diagnosis import Repair
from fixer.model.facts import Unknown
from fixer.model.plan import ABSENT, ComposeUp, ContainerAction, ProgramAction, Step, WaitForListener, WriteFile
from fixer.model.snapshot import Container, Endpoint, Program, Service, Snapshot, Unit
from fixer.repairs.boot_enablement import boot_steps, is_active_without_process, unit_action
from fixer.repairs.file_edits import NotEditable

LISTEN_TIMEOUT = 60.0      # seconds: many workers on a busy machine, an application that reads much before it listens
_DISABLED_STATES = frozenset({"disabled"})
_STABLE_AGE = 20.0       # seconds after which a program that failed before counts as stable


def _is_supervisord_down(service: Service) -> bool:
    """Return whether the supervisord of a program does not run."""
    return service.program is not None and service.program.state == "DOWN"


def has_failed_by_itself(unit: Unit) -> bool:
    """Return whether it was started and ended with an error of its own: another start ends the same way."""
    return unit.active_state in ("failed", "activating") and unit.result == "exit-code"


def failed_supervisord_unit(service: Service) -> Unit | None:
    """Return the unit of a program's supervisord, if that ended by itself."""
    unit = service.program.unit if service.program is not None and service.program.state == "DOWN" else None
    return unit if unit is not None and has_failed_by_itself(unit) else None


def program_action(
    snapshot: Snapshot, service: Service, program: Program, verb: Literal["start", "restart", "update"],
) -> ProgramAction:
    """Return one verb of supervisorctl, with the state to which an undo returns. A program that restarts repeatedly is
    RUNNING from time to time: an undo need not wait for that. After a restart it may hold its socket until its workers
    fail."""
    ours, pid = set(service.pids), service.pids[0] if service.pids else 0
    listens = any(ours.intersection(pids_of(line)) for line in listeners_on(snapshot, service.node))
    proven = listens and snapshot.taken_at - program.started_at >= _STABLE_AGE
    was = "STARTING" if program.state == "RUNNING" and program.restarts and not proven else program.state
    return ProgramAction(service.node, program.name, program.group, verb, program.conf, was, pid)


def _start_program_steps(snapshot: Snapshot, service: Service, program: Program) -> tuple[Step, ...]:
    """Return steps that start it, or supervisord if that is down; set autostart for a program that no boot starts."""
    steps: list[Step] = []
    file = snapshot.file(service.files_node or service.node, program.file)
    span = program.autostart_span
    if not program.autostart and file is not None and span is not None:
        data = file.data[: span[0]] + b"true" + file.data[span[1]:]
        steps.append(WriteFile(file.node, file.real_path, file.data, data, f"autostart=true for {program.name}",
                               in_place=file.single_file_mount))
    if program.state == "DOWN":
        unit = program.unit
        if unit is None or has_failed_by_itself(unit):
            return ()
        if unit.unit_file_state in _DISABLED_STATES:
            steps.append(unit_action(service, unit, "enable"))
        return (*steps, unit_action(service, unit, "start"))
    return (*steps, program_action(snapshot, service, program, "update" if steps else "start"))


def is_socket_down(service: Service) -> bool:
    """Return whether its socket unit does not listen: started by hand, the service would have no socket."""
    return service.socket is not None and service.socket.active_state in ("inactive", "failed")


def _start_socket_steps(snapshot: Snapshot, service: Service) -> tuple[Step, ...]:
    socket = service.socket
    unit = service.unit
    assert socket is not None and unit is not None
    enable = boot_steps(snapshot, service)
    if unit.active_state != "failed":
        return (*enable, unit_action(service, socket, "start"))
    # systemd refuses a socket once its service runs; the service is a step of its own so that an undo stops it too.
    return (unit_action(service, unit, "reset-failed"), *enable, unit_action(service, socket, "start"),
            unit_action(service, unit, "start"))


def start_steps(snapshot: Snapshot, service: Service, endpoint: Endpoint | None) -> tuple[Step, ...]:
    """Return steps that start what is stopped, so that it also returns after a reboot; empty if only the operator can.

    The last step waits for its listener, if there is an endpoint where it belongs.
    """
    steps: list[Step] = []
    if swarm_advice_text(service):
        return ()
    if service.unit is not None and is_socket_down(service):
        steps += _start_socket_steps(snapshot, service)
    elif service.unit is not None:
        unit = service.unit
        if run_state_of(service) in ("failed", "looping"):
            # systemd refuses a plain start within the start limit's window
            steps.append(unit_action(service, unit, "reset-failed"))
        steps += boot_steps(snapshot, service)
        # systemd would start these too: as steps of their own, an undo stops them as well
        steps += [unit_action(other, needed, "start") for other, needed in _required_units(snapshot, service)]
        steps.append(unit_action(service, unit, "start"))
    elif service.container is not None:
        box = service.container
        steps += _start_replica_steps(snapshot, box) if endpoint is not None else ()
        # during the engine's restart delay a start waits for the next try, up to a minute; a restart does not
        verb: Literal["unpause", "restart", "start"] = "start"
        if box.status in ("paused", "restarting", "running"):
            verb = "unpause" if box.status == "paused" else "restart"
        steps.append(ContainerAction(box.id, box.name, verb, box.status))
    elif service.program is not None:
        steps += _start_program_steps(snapshot, service, service.program)
        if not steps:
            return ()
    else:
        return ()
    return tuple(steps) if endpoint is None else (*steps,
                                                  *wait_for_listener_step(snapshot, service, endpoint, as_made=True))


def _required_units(snapshot: Snapshot, service: Service) -> tuple[tuple[Service, Unit], ...]:
    """Return the stopped units that this one requires."""
    wanted = requirements_of(snapshot, service)
    return tuple((s, s.unit) for s in snapshot.services if s.node == service.node and s.unit is not None
                 and s.name in wanted and s.unit.active_state == "inactive" and s.unit.load_state == "loaded")


def restart_steps(snapshot: Snapshot, service: Service, endpoint: Endpoint) -> tuple[Step, ...]:
    """Return steps that restart a running service; empty if it has no manager."""
    if swarm_advice_text(service):
        return ()
    if service.unit is not None:
        action: Step = unit_action(service, service.unit, "restart", _uptime_text(snapshot, service))
    elif service.container is not None:
        box = service.container
        action = ContainerAction(box.id, box.name, "restart", box.status, _uptime_text(snapshot, service))
    elif service.program is not None:
        action = program_action(snapshot, service, service.program, "restart")
    else:
        return ()
    return (action, *wait_for_listener_step(snapshot, service, endpoint, as_made=True))


def _uptime_text(snapshot: Snapshot, service: Service) -> str:
    if is_active_without_process(service):
        return ""
    since = service.unit.active_enter if service.unit is not None else 0.0
    if service.container is not None:
        since = service.container.started_at
    return f"running for {age_text(max(0.0, snapshot.taken_at - since))}" if since else ""


def wait_for_listener_step(
    snapshot: Snapshot, service: Service, endpoint: Endpoint, *, as_made: bool = False,
) -> tuple[Step, ...]:
    """Return steps that wait until it accepts: on its configured address, else on the one that nginx uses.

    A container that starts with its present settings (`as_made`) has its own bindings, which come last: its files may
    have changed since.
    """
    told = bindings_of(service)
    if told:
        own = as_made and service.container is not None
        asked = [b for b in told if own and endpoint.node == service.node
                 and (b.port == endpoint.port_on_node if b.port else bool(b.unix) and b.unix == endpoint.unix)]
        first = asked[0] if asked else told[-1] if own else told[0]
        return (_wait_step(service, first.host, first.port, first.unix),)
    if endpoint.node == service.node and (endpoint.port or endpoint.unix):
        return (_wait_step(service, "localhost" if endpoint.container_port else endpoint.host, endpoint.port_on_node,
                           endpoint.unix),)
    held = [line for line in listeners_on(snapshot, service.node) if set(pids_of(line)) & set(service.pids)]
    return tuple(_wait_step(service, line.address, line.port, None) for line in held[:1] if line.port)


def _wait_step(service: Service, host: str, port: int, unix: str | None) -> WaitForListener:
    """Return a wait for as long as a start may take, and no longer than the service lives."""
    return WaitForListener(
        service.node, reachable_host(host), port, unix, LISTEN_TIMEOUT,
        service.unit.name if service.unit is not None else "",
        service.container.name if service.container is not None else "",
    )


def reachable_host(host: str) -> str:
    """Return an address that the node itself can connect to: a wildcard is no destination."""
    return "127.0.0.1" if host == "localhost" else reached_at(host)


def start_or_restart_steps(snapshot: Snapshot, service: Service, endpoint: Endpoint) -> tuple[Step, ...] | NotEditable:
    """Return steps that apply an edit of its files: start or restart a unit, run `up` for a compose service."""
    if service.unit is not None:
        if run_state_of(service) == "running":
            return restart_steps(snapshot, service, endpoint)
        return start_steps(snapshot, service, endpoint)
    if service.program is not None:
        if _is_supervisord_down(service):
            return start_steps(snapshot, service, endpoint)
        return (program_action(snapshot, service, service.program, "update"),
                *wait_for_listener_step(snapshot, service, endpoint))
    if service.container is None:
        return NotEditable(f"fixer knows no way to start {service.name} again")
    up = compose_up_step(snapshot, service.container)
    return up if isinstance(up, NotEditable) else (up, *wait_for_listener_step(snapshot, service, endpoint))


def compose_up_step(snapshot: Snapshot, box: Container) -> ComposeUp | NotEditable:
    """Return `up` for one service, only if its files still describe what runs."""
    compose, name = snapshot.compose, box.service
    project = box.project
    if compose is None or compose.project != project or name is None or (
            snapshot.target.kind not in ("compose", "local", "ssh")):
        return NotEditable(f"container {box.name} must be recreated with other "
                           f"settings{_other_project_text(snapshot, box)}")
    if isinstance(compose.editable, Unknown):
        return NotEditable(f"the files of project {compose.project} cannot be edited: {compose.editable.reason}")
    if not compose.editable.value or not dict(compose.hash_matches).get(name, False):
        return NotEditable(
            f"the files of project {compose.project} no longer describe what runs as {name}: `up` would deploy "
            "something else"
        )
    return ComposeUp(
        compose.project, name, compose.working_dir, compose.config_files, compose.environment_files,
        box.label("com.docker.compose.config-hash") or "", box.status,
        box.network_mode if box.lender else "",
        box.label("com.docker.compose.depends_on") or "",
    )


def _other_project_text(snapshot: Snapshot, box: Container) -> str:
    """Return where `up` is possible, as text: in its own project if nginx is in there too, else by compose itself."""
    if not box.project:
        return ""
    at = {nginx.node for nginx in snapshot.nginxes}
    if any(s.container is not None and s.container.project == box.project and s.node in at for s in snapshot.services):
        return f"; run fixer on compose://{box.project}"
    files = (box.label("com.docker.compose.project.config_files") or "").split(",")
    words = [word for path in files if path for word in ("-f", shlex.quote(path))]
    up = f"docker compose {' '.join((*words, '-p', box.project))} up -d --no-deps {box.service}"
    return f"; it belongs to project {box.project}, which does not contain nginx: run {up}"


def swarm_advice_text(service: Service) -> str:
    """Return what an operator does about a task of a swarm service, which replaces its container and routes only to the
    new one; else empty."""
    name = "" if service.container is None else service.container.label("com.docker.swarm.service.name") or ""
    return name and f"docker service ps --no-trunc {name} shows why; then run docker service update --force {name}"


def _start_replica_steps(snapshot: Snapshot, box: Container) -> Iterator[ContainerAction]:
    """Yield the starts of the other replicas of the service that ended like this one. nginx uses all of them by one
    name: with one alone, most of its addresses stay dead."""
    others = (s.container for s in snapshot.services if s.container is not None and box.project and box.service)
    for other in others:
        if other.id != box.id and (other.project, other.service) == (box.project, box.service) and (
                (other.status, other.exit_code) == ("exited", box.exit_code) and box.status == "exited"):
            yield ContainerAction(other.id, other.name, "start", other.status)


def restart_container_repair(box: Container, so_that: str = "") -> Repair:
    """Return a restart of nginx's own container; `so_that` is its purpose as text."""
    action = ContainerAction(box.id, box.name, "restart", box.status, "nginx is down for a moment")
    return Repair("restart-nginx-container", "disruptive", f"restart container {box.name}{so_that}", (action,))


def create_service_step(snapshot: Snapshot, name: str, mended: str = "") -> ComposeUp | NotEditable:
    """Return `up` for a service of the target's project that has no container; its undo removes the container. `mended`
    is text of a Compose error that an earlier step resolves."""
    compose = snapshot.compose
    if compose is None or snapshot.target.kind != "compose":
        return NotEditable("its project is another target")
    if isinstance(compose.editable, Unknown) and not (mended and mended in compose.editable.reason):
        return NotEditable(f"the files of project {compose.project} cannot be used: {compose.editable.reason}")
    return ComposeUp(compose.project, name, compose.working_dir, compose.config_files, compose.environment_files, "",
                     ABSENT)


# Services whose start is queued until other units are up.


def end_wait_repair(service: Service) -> Repair:
    """Return what an operator does: another start would wait in the same queue."""
    units, several = " ".join(awaited_unit_names(service)), len(awaited_unit_names(service)) > 1
    names = " and ".join(awaited_unit_names(service))
    manual = (f"find out why {names} is not up (systemctl status {units}), and fix that: systemd then starts "
              f"{service.name}; systemctl stop {units} ends the wait at once")
    summary = f"make {names} come up, or stop {'them' if several else 'it'}"
    return Repair("end-wait", "manual", summary, (), manual=manual)


# The start that remains if the reason of a failure is removed.


def start_again_repairs(case: Case, crash: FailedRun) -> tuple[Repair, ...]:
    """Return repairs that clear its failures and start it, or that restart a running parent whose workers end. Empty if
    it has no manager."""
    service, endpoint = crash.service, crash.failing_addresses[0].endpoint
    if crash.has_running_parent:
        steps = restart_steps(case.snapshot, service, endpoint)
        return (Repair("restart-service", "disruptive", f"restart {service.name}", steps),) if steps else ()
    steps = start_steps(case.snapshot, service, endpoint)
    return (Repair("start-service", "safe", f"start {service.name}", steps),) if steps else ()
