"""The backend listens but does nothing: a signal stopped it, its container is frozen, or one call does not return.
nginx waits in vain for the answer (504). Continue the process, unpause the container, or restart the service.

By hand
  systemctl show -p MainPID UNIT    # PID; of a container: docker inspect -f '{{.State.Pid}}' CONTAINER
  grep State /proc/PID/status       # T: stopped; its workers: pgrep -lP PID
  kill -CONT PID                    # a stopped process goes on
  docker ps --filter status=paused; docker unpause CONTAINER
  systemctl restart UNIT            # stuck in a call; or: docker restart CONTAINER

What it is
  The process was stopped (SIGSTOP, Ctrl-Z, a debugger that left), its container is paused, or its event loop waits in
  one call that does not return.

Why nginx says 504
  The kernel accepts connections on the process's behalf until its queue is full, so connecting works; no answer comes:
  `upstream timed out (110) while reading response header from upstream`, after proxy_read_timeout (60 s by default).
  A check that only opens the port says "healthy".

How it is told apart
  Process state T, or container status paused: certain. Otherwise: it accepts, answers nothing, finished no request
  recently, few are waiting, and either they are not even taken or nginx gave some of them up after more than a few
  seconds: a page that is only slow is no fault. overload-saturated looks the same to one visitor, but there requests
  are being finished all the time, and many more wait than it has workers. If another process than the service holds
  the socket, see crash-port-in-use.

  If it holds a connection to a container that is paused, or to a program that a signal stopped (its database), it waits
  for that one, and fixer lets that one go on (continue-dependency, safe).

  An answer that begins and then stays out (hang-mid-body) is reported as advice: nginx cuts it off after
  proxy_read_timeout with status 200, and only its log says so (`while reading upstream`).

The repair and its safety
  continue-process (safe): SIGCONT to the stopped processes; undo stops them again.
  unpause-container (safe): `docker unpause`.
  restart-service (disruptive): what hangs in a call is only freed by a restart; requests under way are lost.

Variants
  backend-sigstop     a signal (SIGSTOP, Ctrl-Z) stopped the process
  container-paused    docker pause froze the container
  event-loop-blocked  one call in the program does not return
  hang-mid-body       the answer begins and does not go on
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, add_finding, conclude
from fixer.analysis.dependency.blocked_start import is_connection_of, is_suspended, locate_peer
from fixer.analysis.evidence import address_text, clock_of, config_evidence, find_node, process_text
from fixer.analysis.load.pressure import (
    Pressure,
    is_paused,
    is_thrashing,
    pressure_evidence,
    pressures,
    stopped_processes,
)
from fixer.analysis.nginx_errors import symptom_evidence
from fixer.analysis.route_verdict import RouteVerdict, events_since
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.plan import ContainerAction, SignalProcess
from fixer.model.snapshot import Connection, ErrorEvent, Nginx, Process, Service
from fixer.nginx.error_kinds import ANSWER_TIMEOUT

with lazy_imports():  # not needed in most looks
    from fixer.repairs.start_dependency import resume_steps
    from fixer.repairs.start_service import restart_steps

_RECENT_SECONDS = 180.0
LONG_SECONDS = 10.0     # a page that is only slow answers sooner; used if there is no other evidence
FEW_REQUESTS = 3      # not yet load: our own probes and one visitor's retries may add up to this


def judge(case: Case) -> Verdict:
    """Judge each service that accepts connections and does not answer: stopped, paused, or blocked without load."""
    found, missing, ruled = pressures(case)
    findings: dict[str, Finding] = {}
    lacking, shown = list(missing), list(ruled)
    for pressure in found:
        stopped = stopped_processes(pressure)
        if is_paused(pressure.service):
            new = _paused_finding(case, pressure)
        elif stopped:
            new = _stopped_finding(case, pressure, stopped)
        elif (held := _find_stuck_dependency(case, pressure)) is not None:
            new = held
        elif pressure.is_working:
            shown += pressure.proof
            continue
        elif pressure.is_working is None and pressure.waiting > FEW_REQUESTS:
            lacking.append(f"whether {pressure.service.name} still finishes requests: its log does not show them")
            continue
        elif not _has_failed_requests(pressure):
            slow = f"whether {pressure.service.name} is only slow"
            lacking.append(f"{slow}: no request has timed out so far (run again with --wait 60)")
            continue
        elif pressure.queued == 0 and (waited := _seconds_waited(pressure)) < LONG_SECONDS:
            slow = f"whether {pressure.service.name} is only slow"
            lacking.append(f"{slow}: no request has waited longer than {waited:g} s (run again with --wait 60)")
            continue
        elif is_thrashing(case, pressure.service):      # a restart would help only for a moment
            shown += pressure.service.refaults.evidence if isinstance(pressure.service.refaults, Known) else ()
            continue
        else:
            new = _blocked_finding(case, pressure)
        add_finding(findings, pressure.service.id, new)
    for service_id, silent in _silent_answer_findings(case).items():
        add_finding(findings, service_id, silent)
    return conclude(findings.values(), lacking, shown)


def _find_stuck_dependency(case: Case, pressure: Pressure) -> Finding | None:
    """Return the finding if the service waits for a dependency that is paused or stopped by a signal."""
    if not any(is_paused(s) for s in case.snapshot.services) and not any(
            p.state == "T" for n in case.snapshot.nodes if isinstance(n.processes, Known) for p in n.processes.value):
        return None

    return stuck_dependency_finding(case, pressure)


def _has_failed_requests(pressure: Pressure) -> bool:
    """Return whether connections wait to be accepted, or nginx gave up on requests."""
    return pressure.queued > 0 or _has_timeouts(pressure)


def _has_timeouts(pressure: Pressure) -> bool:
    """Return whether a request to the service timed out in nginx."""
    return bool(pressure.timeouts) or any(
        probe.status == 504 for judged in pressure.failing_address.verdicts if isinstance(judged.facts.probes, Known)
        for probe in judged.facts.probes.value
    )


def _seconds_waited(pressure: Pressure) -> float:
    """Return the longest wait without an answer, in seconds: by nginx for a visitor, or by our probe."""
    routes = [judged.facts.route for judged in pressure.failing_address.verdicts]
    in_handshake = {event.kind for event in pressure.timeouts} == {"timeout-tls"}      # nginx limits it as a connect
    limits = [route.connect_timeout if in_handshake else route.read_timeout for route in routes]
    http = pressure.failing_address.endpoint.http
    ours = http.value.ms / 1000 if isinstance(http, Known) and http.value.error == "slow" else 0.0
    return max((ours, *limits)) if _has_timeouts(pressure) else ours


def _silent_answer_findings(case: Case) -> dict[str, Finding]:
    """Return findings by service id: responses that stalled on routes with verdict ok. Only nginx's log shows them."""
    found: dict[str, Finding] = {}
    for nginx in case.snapshot.nginxes:
        for judged in case.verdicts.values():
            if judged.state != "ok" or not nginx.serves(judged.facts):
                continue
            endpoints = [e for e in case.reached(judged.facts) if e.configured_service]
            service = case.service(endpoints[0].configured_service) if len(endpoints) == 1 else None
            since = max(clock_of(case.snapshot, nginx.node) - _RECENT_SECONDS,
                        start_time_of(service) if service is not None else 0.0)
            events = tuple(e for e in events_since(nginx, (judged.facts,), since) if e.kind == "timeout-body")
            if service is not None and events:
                found.setdefault(service.id, _silent_answer_finding(case, service, judged, nginx, events))
    return found


def _silent_answer_finding(case: Case, service: Service, judged: RouteVerdict, nginx: Nginx,
                           events: tuple[ErrorEvent, ...]) -> Finding:
    """Return advice only: an idle event stream that outlasts proxy_read_timeout looks the same."""
    route = judged.facts.route
    endpoint = case.reached(judged.facts)[0]
    return Finding(
        cause=CAUSE.id, variant="hang-mid-body", role="advice", confidence="possible",
        summary=f"{len(events)} response{'s' if len(events) > 1 else ''} of {service.name} started and then stalled "
                f"for {route.read_timeout:g} s, so visitors got an incomplete page with status 200",
        detail=("if a handler hangs after it has started its response, correct its code; if an event stream pauses on "
                "purpose, raise proxy_read_timeout or let it send keep-alive messages",),
        routes=(route.id,), service=service.name, node=service.node,
        evidence=(
            Evidence("nginx-log", events[-1].where, f"{times_text(len(events))}: {events[-1].raw}"),
            config_evidence(case.snapshot, nginx, endpoint), state_evidence(service),
        ),
    )


def _paused_finding(case: Case, pressure: Pressure) -> Finding:
    box = pressure.service.container
    assert box is not None
    repair = Repair("unpause-container", "safe", f"unpause {box.name}",
                    (ContainerAction(box.id, box.name, "unpause", box.status),))
    words: tuple[str, str, Confidence] = ("container-paused", f"container {box.name} is paused", "certain")
    return replace(_finding(case, pressure, words, repair), is_seen_directly=True)


def _stopped_finding(case: Case, pressure: Pressure, stopped: tuple[Process, ...]) -> Finding:
    service = pressure.service
    pids = ", ".join(str(p.pid) for p in stopped)
    words: tuple[str, str, Confidence] = (
        "backend-sigstop", f"{service.name} is stopped by a signal (pid {pids}, state T)", "certain",
    )
    shown = tuple(
        Evidence("process", f"pid {p.pid}", f"state T (stopped): {process_text(case.snapshot, service.node, p)}")
        for p in stopped
    )
    repair = _continue_repair(case, pressure, stopped)
    return replace(_finding(case, pressure, words, repair, shown), is_seen_directly=True)


def _continue_repair(case: Case, pressure: Pressure, stopped: tuple[Process, ...]) -> Repair:
    box = pressure.service.container
    if box is not None and not box.is_machine:
        # whoever stopped all that a container runs may have done it from outside: its pids are others there
        return _restart_repair(case, pressure)
    signals = tuple(
        SignalProcess(pressure.service.node, p.pid, p.start_ticks, "CONT",
                      process_text(case.snapshot, pressure.service.node, p))
        for p in stopped
    )
    return Repair("continue-process", "safe", f"continue {', '.join(str(p.pid) for p in stopped)} (SIGCONT)", signals)


def _blocked_finding(case: Case, pressure: Pressure) -> Finding:
    states = ", ".join(sorted({p.state for p in pressure.processes})) or "unknown"
    words: tuple[str, str, Confidence] = (
        "event-loop-blocked",
        f"{pressure.service.name} accepts connections but answers no request (process state {states}, "
        f"{pressure.waiting} waiting)", "likely",
    )
    return _finding(case, pressure, words, _restart_repair(case, pressure), pressure.proof)


def _restart_repair(case: Case, pressure: Pressure) -> Repair:
    service = pressure.service
    steps = restart_steps(case.snapshot, service, pressure.failing_address.endpoint)
    if not steps:
        names = "; ".join(process_text(case.snapshot, service.node, p) for p in pressure.processes[:3])
        manual = f"stop it and start it again as before; no service manager runs it: {names}"
        return Repair("restart-service", "manual", f"restart {service.name}", (), manual=manual)
    return Repair("restart-service", "disruptive", f"restart {service.name}: requests under way are lost", steps)


def _finding(
    case: Case, pressure: Pressure, words: tuple[str, str, Confidence], repair: Repair,
    shown: tuple[Evidence, ...] = (),
) -> Finding:
    """Build the finding. `words` are its variant, summary and confidence."""
    trouble, service = pressure.failing_address, pressure.service
    evidence = (
        *shown, state_evidence(service), *pressure_evidence(pressure),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *symptom_evidence(case, trouble, ANSWER_TIMEOUT),
    )
    return Finding(
        cause=CAUSE.id, variant=words[0], role="root", confidence=words[2], summary=words[1], detail=(),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=(repair,),
    )


CAUSE = Cause(
    id="backend-hung",
    title="the backend runs and listens, but answers nothing",
    family="overload, comes and goes",
    variants=("backend-sigstop", "container-paused", "event-loop-blocked", "hang-mid-body"),
    verdict=judge,
    page=__doc__,
)


def stuck_dependency_finding(case: Case, pressure: Pressure) -> Finding | None:
    """Return the finding if the service is connected to a paused container or a program stopped by a signal: such a
    peer accepts and never answers. Return None if the service still finishes requests."""
    service = pressure.service
    node = find_node(case.snapshot, service.node)
    for line in node.connections if node is not None and pressure.is_working is not True else ():
        provider = locate_peer(case, service, line)[0].provider if is_connection_of(case, service, line) else None
        if provider is not None and provider.id != service.id and is_suspended(case, provider):
            return _stuck_provider_finding(case, pressure, provider, line)
    return None


def _stuck_provider_finding(case: Case, pressure: Pressure, provider: Service, line: Connection) -> Finding:
    service, trouble = pressure.service, pressure.failing_address
    where, paused = address_text(line.address, line.port), is_paused(provider)
    how = "is paused" if paused else "is stopped by a signal"
    steps = resume_steps(case, provider)
    todo = f"resume {provider.name}"
    repair = Repair("continue-dependency", "manual", todo, (), manual=todo)
    if steps:
        repair = Repair("continue-dependency", "safe", f"{todo}; {service.name} then answers by itself", steps)
    return Finding(
        cause="backend-hung", variant="container-paused" if paused else "backend-sigstop", role="root",
        confidence="certain" if line.pids else "likely",
        summary=f"{service.name} accepts connections but answers no request: it waits for {provider.name} ({where}), "
                f"which {how}",
        detail=(), routes=trouble.route_ids, service=provider.name, node=provider.node,
        evidence=tuple(dict.fromkeys((
            Evidence("socket", f"connection to {where}", "connected, no data comes back"), state_evidence(provider),
            state_evidence(service), *pressure_evidence(pressure),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, ANSWER_TIMEOUT),
        ))),
        repairs=(repair,), is_seen_directly=True,
    )
