"""Containers that Compose created and did not start since a dependency is not ready, and unit starts in the queue."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import clock_of
from fixer.formats.docker_conventions import depends_on_conditions
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence
from fixer.model.snapshot import Container, Service


@dataclass(frozen=True, slots=True)
class AwaitedService:
    """A dependency that blocks a start: the service, its problem, and the remedy for the operator."""

    name: str
    problem: str
    remedy: str
    evidence: Evidence
    certain: bool


def depends_on_note(case: Case, box: Container | None) -> tuple[str, ...]:
    """Return a note about a container that ran and can be started alone: the next `up` would stop at a dependency."""
    held = first_awaited(case, box) if box is not None and box.project else None
    if held is None:
        return ()
    return (f"the next docker compose up will not start it: it waits for {held.name}, which {held.problem}; "
            f"{held.remedy}",)


def explain_never_started(case: Case, box: Container | None) -> tuple[str, str, Evidence] | None:
    """Return why Compose created a container and did not start it, what the operator does, and the evidence."""
    if box is None or box.status != "created" or box.started_at > 0 or not box.project:
        return None
    held = first_awaited(case, box)
    if held is None:
        return None
    todo = (f"{held.remedy}; then docker compose up -d. Starting it alone does not last: the next `docker compose up` "
            f"stops at {held.name} again")
    return f"its dependency {held.name} {held.problem}", todo, held.evidence


def health_check_text(box: Container) -> str:
    """Return how its last health check ended, as the end of a sentence."""
    output = f": {box.health_output}" if box.health_output else ""
    return "" if box.health_exit is None else f", its last check ended with exit code {box.health_exit}{output}"


def first_awaited(case: Case, box: Container) -> AwaitedService | None:
    """Return the first dependency of a container that does not meet the condition for which Compose waits."""
    return next((one for name,
                 wanted in depends_on_conditions(box) if (one := _unmet_condition(case, box, name, wanted))), None)


def _unmet_condition(case: Case, box: Container, name: str, wanted: str) -> AwaitedService | None:
    """Return that service of the project if it does not meet the condition for the start of this one, else None."""
    others = [s.container for s in case.snapshot.services if s.container is not None
              and (s.container.project, s.container.service) == (box.project, name)]
    for other in others:
        ran = other.status in ("running", "paused")
        shown = f"{other.status}, health {other.health or 'not checked'}"
        if wanted == "service_healthy" and other.health != "healthy":
            unwell = ran and other.health == "unhealthy"
            ended = health_check_text(other) if other.health_exit else ""
            problem = f"is unhealthy{ended}" if unwell else "is not healthy yet" if ran else "does not run"
            output = f"its check printed {other.health_output!r}" if other.health_output and ended else (
                f"docker inspect -f '{{{{json .State.Health}}}}' {other.name} shows the output of its check")
            todo = f"{output}: fix that, or the check" if ran else (
                f"start {name} first (docker logs {other.name} shows why it does not run)")
            return AwaitedService(name, problem, todo, Evidence("container", other.name, shown + ended), unwell)
        if wanted == "service_completed_successfully" and other.status == "exited" and other.exit_code:
            problem = f"ended with exit code {other.exit_code}"
            todo = f"docker logs {other.name} shows why: fix that"
            return AwaitedService(name, problem, todo, Evidence("container", other.name, f"exited, {problem}"), True)
    return None


# Services whose start systemd queues until other units are up.
LONG_QUEUED = 60.0     # seconds that an awaited unit may take to start


def queued_start_text(service: Service) -> str:
    """Return the text about the queued start."""
    names = awaited_unit_names(service)
    return (f"the start of {service.name} is queued behind {' and '.join(names)}, which "
            f"{'are' if len(names) > 1 else 'is'} not up yet")


def queue_evidence(service: Service) -> tuple[Evidence, ...]:
    """Return its job and the units that it waits for as evidence."""
    job = service.unit.job if service.unit is not None else 0
    text = f"job {job} ({service.name}/start) waits for it"
    return tuple(Evidence("unit", name, text) for name in awaited_unit_names(service))


def awaited_unit_names(service: Service) -> tuple[str, ...]:
    """Return the names of the units that its queued start waits for."""
    return tuple(one.name for one in service.unit.blocked_by) if service.unit is not None else ()


def awaited_unit_ages(case: Case, service: Service) -> dict[str, float | None]:
    """Return the seconds since the start of each awaited unit, by name; None if unknown."""
    now = clock_of(case.snapshot, service.node)
    awaited = service.unit.blocked_by if service.unit is not None else ()
    return {one.name: max(0.0, now - one.since) if one.since else None for one in awaited}
