"""What the next `docker compose up` makes of a container that is stopped: another one, or none at all."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import bindings_of, listeners_on, state_evidence
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding
from fixer.model.snapshot import Service
from fixer.repairs.file_edits import container_of
from fixer.repairs.upstream_name import other_address


def with_next_up(case: Case, trouble: Trouble, service: Service, found: Finding) -> Finding:
    """The finding with that said; where the service was renamed in its files, nginx is given its new name, and
    nothing is started that the next deployment takes away."""
    compose, box = case.snapshot.compose, service.container
    if compose is None or box is None or box.project != compose.project or box.service not in compose.dropped:
        return replace(found, detail=(*found.detail, *_otherwise(trouble, service)))
    new = _renamed(case, trouble, service)
    files = ", ".join(compose.config_files)
    said = f"{files} does not define {box.service} any more: what is started now is gone with the next deployment"
    if new is None or new.container is None:
        return replace(found, detail=(*found.detail, said))
    name = new.container.service or new.container.name
    shown = state_evidence(new)
    return replace(
        found, summary=f"{found.summary}; {name} is what its files make of it by now", detail=(*found.detail, said),
        evidence=(*found.evidence, shown), repairs=(other_address(case, [trouble], name),),
    )


def _renamed(case: Case, trouble: Trouble, service: Service) -> Service | None:
    """The one service of the project that runs the same image with the same command, on the port that nginx asks for,
    and that no route relies on."""
    old, web = service.container, container_of(case.snapshot, trouble.nginx.node)
    compose = case.snapshot.compose
    mine = {name for name, _, _ in web.networks} if web is not None else set()
    same = [
        s for s in case.snapshot.services
        if s.container is not None and old is not None and compose is not None and s.id != service.id and s.running
        and s.container.project == old.project and s.container.service not in compose.dropped
        and (s.container.image, s.container.argv) == (old.image, old.argv) and s.id not in case.taken
        and mine.intersection(name for name, _, _ in s.container.networks)
        and any(x.port == trouble.endpoint.port and not x.address.startswith("127.")
                for x in listeners_on(case.snapshot, s.node))
    ]
    return same[0] if len(same) == 1 and trouble.endpoint.unix is None else None


def _otherwise(trouble: Trouble, service: Service) -> tuple[str, ...]:
    """Its files were changed since it was made: a start brings back what was, the next `up` something else."""
    asked, told = trouble.endpoint, bindings_of(service)
    if len(told) < 2 or asked.unix is not None or told[0].port in (0, asked.port) or (
            asked.port not in [b.port for b in told[1:]]):
        return ()
    return (f"{told[0].source.where} now says port {told[0].port}, and it was made for {asked.port}: a start brings "
            f"back what was, the next docker compose up does not",)
