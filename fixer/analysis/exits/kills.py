"""Which of the kernel's kills hit a service in its last run, and whose limit was reached."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, ran_since
from fixer.analysis.run_log import is_restarting
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import OomKill, Service

Whose: TypeAlias = Literal["own", "other", "machine"]
_TRIES = 180.0    # seconds in which a container that is started again and again has ended at least once
_SLACK = 3.0      # seconds between the kernel's clock, counted from the boot, and the managers'


@dataclass(frozen=True, slots=True)
class Killing:
    """One kill, whose limit it was, and where it stands."""

    kill: OomKill
    whose: Whose
    evidence: Evidence


def killings(case: Case, service: Service) -> tuple[Killing, ...]:
    """The kills of its processes since it was last started, oldest first; of one that is started again and again also
    those that ended its runs before: a look may find it in the middle of one more."""
    since = ran_since(service) - _SLACK
    if service.container is not None and is_restarting(service):
        since = min(since, case.snapshot.taken_at - _TRIES)
    found: dict[tuple[int, str], Killing] = {}
    for log in case.snapshot.kernels:
        if isinstance(log.kills, Unknown) or log.node not in (service.node, ENGINE):
            continue
        for kill in log.kills.value:
            own = _group_of(case, service, kill.cgroup)
            if own and kill.at >= since:
                text = f"{kill.text}; in {kill.cgroup[:120]}"
                found[kill.pid, kill.text] = Killing(
                    kill, _whose(kill, own), Evidence("kernel", f"kernel log of {log.node}", text),
                )
    return tuple(sorted(found.values(), key=lambda k: k.kill.at))


def _whose(kill: OomKill, own: str) -> Whose:
    if not kill.limit:
        return "machine"
    return "own" if kill.limit == own or kill.limit.startswith(own + "/") else "other"


def _group_of(case: Case, service: Service, cgroup: str) -> str:
    """The service's own group, as far as the path of a killed process leads through it; empty where it does not."""
    parts = cgroup.split("/")
    box = service.container
    if box is not None:
        for index, part in enumerate(parts):
            if part in (box.id, f"docker-{box.id}.scope") and box.id:
                return "/".join(parts[: index + 1])
        return ""
    if service.unit is None or service.unit.name not in parts:
        return ""
    index = parts.index(service.unit.name)
    above = "/".join(parts[:index])
    return "/".join(parts[: index + 1]) if _is_of_node(case, service, above) else ""


def _is_of_node(case: Case, service: Service, above: str) -> bool:
    """A unit of that name may also run in another machine of the same kernel: the groups above it tell."""
    outer = {_outer(s.unit.control_group) for s in case.snapshot.services
             if s.node == service.node and s.unit is not None and s.unit.control_group}
    return _outer(above + "/") in outer if outer else _outer(above + "/") == ""


def _outer(group: str) -> str:
    """What stands before the first slice."""
    parts = group.split("/")
    index = next((i for i, part in enumerate(parts) if part.endswith(".slice")), len(parts))
    return "/".join(parts[:index]).rstrip("/")


def kernel_missing(case: Case, service: Service) -> list[str]:
    """Why no kernel log could tell; empty where one could be read."""
    logs = [log for log in case.snapshot.kernels if log.node in (service.node, ENGINE)]
    if any(isinstance(log.kills, Known) for log in logs):
        return []
    why = [log.kills.reason for log in logs if isinstance(log.kills, Unknown)]
    unread = why[0] if why else "its log was not read"
    return [f"whether the kernel killed {service.name}, which has a memory limit: {unread}"]
