"""Ignored findings: shown as advice with owner and expiry, without a repair, and not counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import NamedTuple

from fixer.diagnose.precedence import explained_causes
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, IgnoredFinding
from fixer.model.snapshot import Snapshot


class IgnoredResult(NamedTuple):
    """The findings after `fixer ignore`, the routes whose failure is ignored, and the notes about both."""

    findings: tuple[Finding, ...]
    routes: frozenset[str]
    notes: tuple[str, ...]


def apply_ignored(findings: Sequence[Finding], accepted: Sequence[IgnoredFinding], snapshot: Snapshot) -> IgnoredResult:
    """Turn ignored findings into advice. A route stays ignored only while no other finding is at fault there."""
    today = datetime.fromtimestamp(snapshot.taken_at, UTC).date().isoformat()
    places = _route_names(snapshot)
    kept: list[Finding] = []
    routes: set[str] = set()
    notes: list[str] = []
    causes: set[str] = set()
    for finding in findings:
        match = _match_entry(finding, accepted, places, today) if finding.is_at_fault else None
        if match is None:
            kept.append(finding)
            continue
        kept.append(replace(finding, role="advice", repairs=()))
        routes.update(finding.routes)
        causes.update(explained_causes(finding))
        where = f" at {match.where}" if match.where else ""
        notes.append(f"{finding.cause}{where} is ignored by {match.owner} until {match.until}: {match.because}")
    still = {route for finding in kept if finding.is_at_fault for route in finding.routes}
    # Consequences of an ignored finding are advice, too.
    revised = tuple(
        replace(finding, role="advice") if finding.role == "consequence" and finding.cause in causes
        and routes.issuperset(finding.routes) and not still.intersection(finding.routes) else finding
        for finding in kept
    )
    late = (
        f"the ignore entry for {entry.cause} by {entry.owner} expired on {entry.until}"
        for entry in accepted if entry.until < today and any(entry.cause == f.cause for f in findings)
    )
    nowhere = misplaced_notes([entry for entry in accepted if entry.until >= today], findings, snapshot)
    return IgnoredResult(revised, frozenset(routes - still), (*dict.fromkeys(notes), *late, *nowhere))


def misplaced_notes(accepted: Sequence[IgnoredFinding], findings: Sequence[Finding],
                    snapshot: Snapshot) -> tuple[str, ...]:
    """Return a note for each entry with a location unknown in this observation: a misspelt one ignores nothing."""
    named = [entry for entry in accepted if entry.where]
    if not named:
        return ()
    known = _known_locations(findings, snapshot)
    return tuple(
        f"the ignore entry for {entry.cause} at {entry.where} has no effect: this observation has no such location"
        + _suggestion_text(entry.where, known)
        for entry in named if entry.where not in known and _without_line(entry.where) not in known
    )


def _suggestion_text(where: str, known: frozenset[str]) -> str:
    near = get_close_matches(where, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _known_locations(findings: Sequence[Finding], snapshot: Snapshot) -> frozenset[str]:
    """Return every name that a finding could be located by, now or later."""
    files = (name for file in snapshot.files for name in (file.path, file.real_path))
    services = (name for service in snapshot.services for name in (service.name, service.node))
    nodes = (node.name for node in snapshot.nodes)
    routes = _route_names(snapshot).values()
    return frozenset(name for name in (*files, *services, *nodes) if name).union(*map(_finding_locations, findings),
                                                                                 *routes)


def _without_line(where: str) -> str:
    path, _, line = where.rpartition(":")
    return path if line.isdigit() else where


def _match_entry(
    finding: Finding, accepted: Sequence[IgnoredFinding], places: dict[str, frozenset[str]], today: str,
) -> IgnoredFinding | None:
    here = _finding_locations(finding).union(*(places.get(route, frozenset()) for route in finding.routes))
    return next((
        entry for entry in accepted
        if entry.cause == finding.cause and entry.until >= today and (not entry.where or entry.where in here)
    ), None)


def _finding_locations(finding: Finding) -> frozenset[str]:
    """Return the service, the node and every location in the evidence, with and without its line."""
    where = [evidence.where for evidence in finding.evidence]
    return frozenset(word for word in (finding.service or "", finding.node, *where, *map(_without_line, where)) if word)


def _route_names(snapshot: Snapshot) -> dict[str, frozenset[str]]:
    """Return the names that a user may give each route, by route id."""
    return {
        facts.route.id: frozenset((
            facts.route.id, facts.route.location, *facts.route.server_names, facts.route.source.file,
            f"{facts.route.source.file}:{facts.route.source.line}",
        ))
        for facts in snapshot.routes
    }
