"""nginx still uses the address that a name had when nginx started or last reloaded; the name has another address now.
The old address refuses (502), times out (504) or shows somebody else's page. Reload nginx: it looks the name up again.

By hand
  getent ahosts NAME             # in a container: docker exec NGINX getent ahosts NAME
  grep -o 'upstream: "[^"]*"' /var/log/nginx/error.log | sort | uniq -c    # or: docker logs NGINX 2>&1 | grep upstream:
  nginx -t && nginx -s reload    # in a container: docker exec NGINX nginx -s reload

What it is
  A name in `proxy_pass` or in an `upstream` block is looked up once, when nginx reads its configuration. The backend
  was recreated since (compose, a move, a changed record) and has another address.

Why nginx says 502, 504 or something strange
  The old address refuses (`connect() failed (111: Connection refused)`), is empty (`upstream timed out`, `113: No route
  to host`), or now belongs to somebody else, whose answers visitors get.

How it is told apart
  The name resolves to an address that answers when asked directly, the route still fails, and nginx's log names another
  address than any that the name has now. With the files younger than nginx's workers it is nginx-not-reloaded; where
  the address itself does not answer, it is the backend's fault. Of an address that is silent, nginx's log tells only
  later: until then its requests get no answer, while a backend answers that started after nginx had looked it up. (With
  Podman a container has another address after each start.)

  An old address that another container got since: the page is somebody else's, and no log tells. The container of the
  name and another one on the same port were started after nginx looked the name up; fixer asks both what nginx was
  asked, and nginx's answer is, word for word, the other one's. A name that containers of different programs have on one
  network (an alias written twice) leads to all of them: Docker's DNS gives every address, and nginx asks them in turn.

  One of several copies behind a name is gone, and nginx still has its address: the copy ran when nginx looked the name
  up and does not now, or nginx's log says that it fails to connect to an address beside those of the name. The others
  answer; who meets the dead one waits.

The repair and its safety
  remove-alias (manual): which of the containers is to have the name, only a person knows; the place is told.
  reload-nginx (safe; disruptive if too few requests fail to measure it): nginx -t, then a reload, which looks the
  name up again. It helps until the address changes again: for good, give nginx a resolver (in Docker `resolver
  127.0.0.11 valid=5s;`) and the name in a variable.
  start-service (safe): where a copy is gone that its restart policy brings back, start it; else that is the other
  choice, since whoever stopped it may have meant to.

Variants
  stale-dns                  the backend was recreated and has another address
  stale-dns-wrong-container  another container has the old address and answers in its place
  docker-alias-collision     containers of different programs share one name
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case, FailingAddress, accepts_connections, route_ids_to_host
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import age_text, clock_of, config_evidence, endpoint_text
from fixer.analysis.nginx_errors import events_for, routes_text, symptom_evidence
from fixer.analysis.nginx_process import is_about_other_route, is_ip_address, logged_address
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import AddressCandidate, Endpoint, ErrorEvent, Nginx, ProbeResult, RouteFacts, Service
from fixer.nginx.error_kinds import CONNECTING, KINDS

with lazy_imports():  # only for what is found
    from fixer.causes.dns_stale.replaced_container import collision_findings, find_stale_replicas
    from fixer.repairs.file_edits import check_and_reload_steps


_AT_ONCE_MS = 1000.0     # milliseconds within which an answer is no slow page


def judge(case: Case) -> Verdict:
    """Judge each name of a failing route: does nginx use an address that the name no longer has?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for trouble in case.failing_addresses:
        outcome = _judge_address(case, trouble)
        match outcome:
            case Finding():
                key = f"{outcome.node}/{trouble.endpoint.host}"
                old = findings.get(key)
                findings[key] = outcome if old is None else old.with_routes_of(outcome)
            case str():
                missing.append(outcome)
            case Evidence():
                ruled.append(outcome)
    found = [*findings.values(), *_container_findings(case)]
    return conclude([*found, *find_stale_replicas(case, {f"{f.node}/{r}" for f in found for r in f.routes})], missing,
                    ruled)


def _container_findings(case: Case) -> list[Finding]:
    """Return findings on names shared by two containers, and on old addresses that another container has now."""
    found: list[Finding] = []
    if any(isinstance(e.addresses, Known) and len(e.addresses.value) > 1 for e in case.snapshot.endpoints):
        found += collision_findings(case)
    if case.snapshot.address_candidates:

        found += stranger_findings(case)
    return found


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint, nginx = trouble.endpoint, trouble.nginx
    if endpoint.unix is not None or is_ip_address(endpoint.host) or not endpoint.host or nginx.master_pid is None:
        return config_evidence(case.snapshot, nginx, endpoint)
    if isinstance(endpoint.addresses, Unknown):
        return f"which addresses {endpoint.host} has now: {endpoint.addresses.reason}"
    now = endpoint.addresses.value
    if now and isinstance(endpoint.tcp, Unknown) and isinstance(endpoint.http, Unknown):
        return f"whether {endpoint_text(endpoint)} answers at the address of {endpoint.host} now: {endpoint.tcp.reason}"
    if not now or not accepts_connections(endpoint):     # what ends again and again gets another address each time
        return config_evidence(case.snapshot, nginx, endpoint)
    ours = [event for event in events_for(case, trouble, KINDS)
            if not is_about_other_route(case, trouble.routes, event)]
    asked = _asked_addresses([event for event in ours if event.kind in CONNECTING])
    # whatever failed at an address that it has now: nginx asks that one, and older lines are of older workers
    stale = [] if any(address in now for address in _asked_addresses(ours)) else list(asked)
    if not asked and (since := _start_after_lookup(case, trouble)):
        return _silent_finding(case, trouble, now, since)
    if not stale:
        text = f"{endpoint.host} resolves to {', '.join(now)}, which answers"
        return Evidence("probe", endpoint_text(endpoint), text)
    return _finding(case, trouble, stale[-1], now)


def _asked_addresses(events: Sequence[ErrorEvent]) -> tuple[str, ...]:
    """Return the addresses in nginx's lines. Clients can write log text, so they are only shown."""
    return tuple(dict.fromkeys(found for event in events if (found := logged_address(event))))


def _start_after_lookup(case: Case, trouble: FailingAddress) -> float:
    """Return when the backend of a name started, if nginx had looked the name up before, its requests get no answer in
    time, and the address that the name has now answers at once; else 0.0. nginx logs a silent address only later."""
    endpoint, nginx = trouble.endpoint, trouble.nginx
    service = case.service(endpoint.configured_service)
    heard = endpoint.http.or_else(None)
    routes = [judged.facts.route for judged in trouble.verdicts]
    at_start = all((route.upstream or "$" not in route.pass_text) and not any(
        server.resolves for server in route.servers) for route in routes)
    silent = all(judged.state == "slow" for judged in trouble.verdicts)
    if service is None or heard is None or heard.status is None or heard.ms > _AT_ONCE_MS or not (at_start and silent):
        return 0.0
    since = start_time_of(service)
    return since if since > nginx.loaded_at.or_else(math.inf) else 0.0


def _silent_finding(case: Case, trouble: FailingAddress, now: tuple[str, ...], since: float) -> Finding:
    endpoint, nginx = trouble.endpoint, trouble.nginx
    service = case.service(endpoint.configured_service)
    assert service is not None
    return Finding(
        cause=CAUSE.id, variant="stale-dns", role="root", confidence="likely",
        summary=f"nginx gets no answer for {routes_text(trouble)}: {service.name} started after nginx had looked up "
        f"{endpoint.host}, which resolves to {', '.join(now)} now and answers there",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            _start_evidence(case, nginx, service, since), _answer_evidence(endpoint, now),
            config_evidence(case.snapshot, nginx, endpoint), *symptom_evidence(case, trouble, CONNECTING),
        ))),
        repairs=(_reload_repair(case, trouble),),
    )


def _start_evidence(case: Case, nginx: Nginx, service: Service, since: float) -> Evidence:
    clock = clock_of(case.snapshot, nginx.node)
    started, loaded = age_text(max(0.0, clock - since)), age_text(max(0.0, clock - nginx.loaded_at.or_else(clock)))
    return Evidence("container" if service.container else "unit", service.name,
                    f"started {started} ago; nginx resolved the name {loaded} ago")


def _answer_evidence(endpoint: Endpoint, now: tuple[str, ...]) -> Evidence:
    return Evidence("probe", endpoint.host,
                    f"resolves to {', '.join(now)}, and {endpoint_text(endpoint)} answers there")


def _reload_repair(case: Case, trouble: FailingAddress) -> Repair:
    summary = f"check the configuration and reload nginx, which then resolves {trouble.endpoint.host} again (the " \
        "configuration in its memory cannot be restored)"
    return Repair("reload-nginx", "safe", summary, check_and_reload_steps(case.snapshot, trouble.nginx))


def _finding(case: Case, trouble: FailingAddress, old: str, now: tuple[str, ...]) -> Finding:
    endpoint, nginx = trouble.endpoint, trouble.nginx
    service = case.service(endpoint.configured_service)
    since = start_time_of(service) if service is not None else 0.0
    shown = [
        _answer_evidence(endpoint, now),
        Evidence("nginx-log", "upstream", f"nginx connects to {old}, which is no address of {endpoint.host}"),
    ]
    if service is not None and since > nginx.loaded_at.or_else(math.inf):
        shown.append(_start_evidence(case, nginx, service, since))
    return Finding(
        cause=CAUSE.id, variant="stale-dns", role="root", confidence="certain",
        summary=f"nginx hands {routes_text(trouble)} to {old}, an old address of {endpoint.host}, which now "
        f"resolves to {', '.join(now)}",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            *shown, config_evidence(case.snapshot, nginx, endpoint),
            *symptom_evidence(case, trouble, CONNECTING),
        ))),
        repairs=(_reload_repair(case, trouble),),
    )


CAUSE = Cause(
    id="dns-stale",
    title="nginx uses an address that the backend's name no longer has",
    family="network, firewall, SELinux",
    variants=("stale-dns", "stale-dns-wrong-container", "docker-alias-collision"),
    verdict=judge,
    page=__doc__,
)


# nginx still uses the old address of a name, and another container answers there.


def stranger_findings(case: Case) -> Iterator[Finding]:
    """Find routes where nginx returns the answer of the old address's new container, not of the name's."""
    done: set[str] = set()
    for stranger in case.snapshot.address_candidates:
        endpoint = case.endpoints[stranger.endpoint]
        theirs, ours = stranger.http, endpoint.http
        if not isinstance(theirs, Known) or not isinstance(ours, Known) or endpoint.host in done:
            continue
        if theirs.value.status is None or ours.value.status is None or _is_same_answer(theirs.value, ours.value):
            continue
        for facts in case.snapshot.routes:
            passed = _answers_through_nginx(facts, endpoint)
            if passed and all(_is_same_answer(answer, theirs.value) for answer in passed):
                done.add(endpoint.host)
                found = _stranger_finding(case, facts, endpoint, stranger)
                if found is not None:
                    yield found
                break


def _is_same_answer(one: ProbeResult, other: ProbeResult) -> bool:
    return (one.status, one.body) == (other.status, other.body)


def _answers_through_nginx(facts: RouteFacts, endpoint: Endpoint) -> tuple[ProbeResult, ...]:
    """Return nginx's answers if it requests the same page from the endpoint as the direct probe did."""
    route = facts.route
    plain = route.pass_text.partition("://")[2].find("/") < 0
    comparable = facts.endpoints == (endpoint.id,) and plain and route.path == endpoint.path
    return tuple(probe for probe in facts.probes.or_else(()) if comparable and not probe.page)


def _stranger_finding(case: Case, facts: RouteFacts, endpoint: Endpoint, stranger: AddressCandidate) -> Finding | None:
    nginx = case.snapshot.nginx_of(facts)
    now = endpoint.addresses.or_else(())
    if nginx is None or stranger.address in now:
        return None
    theirs = next((s for s in case.snapshot.services if s.node == stranger.node), None)
    name = theirs.name if theirs is not None else stranger.node
    routes = route_ids_to_host(case, nginx, endpoint.host)
    ours = endpoint.http.value.status if isinstance(endpoint.http, Known) else None
    given = stranger.http.value.status if isinstance(stranger.http, Known) else None
    service = case.service(endpoint.configured_service)
    return Finding(
        cause="dns-stale", variant="stale-dns-wrong-container", role="root", confidence="certain",
        summary=(f"nginx hands {facts.route.location} to {stranger.address}, an old address of {endpoint.host}; now "
                 f"{name} answers there, and {endpoint.host} resolves to {', '.join(now)}"),
        detail=(), routes=routes, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, nginx, endpoint),
            Evidence("probe", f"{endpoint.host} ({', '.join(now)})", f"{endpoint.path} answers {ours}"),
            Evidence("probe", f"{name} ({stranger.address})", f"{endpoint.path} answers {given}, as nginx does"),
            *(state_evidence(s) for s in (service, theirs) if s is not None),
        ))),
        repairs=(Repair(
            "reload-nginx", "safe", f"check the configuration and reload nginx, which then resolves {endpoint.host} "
            "again (the configuration in its memory cannot be restored)", check_and_reload_steps(case.snapshot, nginx),
        ),),
        effects=("stale-config",),
    )
