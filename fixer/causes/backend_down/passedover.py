"""Addresses where nothing listens, of routes that answer without them: told, and nothing is done about it."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import absent_evidence, endpoint_text, state_evidence
from fixer.analysis.ownership.configured import placed_owner
from fixer.analysis.route_verdict import is_edited, is_empty
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, RouteFacts


def passed_over(case: Case) -> Iterator[Finding]:
    """Members of groups and values of variables that lead to nobody, one finding an address; spares are meant to
    sleep."""
    endpoints = {endpoint.id: endpoint for endpoint in case.snapshot.endpoints}
    seen: set[tuple[object, ...]] = {
        (e.node, e.host, e.port, e.unix, e.at) for trouble in case.troubles for e in trouble.endpoints
    }
    edited = [nginx for nginx in case.snapshot.nginxes if is_edited(nginx)]
    for judged in case.judged.values():
        if (judged.state != "ok" and not judged.gone) or any(nginx.serves(judged.facts) for nginx in edited):
            continue
        for name in judged.facts.endpoints:
            endpoint = endpoints.get(name)
            if endpoint is None or endpoint.down or endpoint.backup or not is_empty(endpoint):
                continue
            key = (endpoint.node, endpoint.host, endpoint.port, endpoint.unix, endpoint.at)
            if key not in seen:
                seen.add(key)
                yield _advice(case, judged.facts, endpoint)


def _advice(case: Case, facts: RouteFacts, endpoint: Endpoint) -> Finding:
    owner = placed_owner(case, endpoint)
    service = None if owner is None else owner.service
    text = endpoint_text(endpoint)
    others = any(e.id in facts.endpoints and not is_empty(e) for e in case.snapshot.endpoints)
    if not others:
        what = "the configuration answers before anybody is asked there"
    elif facts.route.upstream:
        what = f"nginx passes over it, since others of upstream {facts.route.upstream} answer"
    else:
        what = f"it is one of the addresses that {facts.route.location} may lead to, and requests for it fail"
    place = Evidence("nginx-config", f"{endpoint.file}:{endpoint.line}", endpoint.written)
    evidence = (place, *absent_evidence(endpoint), *(() if service is None else (state_evidence(service),)))
    return Finding(
        cause="backend-down", variant=None, role="advice", confidence="certain",
        summary=f"nothing listens at {text}; {what}", detail=(), routes=(facts.route.id,),
        service=None if service is None else service.name, node=facts.node, evidence=evidence, repairs=(),
    )
