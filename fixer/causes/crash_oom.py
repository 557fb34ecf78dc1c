"""The kernel killed the backend because its memory ran out: the limit of its unit or container, or the machine's own.
nginx loses the requests under way, then gets `111: Connection refused` (502). Raise the limit, then start the service.

By hand
  dmesg -T | grep -i oom                                  # which process, which group?
  systemctl show -p MemoryMax UNIT                        # bytes; infinity is no limit
  systemctl edit UNIT                                     # [Service] MemoryMax=800M
  systemctl reset-failed UNIT; systemctl restart UNIT
  docker inspect -f '{{.HostConfig.Memory}}' CONTAINER    # bytes; 0 is no limit
  docker compose up -d SERVICE                            # after mem_limit: 800m in the compose file

What it is
  A unit with MemoryMax=, a container with a memory limit, or the whole machine had no memory left when the program
  asked for more, and the kernel ended it, or one of its workers, with SIGKILL.

Why nginx says 502
  Requests under way: `upstream prematurely closed connection while reading response header from upstream`. All that
  follow, until it is started again: `connect() failed (111: Connection refused)`.

How it is told apart
  crash-killed ends by the same signal 9 (exit code 137 of a container). What proves this one is the kernel's log:
  `Memory cgroup out of memory: Killed process …`, with the group whose limit it was. The flags of managers lie:
  Docker's OOMKilled stays false and systemd says Result=signal on cgroup v1; only on v2 does systemd say
  Result=oom-kill. Where the kernel's log can't be read and no flag is set, this stays undetermined. A worker that is
  killed while its parent lives on is started again by it: the service looks well, and every such request fails.

The repair and its safety
  raise-memory-limit (disruptive): another limit, twice the present one and 128M for each worker at least (else `--set
  memory=800M`), in a drop-in of the unit or in the compose file, then a restart. How much it needs is not seen before
  it has it, which is said; of a unit whose limit was raised so and is reached again a person gives the next. A program
  that leaks reaches any limit: then the code is the repair. Where the limit is that of a slice or of the machine, a
  person must see to it.

  start-service (safe): the unit's limit was raised or taken away after the kill: only the start is left.

Variants
  oom-killed-systemd         it reached the memory limit of its unit
  oom-killed-docker          it reached the memory limit of its container
  oom-killed-worker-child    one worker reached the limit; the parent lives
  oom-kill-result-cgroup-v2  systemd itself says that memory ran out (Result=oom-kill)
"""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import age_text, clock_of, config_evidence, log_evidence
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.kills import OomKilling, missing_kernel_log, oom_killings, routes_to
from fixer.analysis.nginx_errors import symptom_evidence, was_logged_since
from fixer.analysis.ownership.configured import endpoints_of
from fixer.analysis.route_verdict import RECENT_ERROR, RouteVerdict, recent_events
from fixer.analysis.run_log import event_of, lines_of
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Service
from fixer.nginx.error_kinds import CONNECT_FAILED, CUT_OFF

with lazy_imports():  # only for what is found
    from fixer.analysis.exits.changed_since import ended_at
    from fixer.analysis.exits.exec_step import stat_of
    from fixer.repairs.resource_limits import raise_memory_repair, size_text
    from fixer.repairs.start_service import start_again_repairs, start_steps

_CLOCK_SLACK = 3.0     # seconds between the kernel log's clock, which counts from the boot, and file times
_JOURNAL_SLACK = 0.5    # seconds between the journal's clock and file times


def judge(case: Case) -> Verdict:
    """Judge each failed service: does the kernel's log or the manager report an out-of-memory kill?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    missing: list[str] = []
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in all_of.found:
        kills = oom_killings(case, crash.service)
        flagged = manager_of(crash.service).oom_evidence()
        if kills or flagged is not None:
            findings.append(_oom_finding(case, crash, kills, flagged))
        elif manager_of(crash.service).exit_signal() == 9 and manager_of(crash.service).limits().memory:
            missing += missing_kernel_log(case, crash.service)
            ruled.append(state_evidence(crash.service))
        else:
            ruled.append(state_evidence(crash.service))
    reported = {f.service for f in findings}
    findings += [f for f in _worker_findings(case) if f.service not in reported]
    return conclude(findings, missing, ruled)


def _oom_finding(case: Case, crash: FailedRun, kills: tuple[OomKilling, ...], flagged: Evidence | None) -> Finding:
    service, trouble = crash.service, crash.failing_addresses[0]
    variant = "oom-killed-docker" if service.container is not None else "oom-killed-systemd"
    if service.unit is not None and service.unit.result == "oom-kill":
        variant = "oom-kill-result-cgroup-v2"
    oom_line, raised = _manager_oom_line(service), _limit_change_evidence(case, crash, kills)
    evidence = (
        *raised, *(kill.evidence for kill in kills[-1:]), *((flagged,) if flagged is not None else ()),
        state_evidence(service),
        *((log_evidence(oom_line.text, oom_line.where),) if oom_line is not None else ()), *_limit_evidence(service),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *symptom_evidence(case, trouble, CONNECT_FAILED | CUT_OFF),
    )
    summary, repairs = _limit_text(service, kills), _repairs(case, service, trouble.endpoint, kills)
    if raised:
        limit = manager_of(service).limits().memory
        new = size_text(limit) if limit else "removed"
        summary = f"its memory limit was reached; the limit is {new} now, but the service was not started again"
        repairs = (*start_again_repairs(case, crash), *(repairs if limit else ()))
    return Finding(
        cause=CAUSE.id, variant=variant, role="root",
        confidence="certain" if crash.owner.certain and not raised else "likely",
        summary=f"{service.name} was killed by the kernel: {summary}", detail=(), routes=crash.routes,
        service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)), repairs=repairs,
    )


def _limit_change_evidence(case: Case, crash: FailedRun, kills: tuple[OomKilling, ...]) -> tuple[Evidence, ...]:
    """Return evidence that the unit's own memory limit was changed or removed after the kill. Return () if systemd has
    not loaded the change yet."""
    service = crash.service
    unit, until = service.unit, _kill_over_at(crash, kills)
    if unit is None or unit.need_daemon_reload or not until or any(kill.limit_scope != "own" for kill in kills[-1:]):
        return ()
    if not unit.memory_max:
        return (Evidence("unit", unit.name, "no memory limit now"),)
    written = {s.source.where.rpartition(":")[0]: s for s in service.settings if s.key in ("MemoryMax", "MemoryLimit")}
    stats = {path: stat.mtime for path in written if (stat := stat_of(case.snapshot, service.node, path)) is not None}
    return tuple(Evidence("file", written[path].source.where, f"{written[path].source.text}, changed after the kill")
                 for path, changed in stats.items() if changed > until)


def _kill_over_at(crash: FailedRun, kills: tuple[OomKilling, ...]) -> float:
    """Return the time (epoch seconds) by which the kill was over on the clock of the files, or 0.0 if unknown. The
    kernel's clock may be seconds off. The journal uses the same clock as the files."""
    at = kills[-1].kill.at if kills else ended_at(crash)
    times = [line.at for line in crash.lines if line.at is not None and _is_kill_line(line)]
    close = [one for one in times[-1:] if abs(one - at) < _CLOCK_SLACK]
    return close[0] + _JOURNAL_SLACK if close else at + _CLOCK_SLACK if at else 0.0


def _worker_findings(case: Case) -> list[Finding]:
    """Return findings for running services whose workers the kernel has killed since their start."""
    found: list[Finding] = []
    for service in case.snapshot.services:
        if not service.running or not service.is_app_server:
            continue
        kills = tuple(kill for kill in oom_killings(case, service) if not _is_limit_gone(service, kill))
        endpoints = endpoints_of(case, service)
        if kills and endpoints:
            found.append(_worker_finding(case, service, endpoints, kills))
    return found


def _is_limit_gone(service: Service, kill: OomKilling) -> bool:
    """Return whether the service may use more now than when this process was killed: the clocks of the kernel and of
    the manager are seconds apart, so a kill right before a restart with another limit seems to follow it."""
    now, then = manager_of(service).limits().memory, kill.kill.size
    return kill.limit_scope == "own" and then > 0 and (now == 0 or now > then)


def _worker_finding(case: Case, service: Service, endpoints: Sequence[Endpoint],
                    kills: tuple[OomKilling, ...]) -> Finding:
    asked = routes_to(case, endpoints)
    nginx = case.snapshot.nginx_of(asked[0].facts) if asked else None
    events = cut_off_events(case, service, asked)
    unanswered = any(j.state == "slow" for j in asked) and (
        clock_of(case.snapshot, service.node) - kills[-1].kill.at < RECENT_ERROR)
    hurts = bool(events) or unanswered or any(j.has_failures for j in asked)
    evidence = (
        *(kill.evidence for kill in kills[-2:]), state_evidence(service), *_limit_evidence(service),
        *((config_evidence(case.snapshot, nginx, endpoints[0]),) if nginx is not None else ()),
        *(Evidence("nginx-log", e.where, f"{len(events)} times: {e.raw}") for e in events[-1:]),
    )
    first, now = kills[0].kill.at, clock_of(case.snapshot, service.node)
    within = "since its start" if first >= start_time_of(service) - _CLOCK_SLACK else f"within {age_text(now - first)}"
    times = f"at least {len(kills)} times" if len(kills) > 1 else "once"      # the kernel's log forgets
    return Finding(
        cause=CAUSE.id, variant="oom-killed-worker-child", role="root" if hurts else "advice", confidence="certain",
        summary=f"workers of {service.name} were killed by the kernel {times} {within}: "
                f"{_limit_text(service, kills)}",
        detail=("the parent process restarts them, so the service looks healthy",),
        routes=tuple(j.facts.route.id for j in asked), service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys(evidence)),
        repairs=_repairs(case, service, endpoints[0], kills) if hurts else (),
        effects=("run-ends", "no-answer", "stale-config") if unanswered else None,
    )


def cut_off_events(case: Case, service: Service, asked: Sequence[RouteVerdict]) -> tuple[ErrorEvent, ...]:
    """Return requests that were cut off since the service started, from nginx's recent log lines."""
    routes = [judged.facts for judged in asked]
    found = {
        e.where + e.raw: e for nginx in case.snapshot.nginxes
        for e in recent_events(nginx, [r for r in routes if r.node == nginx.node], case.snapshot)
        if e.kind in CUT_OFF and was_logged_since(e, start_time_of(service))
    }
    return tuple(sorted(found.values(), key=lambda e: e.at))


def _limit_text(service: Service, kills: tuple[OomKilling, ...]) -> str:
    limit = manager_of(service).limits().memory
    if kills and kills[-1].limit_scope == "machine":
        return "the machine had no memory left"
    if kills and kills[-1].limit_scope == "other":
        return f"the limit of {kills[-1].kill.limit} was reached"
    return f"its memory limit of {size_text(limit)} was reached" if limit else "its memory limit was reached"


def _limit_evidence(service: Service) -> tuple[Evidence, ...]:
    return tuple(s.source for s in service.settings if s.key in ("MemoryMax", "MemoryLimit"))[:2]


def _is_kill_line(line: LogLine) -> bool:
    event = event_of(line)
    return event is not None and (event.result == "oom-kill" or (event.kind, event.code) == ("main-exited", "killed"))


def _manager_oom_line(service: Service) -> LogLine | None:
    return next((line for line in reversed(lines_of(service)) if (event := event_of(line)) is not None
                 and "oom-kill" in (event.kind, event.result)), None)


def _repairs(case: Case, service: Service, endpoint: Endpoint, kills: tuple[OomKilling, ...]) -> tuple[Repair, ...]:
    whose = kills[-1].limit_scope if kills else "own"
    if whose == "own":
        return (raise_memory_repair(case, service, endpoint),)
    steps = start_steps(case.snapshot, service, endpoint)
    if whose == "machine" and steps and not service.running:
        return (Repair("start-service", "safe", f"start {service.name} again", steps),)
    manual = (f"add memory, or reduce the load: {_limit_text(service, kills)}, and that is not {service.name}'s own "
              f"limit")
    return (Repair("raise-memory-limit", "manual", f"more memory for {service.name}", (), manual=manual),)


CAUSE = Cause(
    id="crash-oom",
    title="the kernel killed the backend: out of memory",
    family="backend crashed, or exits at once",
    variants=("oom-killed-systemd", "oom-killed-docker", "oom-killed-worker-child", "oom-kill-result-cgroup-v2"),
    verdict=judge,
    page=__doc__,
)
