"""Routes whose error page hides that nobody answers: the status is a good one, and nginx's own log says otherwise."""

from __future__ import annotations

import math

from fixer.analysis.route_verdict import Judged, fresh_events, is_edited
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, ProbeResult, RouteFacts, Snapshot

_BROKEN = frozenset({"closed", "reset", "not-http", "refused", "unreachable", "no-socket"})
_HERE = frozenset({"127.0.0.1", "::1", "unix:"})


def weigh_masked(verdict: Judged, reached: tuple[Endpoint, ...], nginx: Nginx | None, snapshot: Snapshot) -> Judged:
    """A route that answers is degraded where what came is the page that its configuration gives instead of a 502.

    Either nginx logged the failure of our very request, or whoever is there gives no answer when asked directly and
    nginx failed there lately. A login or a cache may answer for the backend too; an error page needs a failure first.
    """
    route = verdict.facts.route
    if verdict.state != "ok" or verdict.own or not route.masked_by or nginx is None or is_edited(nginx):
        return verdict
    meant = [endpoint for endpoint in reached if not endpoint.down]
    probes = verdict.facts.probes.value if isinstance(verdict.facts.probes, Known) else ()
    if not meant or not probes or any((probe.status or 500) >= 500 for probe in probes):
        return verdict
    lines = fresh_events(nginx, (verdict.facts,), snapshot)
    ours = [line for line in lines if _is_ours(line, verdict.facts, nginx, snapshot)]
    if not (_failed_here(ours, meant, probes) or (lines and all(_gives_nothing(e, verdict.facts) for e in meant))):
        return verdict
    shown = Evidence("nginx-log", (ours or lines)[-1].where, (ours or lines)[-1].raw[:300])
    return replace(verdict, state="degraded", evidence=(*verdict.evidence, shown),
                   reason=f"{verdict.reason} by an error page ({route.masked_by}): nginx gets no answer behind it")


def _is_ours(event: ErrorEvent, facts: RouteFacts, nginx: Nginx, snapshot: Snapshot) -> bool:
    """About a request for this path from the machine itself, since this look began."""
    node = next((node for node in snapshot.nodes if node.name == nginx.node), None)
    if node is None or event.at < math.floor(node.now) or event.client not in _HERE | set(node.addresses):
        return False
    return facts.route.path is not None and event.request.split(" ")[:2] == ["GET", facts.route.path]


def _failed_here(ours: list[ErrorEvent], meant: list[Endpoint], probes: tuple[ProbeResult, ...]) -> bool:
    """All servers that nginx may ask failed it; a kept connection that ended is tried once more without a fault."""
    if any(event.message.startswith("no live upstreams") for event in ours):
        return True
    if len(ours) < len(meant):
        return False
    given = {(e.http.value.status, e.http.value.body) for e in meant if isinstance(e.http, Known)}
    answered = any((probe.status, probe.body) in given for probe in probes)
    return not answered or all("connecting" in event.phase or event.errno == 110 for event in ours)


def _gives_nothing(endpoint: Endpoint, facts: RouteFacts) -> bool:
    http = endpoint.http.value if isinstance(endpoint.http, Known) else None
    if http is None or http.status is not None:
        return False
    return http.error in _BROKEN or (http.error == "slow" and endpoint.path == facts.route.path)
