"""Units at rest of which nothing but their own code says where they listen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Need
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, Service, Snapshot

if TYPE_CHECKING:
    from fixer.analysis.case import Case
    from fixer.analysis.owner import Owner

KEY = "backend"
MOST_EQUALS = 6


def named_in_code(snapshot: Snapshot, endpoint: Endpoint) -> tuple[tuple[Service, Evidence], ...]:
    """The units of the node whose code listens at that port, each with the line; masked ones and jobs were left out."""
    if endpoint.unix is not None or not endpoint.port_there:
        return ()
    lines = ((s, b) for s in snapshot.services if s.node == endpoint.node and s.in_code for b in s.in_code)
    return tuple((service, binding.source) for service, binding in lines if binding.port == endpoint.port_there)


def is_elsewhere_in_code(service: Service, endpoint: Endpoint) -> bool:
    """Put to rest, and by its code of another port: it is not what is missing here."""
    unit = service.unit
    return bool(service.in_code) and unit is not None and unit.unit_file_state == "disabled" and (
        unit.active_state != "failed") and not _is_here(service, endpoint)


def _is_here(service: Service, endpoint: Endpoint) -> bool:
    return endpoint.unix is None and any(b.port == endpoint.port_there for b in service.in_code)


def which_in_code(
    case: Case, endpoint: Endpoint, owners: Sequence[Owner], findings: Sequence[Finding],
) -> Finding | None:
    """What was found of each, as one question, where they are equals by their code."""
    if not all(_is_here(owner.service, endpoint) for owner in owners):
        return None
    names = tuple(owner.service.name for owner in owners[:MOST_EQUALS])
    given = case.inputs.get(KEY)
    found = findings[names.index(given) if given in names else 0]
    said = " and ".join(names)
    why = f"the code of {said} listens there, and none of them runs: name the one that is meant"
    need = Need(KEY, "choice", why, names)
    first, lines = found.repairs[0], [owner.why[0] for owner in owners[:MOST_EQUALS]]
    if given not in names:
        first = replace(first, summary=f"start {' or '.join(names)}", steps=())
    return replace(
        found, confidence="possible", repairs=(replace(first, needs=(need,)),),
        summary=found.summary if given in names else f"{said} are stopped; the code of each listens where nginx asks",
        evidence=tuple(dict.fromkeys((*found.evidence[:1], *lines, *found.evidence[1:]))),
    )
