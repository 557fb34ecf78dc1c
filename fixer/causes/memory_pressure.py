"""The backend has so little memory that the kernel takes away what it needs the next moment, and it waits for the disk.
nginx times out (504), or finds no listener for long after a restart (502). Raise the memory limit, then restart.

By hand
  systemctl show -p MemoryMax -p ControlGroup UNIT        # bytes; infinity is no limit
  grep refault /sys/fs/cgroup/CONTROLGROUP/memory.stat    # twice, ten seconds apart: does it rise?
  cat /proc/pressure/memory; docker stats --no-stream
  systemctl edit UNIT; systemctl restart UNIT             # [Service] MemoryMax= twice the limit, 128M for each worker
  docker compose up -d SERVICE                            # after mem_limit: twice the limit in the compose file

What it is
  A memory limit (MemoryMax in the unit, mem_limit in the compose file) that holds what the application cannot give
  back, and next to nothing besides. Its code, its libraries and the files that it reads must then be fetched from
  disk again and again. Nobody is killed: the limit is kept by taking pages away.

Why nginx says 504, or 502
  Every step waits for the disk, and an answer that took milliseconds takes seconds: `upstream timed out (110) while
  reading response header`. After a restart it takes long until it listens: `connect() failed (111)`.

How it is told apart
  A limit is set, and the kernel counts the pages that the group needed again after it had lost them
  (workingset_refault of memory.stat): hundreds or thousands each second, while requests time out. A service that only
  reads much for the first time counts none. crash-oom is the other end: there a process was killed. More workers
  (overload-saturated) would make it worse: they share the limit. Where the count is high and the service is old, it may
  be of another day: then it is not known.

The repair and its safety
  raise-memory-limit (disruptive): twice the limit and 128M for each worker at least, or what `--set memory=…` says,
  where it is written; then a restart.

Variants
  limit-too-close  the memory limit leaves almost nothing for code and files
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, add_finding, conclude
from fixer.analysis.evidence import config_evidence
from fixer.analysis.load.pressure import MIN_REFAULTS, is_thrashing, refault_rate
from fixer.analysis.nginx_errors import failing_or_slow_services, symptom_evidence
from fixer.analysis.service_state import state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Service
from fixer.nginx.error_kinds import READ_TIMEOUT

with lazy_imports():  # not needed in most looks
    from fixer.repairs.resource_limits import raise_memory_repair


def judge(case: Case) -> Verdict:
    """Judge each service with a memory limit on a failing or slow route: does it thrash?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for trouble, service in failing_or_slow_services(case, READ_TIMEOUT):
        if not manager_of(service).limits().memory:
            ruled.append(state_evidence(service))
        elif isinstance(service.refaults, Unknown):
            missing.append(f"how many evicted pages {service.name} reads again: {service.refaults.reason}")
        elif service.refaults.value < MIN_REFAULTS:
            ruled += service.refaults.evidence
        elif not is_thrashing(case, service):
            missing.append(f"whether {service.name} is short of memory now: its count covers a long time")
        else:
            add_finding(findings, service.id, _found(case, trouble, service, service.refaults.value))
    return conclude(findings.values(), missing, ruled)


def _found(case: Case, trouble: FailingAddress, service: Service, pages: int) -> Finding:
    limit = manager_of(service).limits().memory >> 20
    again = refault_rate(case, service, pages) / 256       # 4 KiB pages to MiB
    source = Evidence(manager_of(service).evidence().source, service.name, f"may use {limit} MiB")
    counted = service.refaults.evidence if isinstance(service.refaults, Known) else ()
    return Finding(
        cause=CAUSE.id, variant="limit-too-close", role="root", confidence="likely",
        summary=(
            f"{service.name} may use {limit} MiB, which is too little: each second it read {again:.1f} MiB from "
            "disk again that it had in memory before"
        ),
        detail=(), routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *counted, source, state_evidence(service), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, READ_TIMEOUT),
        ))),
        repairs=(raise_memory_repair(case, service, trouble.endpoint),),
    )


CAUSE = Cause(
    id="memory-pressure",
    title="the backend has too little memory",
    family="overload, comes and goes",
    variants=("limit-too-close",),
    verdict=judge,
    page=__doc__,
)
