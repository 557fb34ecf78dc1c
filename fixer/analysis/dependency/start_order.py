"""A container that Compose made and never started: it waits for another one of the project to be well, or done."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import absent_evidence, config_evidence
from fixer.analysis.owner import Owner
from fixer.analysis.ownership.resolve import sole_owner
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Container

_LABEL = "com.docker.compose.depends_on"      # service:condition:whether it is restarted with it, by commas
_EXPLAINS = ("backend-down", "slow-start", "dns-unresolved", "nginx-down")


@dataclass(frozen=True, slots=True)
class _Awaited:
    """What holds it back: the service, what is the matter with it, and what a person does."""

    name: str
    said: str
    todo: str
    shown: Evidence
    certain: bool


def awaited_findings(case: Case) -> list[Finding]:
    """One finding a service: started by itself it would run, and the next `up` would stop there again."""
    found: dict[str, Finding] = {}
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        box = owner.service.container if owner is not None else None
        if owner is None or box is None or box.status != "created" or box.started_at > 0 or not box.project:
            continue
        held = _first_held(case, box)
        if held is None:
            continue
        new, old = _finding(case, trouble, owner, held), found.get(owner.service.id)
        found[owner.service.id] = new if old is None else replace(
            old, routes=tuple(dict.fromkeys((*old.routes, *new.routes))))
    return list(found.values())


def held_up(case: Case, box: Container | None) -> tuple[str, ...]:
    """A detail for one that has run, and that may be started by itself: the next `up` would not get as far."""
    held = _first_held(case, box) if box is not None and box.project else None
    if held is None:
        return ()
    return (f"the next docker compose up will not start it: it waits for {held.name}, which {held.said}; {held.todo}",)


def never_started(case: Case, box: Container | None) -> tuple[str, str, Evidence] | None:
    """Why Compose made a container and did not start it, what a person does, and what shows it."""
    if box is None or box.status != "created" or box.started_at > 0 or not box.project:
        return None
    held = _first_held(case, box)
    if held is None:
        return None
    todo = f"{held.todo}; then docker compose up -d. Started by itself it would not last: the next up would stop there"
    return f"Compose waits for {held.name}, which {held.said}", todo, held.shown


def how_ended(box: Container) -> str:
    """How its health check ended last, as the rest of a sentence."""
    said = f": {box.health_said}" if box.health_said else ""
    return "" if box.health_exit is None else f", its last check ended with exit code {box.health_exit}{said}"


def _first_held(case: Case, box: Container) -> _Awaited | None:
    return next((one for name, wanted in conditions(box) if (one := _held(case, box, name, wanted))), None)


def conditions(box: Container) -> list[tuple[str, str]]:
    """(service, what it has to be) of all that Compose starts before this one."""
    words = [part.split(":") for part in dict(box.labels).get(_LABEL, "").split(",")]
    return [(word[0], word[1]) for word in words if len(word) > 1]


def _held(case: Case, box: Container, name: str, wanted: str) -> _Awaited | None:
    """Whether that service of the project is not as it has to be before this one is started."""
    others = [s.container for s in case.snapshot.services if s.container is not None
              and (s.container.project, s.container.service) == (box.project, name)]
    for other in others:
        ran = other.status in ("running", "paused")
        shown = f"{other.status}, health {other.health or 'not checked'}"
        if wanted == "service_healthy" and other.health != "healthy":
            unwell = ran and other.health == "unhealthy"
            ended = how_ended(other) if other.health_exit else ""
            said = f"is unhealthy{ended}" if unwell else "is not healthy yet" if ran else "does not run"
            said_so = f"its check said {other.health_said!r}" if other.health_said and ended else (
                f"docker inspect -f '{{{{json .State.Health}}}}' {other.name} tells what its check said")
            todo = f"{said_so}: mend that, or the check" if ran else (
                f"start {name} first (docker logs {other.name} tells why)")
            return _Awaited(name, said, todo, Evidence("container", other.name, shown + ended), unwell)
        if wanted == "service_completed_successfully" and other.status == "exited" and other.exit_code:
            said = f"ended with exit code {other.exit_code}"
            todo = f"docker logs {other.name} tells why: mend that"
            return _Awaited(name, said, todo, Evidence("container", other.name, f"exited, {said}"), True)
    return None


def _finding(case: Case, trouble: Trouble, owner: Owner, held: _Awaited) -> Finding:
    service, box = owner.service, owner.service.container
    assert box is not None
    manual = (f"{held.todo}; then docker compose up -d. {service.name} started by itself would not last: the next up "
              "would stop there again")
    return Finding(
        cause="crash-dependency-down", variant="start-dependency-failed", role="root",
        confidence="certain" if held.certain and owner.certain else "likely",
        summary=f"{service.name} was made and never started: Compose waits for {held.name}, which {held.said}",
        detail=(), routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            Evidence("container", box.name, f"created, {_LABEL}={dict(box.labels)[_LABEL]}"), held.shown,
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        ))),
        repairs=(Repair("mend-dependency", "manual", "a person must bring back what it waits for", (), manual=manual),),
        explains=_EXPLAINS,
    )
