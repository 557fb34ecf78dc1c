"""nginx still asks the old address of a name, and another container answers there: told by comparing three answers."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, routes_to
from fixer.analysis.evidence import config_evidence, state_evidence
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, ProbeResult, RouteFacts, Stranger
from fixer.repairs.file_edits import nginx_steps


def mistaken(case: Case) -> Iterator[Finding]:
    """For every container that may have got the old address: does nginx pass on its answer, and not the right one?"""
    done: set[str] = set()
    for stranger in case.snapshot.strangers:
        endpoint = case.snapshot.endpoint(stranger.endpoint)
        theirs, ours = stranger.http, endpoint.http
        if not isinstance(theirs, Known) or not isinstance(ours, Known) or endpoint.host in done:
            continue
        if theirs.value.status is None or ours.value.status is None or _same(theirs.value, ours.value):
            continue
        for facts in case.snapshot.routes:
            passed = _passed_on(facts, endpoint)
            if passed and all(_same(answer, theirs.value) for answer in passed):
                done.add(endpoint.host)
                found = _finding(case, facts, endpoint, stranger)
                if found is not None:
                    yield found
                break


def _same(one: ProbeResult, other: ProbeResult) -> bool:
    return (one.status, one.body) == (other.status, other.body)


def _passed_on(facts: RouteFacts, endpoint: Endpoint) -> tuple[ProbeResult, ...]:
    """What nginx answered where it asks the address for the same page as the look at the address itself did."""
    route = facts.route
    plain = route.pass_text.partition("://")[2].find("/") < 0
    comparable = facts.endpoints == (endpoint.id,) and plain and route.path == endpoint.path
    return facts.probes.value if comparable and isinstance(facts.probes, Known) else ()


def _finding(case: Case, facts: RouteFacts, endpoint: Endpoint, stranger: Stranger) -> Finding | None:
    nginx = case.snapshot.nginx_of(facts)
    now = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    if nginx is None or stranger.address in now:
        return None
    theirs = next((s for s in case.snapshot.services if s.node == stranger.node), None)
    name = theirs.name if theirs is not None else stranger.node
    routes = routes_to(case, nginx, endpoint.host)
    ours = endpoint.http.value.status if isinstance(endpoint.http, Known) else None
    given = stranger.http.value.status if isinstance(stranger.http, Known) else None
    service = case.service(endpoint.service)
    return Finding(
        cause="dns-stale", variant="stale-dns-wrong-container", role="root", confidence="certain",
        summary=(f"nginx hands {facts.route.location} to {stranger.address}, where {endpoint.host} was; now {name} "
                 f"answers there, and {endpoint.host} is at {', '.join(now)}"),
        detail=(), routes=routes, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, nginx, endpoint),
            Evidence("probe", f"{endpoint.host} ({', '.join(now)})", f"{endpoint.path} answers {ours}"),
            Evidence("probe", f"{name} ({stranger.address})", f"{endpoint.path} answers {given}, as nginx does"),
            *(state_evidence(s) for s in (service, theirs) if s is not None),
        ))),
        repairs=(Repair(
            "reload-nginx", "safe", f"check the configuration and reload nginx, which looks {endpoint.host} up anew "
            "(what it holds in memory now cannot be brought back)", nginx_steps(case.snapshot, nginx),
        ),),
        explains=("nginx-not-reloaded",),
    )
