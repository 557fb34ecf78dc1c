"""Names that nginx asks in the background and cannot resolve: visitors get their pages all the same."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import config_evidence, endpoint_text
from fixer.analysis.hidden_failures import SUBREQUEST
from fixer.analysis.route_verdict import RouteVerdict, recent_events
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx


def background_findings(case: Case, nginx: Nginx) -> list[Finding]:
    """Find names of locations that nginx asks in the background (`mirror`) and could not resolve just now."""
    found: list[Finding] = []
    for judged in case.verdicts.values():
        route = judged.facts.route
        if judged.state != "unknown" or route.asked_first or route.included or not nginx.serves(judged.facts):
            continue
        for endpoint in (case.endpoints[name] for name in judged.facts.endpoints):
            said = _last_line_about(case, nginx, judged, endpoint)
            if said is not None:
                found.append(_background_finding(case, nginx, (judged, endpoint), said))
    return found


def _last_line_about(case: Case, nginx: Nginx, judged: RouteVerdict, endpoint: Endpoint) -> ErrorEvent | None:
    """Return the newest recent line about that name in a subrequest of that location."""
    place = f'{SUBREQUEST}{judged.facts.route.location.split(" ")[-1]}'
    told = [event for event in recent_events(nginx, (judged.facts,), case.snapshot)
            if event.kind == "name-not-resolved" and place in event.raw
            and event.message.partition(" ")[0] == endpoint.host]
    return told[-1] if told and endpoint.host else None


def _background_finding(case: Case, nginx: Nginx, place: tuple[RouteVerdict, Endpoint], said: ErrorEvent) -> Finding:
    judged, endpoint = place
    route = judged.facts.route
    summary = (f"the name {endpoint.host} (for {endpoint_text(endpoint)}) does not resolve: what {route.location} "
               "mirrors there is lost, and visitors get their pages")
    return Finding(
        cause="dns-unresolved", variant="resolver-timeout" if said.errno == 110 else "resolver-nxdomain",
        role="advice", confidence="certain", summary=summary, detail=(), routes=(route.id,), service=None,
        node=nginx.node, evidence=(Evidence("nginx-log", said.where, said.raw),
                                   config_evidence(case.snapshot, nginx, endpoint)))
