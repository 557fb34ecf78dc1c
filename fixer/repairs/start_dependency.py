"""Repairs of a dependency: start it, or give the application another one."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.dependency.complaint import DependencyComplaint
from fixer.analysis.dependency.locate import LocatedDependency, is_umbrella_unit, tcp_listeners_of, umbrella_of
from fixer.analysis.evidence import process_text, processes_of, shorten
from fixer.analysis.exits.exit_reason import last_log_lines
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import was_asked_to_stop
from fixer.analysis.service_state import is_unwatched, run_state_of
from fixer.formats.dependency_systems import ACCOUNT_VARIABLE, ADDRESS_VARIABLE, SECRET_VARIABLE
from fixer.managers import manager_of
from fixer.managers.systemd_steps import unit_action
from fixer.model.diagnosis import Need, Repair, variable_repair_id
from fixer.model.plan import ContainerAction, SignalProcess, Step, WaitForListener
from fixer.model.snapshot import Service
from fixer.redaction.secrets import is_secret_name
from fixer.repairs.boot_line_start import start_as_at_boot_repair
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.restore_code import RESTART_TIMEOUT, restart_after_edit_steps
from fixer.repairs.start_service import reachable_host, start_or_restart_steps
from fixer.repairs.write_variables import write_variables

_MAX_VARIABLES = 4


def start_or_manual_repairs(case: Case, crash: FailedRun) -> tuple[Repair, ...]:
    """Return the start: only that is left to do."""
    steps = restart_after_edit_steps(case, crash)
    name = crash.service.name
    if not steps:
        manual = f"start {name} as it was started before"
        return (Repair("start-service", "manual", f"start {name}", (), manual=manual),)
    if crash.has_running_parent:
        return (Repair("restart-service", "disruptive", f"restart {name}", steps),)
    return (Repair("start-service", "safe", f"start {name}", steps),)


def start_dependency_repairs(case: Case, crash: FailedRun, said: DependencyComplaint,
                             needed: LocatedDependency) -> tuple[Repair, ...]:
    """Return a start of the stopped dependency, then of the backend; an unclear start is for the operator."""
    name = crash.service.name
    provider = needed.provider
    if provider is None:
        return (_manual_repair(_manual_text(case, crash, said, needed)), *other_address_repairs(case, crash, said)[:1])
    why = start_obstacle_text(case, provider)
    if why:
        return (_manual_repair(f"{why}; then start {name}"),)
    started = start_provider_steps(case, provider)
    if not started:
        return (_manual_repair(_manual_text(case, crash, said, needed)), *other_address_repairs(case, crash, said)[:1])
    steps = (*started, *_wait_for_provider_steps(said, provider))
    verb = "resume" if run_state_of(provider) == "paused" else "start"
    also = " and enable it at boot" if any(getattr(step, "verb", "") == "enable" for step in started) else ""
    summary, last = f"{verb} {provider.name}{also}, then ", restart_after_edit_steps(case, crash)
    if last or not is_unwatched(crash.service):
        return (Repair("start-dependency", "safe", f"{summary}start {name}", (*steps, *last)),)
    return (_with_boot_line(case, crash, summary, steps),)


def _with_boot_line(case: Case, crash: FailedRun, first: str, steps: tuple[Step, ...]) -> Repair:
    """Return these steps, then what a line of a boot does: nothing else starts the backend before the next boot."""
    entry, endpoint = crash.service.boot_entry, crash.endpoint
    line = None
    if entry is not None and endpoint is not None:
        line = start_as_at_boot_repair(case.snapshot, endpoint, entry)
    if line is None:
        return _manual_repair(f"{first}{manager_of(crash.service).start_text()}")
    return Repair("start-dependency", line.risk, f"{first}{line.summary}", (*steps, *line.steps))


def free_connections_repairs(crash: FailedRun, said: DependencyComplaint,
                             needed: LocatedDependency) -> tuple[Repair, ...]:
    """Return instructions: all connections are in use. The operator finds the holders; the service retries itself."""
    who = f"{needed.provider.name} ({said.address})" if needed.provider is not None else said.address
    query = {"postgresql": "select pid, usename, state, query from pg_stat_activity", "mysql": "show full processlist",
             "redis": "redis-cli client list"}.get(said.engine, "the clients that are connected there")
    name = crash.service.name
    return (_manual_repair(
        f"{who} has no free connection for {name}: list the clients ({query}), end unused connections, or allow more "
        f"(max_connections, maxclients); then start {name}"),)


def let_through_repairs(crash: FailedRun, said: DependencyComplaint, needed: LocatedDependency) -> tuple[Repair, ...]:
    """Return instructions if nothing refused and nothing answered: the operator finds what drops the packets."""
    return (lost_packets_repair(crash.service.name, said, needed),)


def lost_packets_repair(name: str, said: DependencyComplaint, needed: LocatedDependency) -> Repair:
    """Return instructions on what to check on the path of two peers that do not reach each other."""
    provider = needed.provider
    if provider is not None:
        check = f"{provider.name} runs there, so something between the two drops the packets"
    elif needed.node is None:
        check = "it is on another machine: check that it is up, and that firewalls and routes allow this connection"
    else:
        check = "check for a firewall between them"
    manual = (f"{name} gets no answer from {said.address} ({check}; nft list ruleset, iptables -L -n, ip route get "
              f"{said.ip or said.host}): allow the traffic, then restart {name}")
    return Repair("let-through", "manual", f"make {said.address} reachable", (), manual=manual)


def start_provider_steps(case: Case, provider: Service) -> tuple[Step, ...]:
    """Return the start of a unit and of its umbrella unit, which starts it at boot; or the start of a container."""
    box = provider.container
    if box is not None:
        if run_state_of(provider) == "paused":
            return (ContainerAction(box.id, box.name, "unpause", box.status),)
        return () if provider.running else (ContainerAction(box.id, box.name, "start", box.status),)
    if provider.unit is None or (run_state_of(provider) == "running" and not is_umbrella_unit(provider)):
        return ()
    above = umbrella_of(case.snapshot, provider)
    steps: list[Step] = []
    for service in (above, provider):
        unit = service.unit if service is not None else None
        if service is None or unit is None:
            continue
        if run_state_of(service) in ("failed", "looping"):
            steps.append(unit_action(service, unit, "reset-failed"))
        if manager_of(service).is_off_at_boot() and unit.unit_file_state == "disabled":
            steps.append(unit_action(service, unit, "enable"))
        if run_state_of(service) != "running":
            steps.append(unit_action(service, unit, "start"))
    return tuple(steps)


def _wait_for_provider_steps(said: DependencyComplaint, provider: Service) -> tuple[Step, ...]:
    host = "127.0.0.1" if provider.container is not None else reachable_host(said.ip or said.host or "127.0.0.1")
    if said.unix:
        return (wait_step(provider, "", 0, said.unix),)
    return (wait_step(provider, host, said.port, None),) if said.port else ()


def wait_step(provider: Service, host: str, port: int, unix: str | None) -> WaitForListener:
    """Return the wait for a dependency, by port or by socket."""
    return WaitForListener(provider.node, host, port, unix, RESTART_TIMEOUT)


def start_obstacle_text(case: Case, provider: Service) -> str:
    """Return why a start would fail: it is forbidden, or it failed by itself and would do so again."""
    state = run_state_of(provider)
    if state == "masked":
        return f"{provider.name} is masked, so it cannot start; if it should run, unmask it (systemctl unmask)"
    unit, box = provider.unit, provider.container
    if state not in ("failed", "looping") or was_asked_to_stop(case.snapshot, provider):
        return ""
    by_signal = unit is not None and unit.result in ("signal", "core-dump", "oom-kill", "timeout")
    if by_signal or (box is not None and box.exit_code > 128):
        return ""
    last = last_log_lines(case.snapshot, provider)[-1:]
    shown = f"; its log ends with: {shorten(last[0].text.strip(), 200)}" if last else ""
    return f"{provider.name} fails on its own: fix the cause of its exit{shown}"


def _manual_text(case: Case, crash: FailedRun, said: DependencyComplaint, needed: LocatedDependency) -> str:
    name = crash.service.name
    if needed.node is None:
        return (f"{name} needs {said.address}, which is on no observed machine: start it there (or set another address "
                f"for {name}), then start {name}")
    if len(needed.providers) > 1:
        names = ", ".join(p.name for p in needed.providers)
        return f"start the one of {names} that {name} needs at {said.address}, then start {name}"
    provider = needed.provider
    if provider is not None:
        held = next(tcp_listeners_of(case.snapshot, provider), None)
        where = f"it listens on port {held.port}" if held is not None else "fixer found no port where it listens"
        return (f"{name} connects to {said.address}, and {provider.name} does not answer there ({where}): make the two "
                "addresses agree")
    if crash.service.container is not None and not said.unix:
        return (f"{said.address} is inside container {crash.service.name} itself: set the address of the service that "
                f"{name} needs")
    return (f"nothing listens at {said.address}, and no known unit here is configured to: start the service that "
            f"{name} needs there, and make it start at boot; then start {name}")


def other_address_repairs(case: Case, crash: FailedRun, said: DependencyComplaint) -> tuple[Repair, ...]:
    """Return repairs with another value for the variable of its address or account; the operator gives it."""
    service = crash.service
    pattern = ACCOUNT_VARIABLE if said.kind == "auth" else ADDRESS_VARIABLE
    names = tuple(dict.fromkeys(a.name for a in service.env if pattern.match(a.name.upper())
                                and not a.empty))[:_MAX_VARIABLES]
    offered = [r for r in (_set_variable_repair(case, crash, said, name) for name in names) if r is not None]
    return (*offered, _manual_repair(_manual_mend_text(crash, said, names)))


def _set_variable_repair(case: Case, crash: FailedRun, said: DependencyComplaint, name: str) -> Repair | None:
    service = crash.service
    place = next((a.defined_in for a in service.env if a.name == name), "")
    secret = is_secret_name(name) or bool(SECRET_VARIABLE.search(name.upper()))
    need = Need(name, "secret" if secret else "value",
                f"{_problem_text(said)}; {service.name} reads it from {name} ({place})")
    value = case.inputs.get(name)
    written = write_variables(case.snapshot, service, {name: value or ""}, replace=True)
    begin = start_or_restart_steps(case.snapshot, service, crash.endpoint)
    if isinstance(written, NotEditable) or isinstance(begin, NotEditable):
        return None
    summary = f"set {name} in {written.where}, then start {service.name}"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return Repair(variable_repair_id(name), "disruptive", summary,
                  (*written.steps, *begin) if value is not None else (), (need,))


def _problem_text(said: DependencyComplaint) -> str:
    if said.kind == "auth":
        return f"the account or database{f' {said.what}' if said.what and ' ' not in said.what else ''} is not accepted"
    if said.kind == "name":
        return f"no address is known for {said.host or 'the name that it looks up'}"
    return f"{said.address} does not answer"


def _manual_mend_text(crash: FailedRun, said: DependencyComplaint, names: tuple[str, ...]) -> str:
    name = crash.service.name
    place = f" (it reads {', '.join(names)})" if names else ""
    match said.kind:
        case "auth":
            return (f"{shorten(said.text.strip(), 200)}: correct the account in the settings of {name}{place}, "
                    f"or create what is missing on {said.address}; then start {name}")
        case "name":
            return (f"make {said.host or 'the name'} resolve, or set another address for {name}{place}; "
                    f"then start {name}")
        case _:
            return f"start the service that {name} needs at {said.address}{place}; then start {name}"


def _manual_repair(text: str) -> Repair:
    return Repair("mend-dependency", "manual", "an operator must restore the dependency", (), manual=text)


def resume_steps(case: Case, provider: Service) -> tuple[Step, ...]:
    """Return the steps that resume it: by the engine, or by a signal to each of its processes."""
    box = provider.container
    if box is not None and run_state_of(provider) == "paused":
        return (ContainerAction(box.id, box.name, "unpause", box.status),)
    return tuple(
        SignalProcess(provider.node, p.pid, p.start_ticks, "CONT", process_text(case.snapshot, provider.node, p))
        for p in processes_of(case.snapshot, provider.node, provider.pids) if p.state == "T"
    )
