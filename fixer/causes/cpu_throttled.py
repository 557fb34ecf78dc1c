"""The backend may use too little CPU to keep up: its manager holds it back, however idle the machine is.
nginx times out (504), or finds no listener for minutes after a restart (502). Raise the CPU quota, then restart.

By hand
  systemctl show -p CPUQuotaPerSecUSec -p ControlGroup UNIT    # 1s is one whole CPU; infinity is no quota
  cat /sys/fs/cgroup/CONTROLGROUP/cpu.stat                     # nr_throttled (cgroup v1: /sys/fs/cgroup/cpu/…)
  systemctl edit UNIT; systemctl restart UNIT                  # [Service] CPUQuota=100%
  docker inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.CpuQuota}}' CONTAINER    # 0: no quota; 10^9 NanoCpus: 1 CPU
  docker exec CONTAINER cat /sys/fs/cgroup/cpu.stat
  docker compose up -d SERVICE                                 # after cpus: 1 in the compose file

What it is
  A quota (CPUQuota in the unit, cpus in the compose file) was meant for a small helper and holds for the application.
  In each tenth of a second it may work for a few milliseconds, then the kernel lets it wait.

Why nginx says 504, or 502
  Every answer takes many times as long; with a few visitors the queue never empties: `upstream timed out (110) while
  reading response header`. After a restart it takes minutes until it listens: `connect() failed (111)`.

How it is told apart
  The quota stands in the unit or container, and the kernel counts the periods in which it held the service back
  (nr_throttled of cpu.stat): a quarter of them or more, fewer where it may use less than a quarter of a CPU, and half
  of them within a minute of its start, which works as hard as it can.
  overload-saturated and backend-hung look the same from nginx, and more workers would not help here: they share the
  quota.

The repair and its safety
  raise-cpu-quota (disruptive): another value in a drop-in of the unit or in the compose file, then a restart: one
  whole CPU, or twice what it has, unless `--set cpu=…` says otherwise.

Variants
  cpu-quota-throttled  CPUQuota= of the unit, or cpus of the container, is too small
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, add_finding, conclude
from fixer.analysis.evidence import clock_of, config_evidence, listener_at
from fixer.analysis.nginx_errors import failing_or_slow_services, symptom_evidence
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Service
from fixer.nginx.error_kinds import READ_TIMEOUT

with lazy_imports():  # not needed in most looks
    from fixer.repairs.resource_limits import ResourceLimit, raise_limit_repair

MIN_SHARE = 0.25          # share of throttled periods; a stall over several periods counts once
MIN_SHARE_AT_START = 0.5   # the same while the service has started within the last minute
_START_SECONDS = 60.0
MIN_SHARE_SMALL_LIMIT = 0.03          # the same for a quota below SMALL_LIMIT
SMALL_LIMIT = 0.25        # CPUs
MIN_THROTTLED_PERIODS = 10
MIN_PERIODS = 20             # fewer periods prove nothing
_INPUT_KEY = "cpu"


def judge(case: Case) -> Verdict:
    """Judge each service of a failing or slow route: does the kernel throttle it to its CPU quota?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for trouble, service in failing_or_slow_services(case, READ_TIMEOUT):
        limit = manager_of(service).limits().cpus
        if limit == 0.0:
            ruled.append(state_evidence(service))
        elif isinstance(service.throttled, Unknown):
            missing.append(f"how often its CPU quota throttles {service.name}: {service.throttled.reason}")
        elif not _is_throttled(service.throttled.value, _least_share(case, service, limit)):
            ruled += service.throttled.evidence
        else:
            add_finding(findings, service.id, _found(case, trouble, service, limit))
    return conclude(findings.values(), missing, ruled)


def _least_share(case: Case, service: Service, limit: float) -> float:
    """Return the share of throttled periods from which the quota is too small. A start works as hard as it can, and
    soon after it nearly all periods are of the start: only a service that is held back most of the time cannot keep
    up."""
    is_new = clock_of(case.snapshot, service.node) - start_time_of(service) < _START_SECONDS
    if limit < SMALL_LIMIT:
        return MIN_SHARE if is_new else MIN_SHARE_SMALL_LIMIT
    return MIN_SHARE_AT_START if is_new else MIN_SHARE


def _is_throttled(counts: tuple[int, int], share: float) -> bool:
    held, periods = counts
    return periods >= MIN_PERIODS and held >= MIN_THROTTLED_PERIODS and held >= share * periods


def _found(case: Case, trouble: FailingAddress, service: Service, limit: float) -> Finding:
    assert isinstance(service.throttled, Known)
    held, periods = service.throttled.value
    line = listener_at(trouble.endpoint)
    queue = "" if line is None else f"{line.queued} connections wait to be accepted, {line.established} are open"
    shown = () if line is None else (Evidence("socket", f"socket {line.address}:{line.port}", queue),)
    source = Evidence(manager_of(service).evidence().source, service.name, f"may use {limit:g} CPUs")
    return Finding(
        cause=CAUSE.id, variant="cpu-quota-throttled", role="root",
        confidence="certain" if _is_throttled((held, periods), MIN_SHARE) else "likely",
        summary=(
            f"{service.name} may use {limit:g} of a CPU and cannot keep up: the kernel throttled it in {held} of "
            f"{periods} periods"
        ),
        detail=(), routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *service.throttled.evidence, source, *shown, state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, READ_TIMEOUT),
        ))),
        repairs=(_repair(case, trouble, service, limit),),
    )


def _repair(case: Case, trouble: FailingAddress, service: Service, limit: float) -> Repair:
    more = max(1.0, limit * 2)
    if service.unit is not None:
        default, pattern, how = f"{more * 100:.0f}%", "[1-9][0-9]{0,4}%", "in percent of one CPU"
    else:
        default, pattern, how = f"{more:.1f}", r"[0-9]{1,3}(?:\.[0-9]{1,2})?", "as a number of CPUs"
    need = Need(_INPUT_KEY, "value", f"how much CPU {service.name} may use, {how}, now {limit:g} of one",
                default=default,
                pattern=pattern)
    ceiling = ResourceLimit("raise-cpu-quota", "CPU quota", "CPUQuota", ("cpus", "deploy.resources.limits.cpus"))
    return raise_limit_repair(case, service, trouble.endpoint, ceiling, need)


CAUSE = Cause(
    id="cpu-throttled",
    title="the CPU quota of the backend is too small",
    family="overload, comes and goes",
    variants=("cpu-quota-throttled",),
    verdict=judge,
    page=__doc__,
)
