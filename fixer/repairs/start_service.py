"""Steps that start, restart or create a service, by its manager, and that wait until it listens."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import age_text, bindings_of, listeners_on, pids_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.formats.addresses import reached_at
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of, starter_of
from fixer.model.diagnosis import Repair
from fixer.model.facts import Unknown
from fixer.model.plan import ABSENT, ComposeUp, ContainerAction, Step, WaitForListener
from fixer.model.snapshot import Container, Endpoint, Service, Snapshot
from fixer.repairs.boot_enablement import is_active_without_process
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.start_order import awaited_unit_names
    from fixer.managers.docker_steps import compose_up

LISTEN_TIMEOUT = 60.0      # seconds: many workers on a busy machine, an application that reads much before it listens


def start_steps(snapshot: Snapshot, service: Service, endpoint: Endpoint | None) -> tuple[Step, ...]:
    """Return steps that start what is stopped, so that it also returns after a reboot; empty if only the operator can.

    The last step waits for its listener, if there is an endpoint where it belongs.
    """
    steps = starter_of(snapshot, service).start_steps(with_replicas=endpoint is not None)
    if endpoint is None or not steps:
        return steps
    return (*steps, *wait_for_listener_step(snapshot, service, endpoint, as_made=True))


def restart_steps(snapshot: Snapshot, service: Service, endpoint: Endpoint | None) -> tuple[Step, ...]:
    """Return steps that restart a running service; empty if it has no manager."""
    steps = starter_of(snapshot, service).restart_steps(_uptime_text(snapshot, service))
    return (*steps, *wait_for_listener_step(snapshot, service, endpoint, as_made=True)) if steps else ()


def _uptime_text(snapshot: Snapshot, service: Service) -> str:
    since = 0.0 if is_active_without_process(service) else manager_of(service).started_at()
    return f"running for {age_text(max(0.0, snapshot.taken_at - since))}" if since else ""


def wait_for_listener_step(
    snapshot: Snapshot, service: Service, endpoint: Endpoint | None, *, as_made: bool = False,
) -> tuple[Step, ...]:
    """Return steps that wait until it accepts: on its configured address, else on the one that nginx uses.

    A container that starts with its present settings (`as_made`) has its own bindings, which come last: its files may
    have changed since.
    """
    told = bindings_of(service)
    if told:
        own = as_made and service.container is not None
        asked = [b for b in told if own and endpoint is not None and endpoint.node == service.node
                 and (b.port == endpoint.port_on_node if b.port else bool(b.unix) and b.unix == endpoint.unix)]
        first = asked[0] if asked else told[-1] if own else told[0]
        return (_wait_step(snapshot, service, first.host, first.port, first.unix),)
    if endpoint is not None and endpoint.node == service.node and (endpoint.port or endpoint.unix):
        host = "localhost" if endpoint.container_port else endpoint.host
        return (_wait_step(snapshot, service, host, endpoint.port_on_node, endpoint.unix),)
    held = [line for line in listeners_on(snapshot, service.node) if set(pids_of(line)) & set(service.pids)]
    return tuple(_wait_step(snapshot, service, line.address, line.port, None) for line in held[:1] if line.port)


def _wait_step(snapshot: Snapshot, service: Service, host: str, port: int, unix: str | None) -> WaitForListener:
    """Return a wait for as long as a start may take, and no longer than the service lives."""
    starter = starter_of(snapshot, service)
    return WaitForListener(service.node, reachable_host(host), port, unix, LISTEN_TIMEOUT, starter.awaited_unit,
                           starter.awaited_container)


def reachable_host(host: str) -> str:
    """Return an address that the node itself can connect to: a wildcard is no destination."""
    return "127.0.0.1" if host == "localhost" else reached_at(host)


def start_or_restart_steps(snapshot: Snapshot, service: Service,
                           endpoint: Endpoint | None) -> tuple[Step, ...] | NotEditable:
    """Return steps that apply an edit of its files: start or restart a unit, run `up` for a compose service."""
    steps = starter_of(snapshot, service).apply_steps(_uptime_text(snapshot, service))
    if isinstance(steps, str):
        return NotEditable(steps)
    return (*steps, *wait_for_listener_step(snapshot, service, endpoint)) if steps else ()


def compose_up_step(snapshot: Snapshot, box: Container) -> ComposeUp | NotEditable:
    """Return `up` for one service, only if its files still describe what runs."""
    up = compose_up(snapshot, box)
    return NotEditable(up) if isinstance(up, str) else up


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
    service, endpoint = crash.service, crash.endpoint
    if crash.has_running_parent:
        steps = restart_steps(case.snapshot, service, endpoint)
        return (Repair("restart-service", "disruptive", f"restart {service.name}", steps),) if steps else ()
    steps = start_steps(case.snapshot, service, endpoint)
    return (Repair("start-service", "safe", f"start {service.name}", steps),) if steps else ()
