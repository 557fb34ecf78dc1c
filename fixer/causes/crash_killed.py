"""A signal killed the backend, and nothing has started it again.
nginx loses the requests under way, then gets `111: Connection refused` (502). Start the service again.

By hand
  systemctl status UNIT                                # code=killed, status=9/KILL
  docker ps -a                                         # Exited (137): signal 9; Exited (139): signal 11
  systemctl reset-failed UNIT; systemctl start UNIT    # or: docker start CONTAINER
  systemctl edit UNIT                                  # [Service] Restart=on-failure: the next kill heals by itself
  systemctl show -p TasksMax -p LimitAS -p LimitDATA -p LimitNPROC UNIT    # ABRT, SEGV: is one too tight?

What it is
  The process ended by a signal from outside (kill -9, an operator, a script) or by a fault of its own (a segmentation
  fault in a native module), and its manager is told not to restart it.

Why nginx says 502
  Requests under way: `upstream prematurely closed connection while reading response header from upstream`. All that
  follow: `connect() failed (111: Connection refused)`. Both in the same second are the signature of a crash.

How it is told apart
  The unit is failed with Result=signal (status 9, 11 …); a container exited with 137 or 139. A container that was
  asked to stop and was slow to go also exits with 137, but its log shows its shutdown: that is backend-down. If the
  restart policy of a container that exited with 137 would have started it again, somebody stopped or killed it. A
  kernel that ran out of memory kills too: there its log says so (crash-oom). A clean stop is backend-down. Where the
  answer had begun, visitors got a 200 that ends early, and only nginx's log tells (`while reading upstream`). A
  limit on threads (TasksMax=, pids_limit) or memory (LimitAS=, LimitDATA=, the `ulimit -v` of a start script) that
  is too tight makes the server abort by itself (ABRT, SEGV) as soon as it wants another thread, or end with "can't
  start new thread" or MemoryError; so does LimitNPROC=, which counts all processes of the account. A worker that
  dies while its parent lives is replaced at once.

The repair and its safety
  start-service (safe): reset the failure, start it, wait until it accepts.
  restart-on-failure (disruptive): the same, with a drop-in Restart=on-failure, so that the next kill heals by itself.
  raise-limit (disruptive): a limit that is too tight, where it is written (`--set tasks=512`); then start it. One that
  was lifted since leaves only the start.

Variants
  killed-mid-request            a signal from outside (kill -9) ended it while it served requests
  segfault-mid-request          it crashed in native code (signal 11)
  killed-mid-body               it was killed after an answer had begun
  uvicorn-worker-died           one worker of several was killed
  tasks-or-address-space-limit  a limit on threads or memory makes it abort
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import config_evidence, log_evidence, no_listener_evidence
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.kills import (
    FAULT_SIGNALS,
    SIGNAL_NAMES,
    WorkerDeaths,
    cut_off_requests,
    is_failing_page_lost,
    last_exit_signal,
    most_lost_pages,
    routes_to,
    worker_deaths,
)
from fixer.analysis.hidden_failures import lines_of_visitors
from fixer.analysis.nginx_errors import refused_evidence, symptom_evidence
from fixer.analysis.run_log import gave_up_line
from fixer.analysis.service_state import run_state_of, state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Repair, Role, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import ErrorEvent
from fixer.nginx.error_kinds import CONNECT_FAILED, CUT_IN_BODY, CUT_OFF
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.on_demand import (
    enable_at_boot_text,
    start_again_repairs,
    start_steps,
    swarm_advice_text,
    write_drop_in,
)
from fixer.repairs.resource_limits import lifted_task_limit_evidence, raise_reached_limit_repair, reached_limit_of

with lazy_imports():  # only for what has ended
    from fixer.analysis.exits.exit_reason import has_variable_or_port_reason, last_error_lines

_LOSS_SECONDS = 3.0       # seconds before and after a kill in which nginx loses requests under way
_MIN_DEATHS = 3          # fewer deaths may be an accident


def judge(case: Case) -> Verdict:
    """Judge each failed service: did a signal end it once, without a request to stop?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in all_of.found:
        number = manager_of(crash.service).exit_signal()
        if reached_limit_of(crash) is not None:
            findings.append(_killed_finding(case, crash, last_exit_signal(crash)))
        elif (lifted := lifted_task_limit_evidence(crash.service,
                                                   crash.lines)) is not None and start_again_repairs(case, crash):
            findings.append(_lifted_limit_finding(case, crash, lifted))
        elif number is None or run_state_of(crash.service) == "looping" or gave_up_line(crash.service) is not None:
            ruled.append(state_evidence(crash.service))
        elif has_variable_or_port_reason(crash.end):
            ruled.append(log_evidence(crash.lines[-1].text, crash.lines[-1].where))
        else:
            findings.append(_killed_finding(case, crash, number))
    findings += [_worker_deaths_finding(case, found) for found in worker_deaths(case)]
    # the manager alone reports signals, so an unreadable log does not matter here
    missing = [fact for fact in all_of.missing if not fact.startswith("log of")]
    return conclude(findings, missing, ruled)


def _killed_finding(case: Case, crash: FailedRun, number: int | None) -> Finding:
    service, trouble = crash.service, crash.failing_addresses[0]
    ended = "ended" if number is None else f"was killed by signal {number} ({SIGNAL_NAMES.get(number, str(number))})"
    last = crash.lines[-1:] if service.unit is not None else ()
    lost = _lost_requests(case, crash)
    tight = reached_limit_of(crash)
    evidence = (
        state_evidence(service), *(tight.evidence if tight is not None else ()),
        *(log_evidence(line.text, line.where) for line in last),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
        *(Evidence("nginx-log", event.where, event.raw) for event in lost[-1:]),
        *symptom_evidence(case, trouble, CONNECT_FAILED | CUT_OFF),
    )
    variant = "segfault-mid-request" if number in FAULT_SIGNALS else "killed-mid-request"
    if variant == "killed-mid-request" and lost and all(event.kind in CUT_IN_BODY for event in lost):
        variant = "killed-mid-body"
    words = "was not started again"
    if tight is not None:
        variant, words = "tasks-or-address-space-limit", f"needs more than {tight.limit_text}"
    return Finding(
        cause=CAUSE.id, variant=variant, role="root",
        confidence="certain" if crash.owner.certain and (tight is None or tight.is_logged) else "likely",
        summary=f"{service.name} {ended} and {words}", detail=(),
        routes=crash.routes, service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(raise_reached_limit_repair(case, service, trouble.endpoint, tight),) if tight is not None
        else _repairs(case, crash),
    )


def _lifted_limit_finding(case: Case, crash: FailedRun, lifted: Evidence) -> Finding:
    """Return the finding for a service that hit a task limit which its unit no longer sets."""
    service, trouble = crash.service, crash.failing_addresses[0]
    evidence = (
        lifted, *(log_evidence(line.text, line.where) for line in last_error_lines(crash.lines)[-1:]),
        state_evidence(service), *refused_evidence(case, trouble),
    )
    return Finding(
        cause=CAUSE.id, variant="tasks-or-address-space-limit", role="root", confidence="likely",
        summary=f"{service.name} ended because it could not start another process or thread; its unit sets no limit "
                "for them now, but the service was not started again",
        detail=(), routes=crash.routes, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=start_again_repairs(case, crash),
    )


def _lost_requests(case: Case, crash: FailedRun) -> tuple[ErrorEvent, ...]:
    """Return the requests that nginx lost within `_LOSS_SECONDS` of the service's end."""
    ended = manager_of(crash.service).ended_at()
    return cut_off_requests(case, [one.endpoint for one in crash.failing_addresses], ended - _LOSS_SECONDS,
                            ended + _LOSS_SECONDS) if ended else ()


def _worker_deaths_finding(case: Case, died: WorkerDeaths) -> Finding:
    """Return the finding for dead workers: the root if the page that fails is one of those that were lost, else advice
    for a few deaths, since the parent replaces a worker."""
    service, count, visitors = died.service, len(died.lines), lines_of_visitors(died.lost)
    lost = len(visitors)
    asked = routes_to(case, died.endpoints)
    again = count >= _MIN_DEATHS
    role: Role = "root" if is_failing_page_lost(asked, died.lost) else "contributing" if again else "advice"
    said = f"{died.lines[-1].text} "        # it names the signal, or gives its number
    fault = next((name for number, name in SIGNAL_NAMES.items() if number in FAULT_SIGNALS
                  and (f"SIG{name}" in said or f"signal {number} " in said)), "")
    manual = (
        f"find out what ends the workers of {service.name}. It is not the kernel's OOM killer. Candidates: a person, "
        "a script, a fault in a native module, or the parent itself. The parent ends a worker that does not respond "
        "for seconds (a handler that blocks)"
    ) if not fault else (
        f"find the native module that crashes: the workers of {service.name} end with SIG{fault}, a fault of the "
        f"program itself, while they answer {most_lost_pages(died.lost)}. Run it with "
        "PYTHONFAULTHANDLER=1 to see the line"
    )
    repair = Repair("stop-what-kills", "manual", f"find out what ends the workers of {service.name}", (), manual=manual)
    return Finding(
        cause=CAUSE.id, variant="uvicorn-worker-died", role=role,
        confidence="possible" if role == "root" and not again else "likely",
        summary=f"{count} worker{'s' if count > 1 else ''} of {service.name} died recently, "
                f"{f'{lost} requests were' if lost > 1 else '1 request was'} lost; the parent has started new ones",
        detail=(), routes=tuple(j.facts.route.id for j in asked), service=service.name, node=service.node,
        evidence=(
            *(log_evidence(line.text, line.where) for line in died.lines[-2:]), state_evidence(service),
            Evidence("nginx-log", visitors[-1].where, f"{lost} times: {visitors[-1].raw}"),
        ),
        repairs=(repair,) if role != "advice" else (), effects=(),
    )


def _repairs(case: Case, crash: FailedRun) -> tuple[Repair, ...]:
    service, endpoint = crash.service, crash.failing_addresses[0].endpoint
    steps = start_steps(case.snapshot, service, endpoint)
    if by_hand := swarm_advice_text(service):
        return (Repair("start-service", "manual", f"start {service.name}", (), manual=by_hand),)
    also = enable_at_boot_text(service)
    first = Repair("start-service", "safe", f"start {service.name}{also}", steps)
    if service.unit is None or service.unit.restart not in ("no", ""):
        return (first,)
    kept = write_drop_in(case.snapshot, service, "Restart=on-failure\n", "50-badgateway-restart.conf")
    if isinstance(kept, NotEditable):
        return (first,)
    summary = f"start {service.name}, and let systemd restart it when it fails"
    return first, Repair("restart-on-failure", "disruptive", summary, (*kept.steps, *steps))


CAUSE = Cause(
    id="crash-killed",
    title="the backend was killed and not started again",
    family="backend crashed, or exits at once",
    variants=(
        "killed-mid-request", "segfault-mid-request", "killed-mid-body", "uvicorn-worker-died",
        "tasks-or-address-space-limit",
    ),
    verdict=judge,
    page=__doc__,
)
