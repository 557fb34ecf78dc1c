"""The backend's listen queue (backlog) is too short: the kernel turns connections away before the backend sees them.
nginx times out while connecting (504), or says `11: Resource temporarily unavailable` (502). Raise --backlog.

By hand
  ss -ltn 'sport = :PORT'        # Recv-Q above Send-Q: the queue is full
  ss -lx src SOCKET              # the same of a unix socket
  nstat -az TcpExtListenDrops    # run it twice: does the count rise?
  sysctl net.core.somaxconn      # no queue is longer than this
  systemctl edit --full UNIT     # ExecStart=… --backlog 2048
  systemctl restart UNIT

What it is
  A listening socket has a queue of connections that nobody has accepted yet (--backlog, listen()). With a queue of a
  few and workers that are busy for a moment, a burst of visitors does not fit.

Why nginx says 504, or 502
  Over TCP the kernel drops what does not fit; the try is repeated after a second, and nginx gives up meanwhile:
  `upstream timed out (110: Connection timed out) while connecting to upstream`, 504. Over a unix socket it says so at
  once: `connect() to unix:… failed (11: Resource temporarily unavailable)`, 502.

How it is told apart
  The backend works and its command sets a queue of a few; several connects time out within a minute while others
  succeed. errno 11 on a unix socket means nothing else. firewall-drop lets nobody through; backend-hung and
  overload-saturated time out while reading the answer.

The repair and its safety
  raise-backlog (disruptive): another --backlog in the service's command, 2048 unless `--set backlog=N` says
  otherwise, then a restart. net.core.somaxconn bounds it (4096 on today's kernels).

Variants
  accept-queue-full  the listen queue of a TCP port is full
  unix-backlog-full  the listen queue of a unix socket is full
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, Outcome, conclude, join_by, sort_outcomes
from fixer.analysis.evidence import config_evidence, endpoint_text, listener_at, processes_of
from fixer.analysis.load.pressure import Pressure, is_paused, stopped_processes
from fixer.analysis.nginx_errors import recent_lines_by_route
from fixer.analysis.route_verdict import RouteVerdict, is_closed
from fixer.analysis.service_state import state_evidence
from fixer.formats.numbers import times_text
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, Service
from fixer.nginx.error_kinds import BACKLOG_FULL
from fixer.repairs.command_options import CommandOption, edit_option, find_option
from fixer.repairs.resource_limits import SettingRepairWording, set_and_start_repair
from fixer.repairs.start_service import start_or_restart_steps

MIN_EVENTS = 3
SMALL_BACKLOG = 64           # a longer queue is no cause by itself
DEFAULT_BACKLOG = "2048"
_OPTION = "--backlog"


def judge(case: Case) -> Verdict:
    """Judge each route with several recent failed connects: is the listen queue of its backend short or full?"""
    outcomes: list[Outcome] = []
    for nginx in case.snapshot.nginxes:
        for judged, events in recent_lines_by_route(case, nginx, BACKLOG_FULL).values():
            if len(events) < MIN_EVENTS:
                continue
            outcomes += (_judge_backlog(case, nginx, judged, end, events) for end in case.reached(judged.facts)
                         if not end.down)
    findings, missing, ruled = sort_outcomes(outcomes, case.observed)
    return conclude(join_by(findings, lambda found: f"{found.node}/{found.service}"), missing, ruled)


def _judge_backlog(
    case: Case, nginx: Nginx, judged: RouteVerdict, endpoint: Endpoint, events: tuple[ErrorEvent, ...],
) -> Finding | str | Evidence:
    shown = Evidence("nginx-log", events[-1].where, f"{times_text(len(events))} within a minute: {events[-1].raw}")
    service = case.service(endpoint.configured_service or endpoint.listening_service)
    if service is None or not service.running or is_paused(service) or is_closed(endpoint) is True:
        return shown
    processes = processes_of(case.snapshot, service.node, service.pids)
    trouble = FailingAddress(nginx, (endpoint,), (judged.facts,), (judged,))
    if stopped_processes(Pressure(trouble, service, processes, 0, 0, events, None, ())):
        return shown
    option = find_option(service, _OPTION)
    if option is not None and int(option.value) <= SMALL_BACKLOG:
        return _found(case, trouble, service, (option, shown))
    if endpoint.unix is not None:
        return f"why {service.name} accepts no connections at {endpoint_text(endpoint)}: nothing sets its backlog"
    return shown


def _found(case: Case, trouble: FailingAddress, service: Service, seen: tuple[CommandOption, Evidence]) -> Finding:
    endpoint, (option, line) = trouble.endpoint, seen
    held = listener_at(endpoint)
    full = held is not None and held.queued >= int(option.value)
    place = f"{option.word.file}:{option.word.line}" if option.word.file else service.name
    queue = () if held is None else (
        Evidence("socket", f"socket {endpoint_text(endpoint)}", f"{held.queued} connections wait to be accepted"),)
    unix = endpoint.unix is not None
    return Finding(
        cause=CAUSE.id, variant="unix-backlog-full" if unix else "accept-queue-full", role="root",
        confidence="certain" if full or unix else "likely",
        summary=(
            f"{service.name} queues at most {option.value} connections ({_OPTION}), and more arrive at once: nginx "
            "could not connect several times within a minute"
        ),
        detail=(), routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=(line, Evidence("process", place, f"{_OPTION} {option.value}"), *queue, state_evidence(service),
                  config_evidence(case.snapshot, trouble.nginx, endpoint)),
        repairs=(_repair(case, service, endpoint, option),),
    )


def _repair(case: Case, service: Service, endpoint: Endpoint, option: CommandOption) -> Repair:
    need = Need("backlog", "value", f"how many connections of {service.name} may wait, now {option.value}",
                default=DEFAULT_BACKLOG, pattern="[1-9][0-9]{1,4}")
    chosen = case.inputs.get(need.key, DEFAULT_BACKLOG)
    written = edit_option(case.snapshot, service, option, chosen, _OPTION)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    does = f"{_OPTION} {chosen} instead of {option.value}"
    return set_and_start_repair(SettingRepairWording(
        "raise-backlog", f"raise {_OPTION}", need, does,
        by_hand=f"start {service.name} with {does}, or without the option", then=f"restart {service.name}",
    ), written, begin)


CAUSE = Cause(
    id="backlog-full",
    title="the backend's connection queue (backlog) is too short",
    family="overload, comes and goes",
    variants=("accept-queue-full", "unix-backlog-full"),
    verdict=judge,
    page=__doc__,
)
