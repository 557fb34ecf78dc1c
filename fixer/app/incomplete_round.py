"""Judgement of a round that did not finish: next fault, other fault, or retry."""

from __future__ import annotations

from fixer.app.repair_session import RepairSession, plan_identity
from fixer.model.diagnosis import Finding
from fixer.model.plan import ContainerAction, Plan, ReloadNginx, StartNginx, Step, UnitAction
from fixer.model.snapshot import Snapshot
from fixer.verify import Observation, route_keys


def is_next_fault(found: Finding, look: Observation, finding: Finding, before: Observation, drawn: Plan) -> bool:
    """Return whether `found` is the next fault on the same path.
    It is one of the same service, of a unit that the round started, or another crash on the same routes: a dependency
    may have another name."""
    if found.service in {finding.service, *(step.unit for step in drawn.steps if isinstance(step, UnitAction))}:
        return True
    ended = found.cause.startswith("crash-") and found.cause != finding.cause
    return ended and bool(route_keys(look.snapshot, found.routes) & route_keys(before.snapshot, finding.routes))


def other_fault(look: Observation, finding: Finding) -> Finding | None:
    """Return the root finding of the same service if its cause is now a different one, else None."""
    first = next((f for f in look.diagnosis.findings
                  if f.role == "root" and (f.node, f.service) == (finding.node, finding.service)), None)
    return first if first is not None and first.cause != finding.cause else None




def abandon_round(course: RepairSession, before: Observation, drawn: Plan, finding: Finding, said: tuple[str, str], *,
            unread: bool = False) -> None:
    """Abandon a round that failed, with reason and hint; or allow one retry if nginx ended in the meantime."""
    if _can_retry(course, before, drawn, finding, unread=unread):
        course.person.tell(f"{said[0]}; rolled back; fixer tries once more when nginx runs")
    else:
        course.give_up(before, finding, drawn.summary, *said)


def _can_retry(course: RepairSession, before: Observation, drawn: Plan, finding: Finding, *, unread: bool) -> bool:
    """Return whether the round may be retried: nginx has ended and this plan was not retried before.
    `unread`: the round had changed nginx's files, and no nginx was running to read them."""
    names = {plan_identity(before, finding, repair) for repair in finding.repairs if repair.id == drawn.repair_id}
    if names & course.retried or not _has_nginx_ended(before.snapshot, course.current.snapshot):
        return False
    if not unread and any(_is_about_nginx(step, before.snapshot) for step in drawn.steps):
        return False
    course.retried |= names
    course.attempted -= names
    return True


def _has_nginx_ended(before: Snapshot, now: Snapshot) -> bool:
    """Return whether an nginx that ran before no longer runs."""
    ran = {(n.node, n.conf_path) for n in before.nginxes if n.master_pid is not None}
    return any(n.master_pid is None and (n.node, n.conf_path) in ran for n in now.nginxes)


def _is_about_nginx(step: Step, seen: Snapshot) -> bool:
    services = [n.service for n in seen.nginxes if n.service is not None]
    match step:
        case ReloadNginx() | StartNginx():
            return True
        case UnitAction():
            return any(step.unit == service.name for service in services)
        case ContainerAction():
            return any(s.container is not None and s.container.id == step.container_id for s in services)
        case _:
            return False
