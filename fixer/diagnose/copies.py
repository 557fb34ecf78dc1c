"""One copy of a scaled service that fails while the others answer: which one it is, and what visitors see of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case
from fixer.analysis.members import is_dead
from fixer.analysis.route_verdict import Judged
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.diagnosis import Finding
from fixer.model.snapshot import Container, Service


@dataclass(frozen=True, slots=True)
class _Lost:
    """A copy behind a route that answers without it, and how many there are."""

    service: Service
    box: Container
    judged: Judged
    every: int


def name_copies(case: Case, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, those about such a copy with its own name: all copies go by that of their service."""
    lost = list(_lost(case))
    return tuple(_named(finding, lost) for finding in findings) if lost else tuple(findings)


def _lost(case: Case) -> Iterator[_Lost]:
    for judged in (judged for judged in case.judged.values() if judged.is_bad and len(judged.facts.endpoints) > 1):
        for endpoint in (case.snapshot.endpoint(name) for name in judged.gone or judged.facts.endpoints):
            service = case.service(endpoint.service)
            box = service.container if service is not None else None
            if service is None or box is None or not (box.project and box.service and is_dead(endpoint, case.snapshot)):
                continue
            boxes = [s.container for s in case.snapshot.services if s.container is not None]
            every = sum((other.project, other.service) == (box.project, box.service) for other in boxes)
            if every > 1:
                yield _Lost(service, box, judged, every)


def _named(finding: Finding, lost: Sequence[_Lost]) -> Finding:
    mine = [x for x in lost if x.judged.facts.route.id in finding.routes
            and finding.service in (x.service.name, x.box.name)]
    first = next((x for x in mine if finding.node == x.service.node), None)
    if first is None or finding.role not in ("root", "contributing"):
        return finding
    name, own = first.service.name, first.box.name
    summary = f"{own}{finding.summary[len(name):]}" if finding.summary.startswith(f"{name} ") else finding.summary
    others = ", ".join(dict.fromkeys(x.box.name for x in mine if x.box.id != first.box.id))
    only = first.judged.facts.route.one_try
    seen = (f"nginx asks no other ({only}), so whoever it sends there fails" if only else
            "nginx asks the next one where one does not answer, so whoever it sends there waits for that first")
    also = f" ({others} as well)" if others else ""
    said = f"{own}{also} is one of {first.every} copies of {first.box.service}: {seen}"
    return replace(finding, summary=summary, detail=(said, *finding.detail))
