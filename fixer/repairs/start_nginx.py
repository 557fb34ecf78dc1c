"""Starting nginx: the upstream names that must resolve at its start, and the ports that must be free."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import (
    address_text,
    age_text,
    clock_of,
    container_of,
    listener_evidence,
    pids_of,
    processes_of,
    shorten,
)
from fixer.analysis.nginx_process import (
    container_of_socket,
    holder_evidence,
    is_ip_address,
    is_uncreated,
    listen_addresses_of,
)
from fixer.analysis.run_log import is_looping
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.model.plan import CheckNginx, ContainerAction, SignalProcess, StartNginx, Step, WaitForListener
from fixer.model.snapshot import Container, Listener, Nginx, Process, Service
from fixer.nginx.error_kinds import HOST_NOT_FOUND
from fixer.repairs.file_edits import needs_explicit_config

with lazy_imports():  # not needed in most looks
    from fixer.managers.systemd_steps import unit_action
    from fixer.repairs.start_service import reachable_host, restart_container_repair, start_steps


def stopped_upstream_name(case: Case, nginx: Nginx) -> str:
    """Return a container that a route of this nginx names and that does not run, or restarts repeatedly; else empty."""
    named = {name for facts in case.snapshot.routes if nginx.serves(facts) and facts.route.is_resolved_at_start
             for name in facts.endpoints}
    for endpoint in case.snapshot.endpoints:
        service = case.service(endpoint.configured_service) if endpoint.id in named else None
        by_name = endpoint.unix is None and not is_ip_address(endpoint.host)
        if by_name and endpoint.id in named and is_uncreated(case, endpoint.host):
            return endpoint.host
        if by_name and service is not None and service.container is not None and (
                not service.running or is_looping(case.snapshot, service, endpoint)):
            return service.name
    return ""


def restart_nginx_repair(case: Case, nginx: Nginx, box: Container, so_that: str = "") -> Repair:
    """Return a restart of nginx's own container; a manual one if it would end at once over a name that is missing."""
    repair, gone = restart_container_repair(box, so_that), stopped_upstream_name(case, nginx)
    sound = isinstance(nginx.test, Known) and HOST_NOT_FOUND not in nginx.test.value[1]
    if not gone or (sound and not is_looping_backend(case, gone)):      # a variable's name is resolved at each request
        return repair
    manual = f"nginx exits at once while that name does not resolve; then restart {box.name}"
    return Repair(repair.id, "manual", repair.summary, (), manual=manual, after=gone)


def is_looping_backend(case: Case, name: str) -> bool:
    """Return whether the container of a backend ends again and again."""
    ends = ((endpoint, case.service(endpoint.configured_service)) for endpoint in case.snapshot.endpoints)
    return any(service is not None and service.name == name and is_looping(case.snapshot, service, endpoint)
               for endpoint, service in ends)


def start_nginx_steps(case: Case, nginx: Nginx) -> tuple[Step, ...]:
    """Return steps that check the configuration if possible, start nginx by its manager, and wait for its port."""
    service = nginx.service
    explicit = needs_explicit_config(case.snapshot, nginx)
    check = CheckNginx(nginx.node, nginx.binary, nginx.conf_path, nginx.prefix, explicit)
    wait = wait_for_nginx_steps(nginx)
    if service is not None and service.container is not None and not service.container.is_machine:
        return (*start_steps(case.snapshot, service, None), *wait)    # a stopped container cannot run the check
    if service is not None and (service.unit or service.managed or service.program):
        return (check, *start_steps(case.snapshot, service, None), *wait)
    if service is not None and service.manager != "none":
        return ()
    return (check, StartNginx(nginx.node, nginx.binary, nginx.conf_path, nginx.prefix, explicit), *wait)


def wait_for_nginx_steps(nginx: Nginx) -> tuple[WaitForListener, ...]:
    """Return a step that waits until the first of its addresses accepts."""
    box = nginx.service.container if nginx.service is not None else None
    name = box.name if box is not None and not box.is_machine else ""
    return tuple(WaitForListener(nginx.node, reachable_host(listen.address), listen.port, container=name)
                 for listen in listen_addresses_of(nginx)[:1] if listen.port)


# Freeing a port that nginx needs: its holder is named, and only the operator's consent stops it.
FREE_PORT_ID = "free-port"
STOP_KEY = "stop"
_PROXY_PROGRAMS = frozenset({"docker-proxy", "systemd", "rootlessport", "conmon"})    # they listen on behalf of others


def free_port_repair(case: Case, line: Listener, then: Sequence[Step], summary: str) -> Repair:
    """Return a repair that stops the socket's holder, then continues; complete only if the operator named it.

    Two programs want one port: nothing on the machine says which of them is intended.
    """
    where = address_text(line.address, line.port)
    beside = container_of_socket(case.snapshot, line)
    if beside is not None:
        return _stop_container_repair(case, line, beside[0], then, summary)
    holders = processes_of(case.snapshot, line.node, pids_of(line))
    said = listener_evidence(case.snapshot, line)
    if not holders and (box := container_of(case.snapshot, line.node)) is not None and not box.is_machine:
        manual = (f"a process outside container {box.name} listens on {where} in its network, and nginx needs {where}: "
                  f"stop or move the process, or remove that listen directive; {summary} (on the Docker host: "
                  f"nsenter -t {box.pid} -n ss -ltnp)")
        return Repair(FREE_PORT_ID, "manual", f"free {where}", (), manual=manual)
    if not holders or any(p.pid == 1 or p.comm in _PROXY_PROGRAMS for p in holders):
        manual = f"{said.text} listens on {where}, which nginx needs: stop or move what it acts for; {summary}"
        return Repair(FREE_PORT_ID, "manual", f"free {where}", (), manual=manual)
    service = next((s for s in case.snapshot.services if s.node == line.node and s.unit is not None
                    and set(s.pids) & {p.pid for p in holders}), None)
    name = service.name if service is not None else holders[0].comm
    need = Need(STOP_KEY, "choice", f"{said.text} holds {where}, which nginx needs: to stop it, give its name",
                (name,))
    if case.inputs.get(STOP_KEY) != name:
        return Repair(FREE_PORT_ID, "disruptive", f"stop {name}, which holds {where}; {summary}", (), (need,))
    steps = _stop_unit_steps(service) if service is not None else _terminate_steps(case, line, holders)
    return Repair(FREE_PORT_ID, "disruptive", f"stop {name}, which holds {where}; {summary}", (*steps, *then), (need,))


def _stop_container_repair(case: Case, line: Listener, box: Container, then: Sequence[Step], summary: str) -> Repair:
    """Return a stop of a container in the same network. It stays stopped until a new start; nginx has the port then."""
    where = address_text(line.address, line.port)
    said = holder_evidence(case.snapshot, line).text
    need = Need(STOP_KEY, "choice", f"{said} holds {where}, which nginx needs: to stop it, give its name", (box.name,))
    what = (f"stop container {box.name}, which holds {where}; {summary} (docker compose up would start it again: "
            "change its port, or remove it from the project)")
    action = ContainerAction(box.id, box.name, "stop", box.status, said)
    return Repair(FREE_PORT_ID, "disruptive", what, (action, *then) if case.inputs.get(STOP_KEY) == box.name else (),
                  (need,))


def _stop_unit_steps(service: Service) -> tuple[Step, ...]:
    """Return steps that stop the unit and keep it from the port at the next boot."""
    assert service.unit is not None
    command = shorten(" ".join(service.argv), 160)
    stop = unit_action(service, service.unit, "stop", f"{command}, pid {service.unit.main_pid}")
    if service.unit.unit_file_state == "enabled":
        return unit_action(service, service.unit, "disable"), stop
    return (stop,)


def _terminate_steps(case: Case, line: Listener, holders: Sequence[Process]) -> tuple[Step, ...]:
    now = clock_of(case.snapshot, line.node)
    ours = {p.pid for p in holders}
    ordered = sorted(holders, key=lambda p: (p.ppid in ours, p.start_ticks, p.pid))    # a parent before its workers
    return tuple(
        SignalProcess(line.node, p.pid, p.start_ticks, "TERM", _process_text(p, now)) for p in ordered
    )


def _process_text(process: Process, now: float) -> str:
    command = shorten(" ".join(process.argv), 160) or process.comm
    return f"{command}, uid {process.uid}, running for {age_text(max(0.0, now - process.started_at))}"
