"""Comparison of two observations: is the finding fixed, did a working route stop; and the proofs of health."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from fixer.analysis.case import accepts_connections
from fixer.analysis.evidence import listeners_on, pids_of
from fixer.analysis.nginx_process import is_held_by_nginx, listen_places
from fixer.analysis.route_verdict import NGINX_PAGE
from fixer.diagnose.precedence import does_reveal_next, is_about_way
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import UNEXPLAINED, Diagnosis, Finding, Found, RouteHealth, Undetermined
from fixer.model.facts import Known
from fixer.model.report import Proof
from fixer.model.snapshot import Endpoint, Nginx, RouteFacts, Service, Snapshot

with lazy_imports():
    import hashlib  # only for journals

    from fixer.nginx.url_route import route_at_url  # only for --url

RouteKey: TypeAlias = tuple[str, str, str, str]     # node, listen, server name, location

_MARK_DIGITS = 16
_GATEWAY_TIMEOUT = 504
_PERMISSION_DENIED = "(13: Permission denied)"
_STATE_RANK = {"ok": 3, "degraded": 2, "unknown": 1, "failing": 0}


@dataclass(frozen=True, slots=True)
class Observation:
    """A snapshot with its diagnosis."""

    snapshot: Snapshot
    diagnosis: Diagnosis

    @property
    def is_healthy(self) -> bool:
        """Return whether no finding is root or contributing and the routes could be judged."""
        return self.diagnosis.verdict == "healthy"


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a round. `is_better` keeps it: the finding is fixed, no working route stopped, and it helped; or it is
    kept on credit (`has_helped` is False), since the next fault of the same route or service shows."""

    is_better: bool
    is_fixed: bool
    regressions: tuple[str, ...]
    has_helped: bool = True


def compare(before: Observation, after: Observation, addressed: Finding) -> Verification:
    """Judge a round by the observations before and after it. Answers decide, unless only the mechanism can prove it."""
    if _is_proven_by_mechanism(addressed):
        fixed = _is_condition_gone(before, after, addressed)
    else:
        fixed = _has_healed(before, after, addressed) or (not is_still_found(before, after, addressed) and (
            _is_answering_now(before, after, addressed) or not _has_new_unknowns(before, after, addressed.cause)
            or _has_revealed_fault(before, after, addressed) or addressed.is_seen_directly
            or _listens_now(before, after, addressed)))
    regressions = tuple(_regressions(before, after))
    helped = has_helped(before, after, addressed)
    kept = fixed and not regressions and (helped or _has_next_fault(before, after, addressed))
    return Verification(kept, fixed, regressions, helped)


def has_helped(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether a route of the finding does better than before, or has a smaller share of failures. One error for
    another is no help. A finding without routes has none to ask, and its mechanism proves a round without answers."""
    then, now = _health_by_key(before), _health_by_key(after)
    keys = route_keys(before.snapshot, addressed.routes) & then.keys()
    return _has_healed(before, after, addressed) or not keys or _is_proven_by_mechanism(addressed) or any(
        _does_better(then[key], now[key]) for key in (keys & now.keys()) - _still_waiting(before, after))


def _has_healed(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether all is well, and not only because the pages of the finding have given no answer."""
    return after.is_healthy and not route_keys(before.snapshot, addressed.routes) & _still_waiting(before, after)


def _still_waiting(before: Observation, after: Observation) -> frozenset[RouteKey]:
    """Return the routes for which nginx gave up on its backend before, and that give no answer in time now."""
    late, silent = (
        {key for facts in look.snapshot.routes for key in _keys_of_route(facts)
         if {probe.status for probe in facts.probes.or_else(())} == {status}}
        for look, status in ((before, _GATEWAY_TIMEOUT), (after, None)))
    return frozenset(late & silent)


def _does_better(then: RouteHealth, now: RouteHealth) -> bool:
    if now.state == then.state == "degraded":
        return now.failed_share < then.failed_share
    return _STATE_RANK[now.state] > _STATE_RANK[then.state]


def _is_proven_by_mechanism(addressed: Finding) -> bool:
    return any(repair.proof == "mechanism" for repair in addressed.repairs)


def _has_next_fault(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether another fault of the same route or service explains why the page is still broken. One that is only
    likely does so if the state of the route has changed, if its address accepts connections by now, if its repair
    waited for this service, or if no route could be judged before or after: where nginx does not run, no page can
    answer better. Once it runs, even one that is possible is what it met next."""
    then, now = _health_by_key(before), _health_by_key(after)
    keys = route_keys(before.snapshot, addressed.routes)
    changed = any((then[key].state, then[key].reason) != (now[key].state, now[key].reason)
                  for key in keys & then.keys() & now.keys())
    changed = changed or (is_about_way(addressed.cause) and _is_accepted_now(before, after, addressed))
    states = [health[key].state for health in (then, now) for key in keys & health.keys()]
    unseen = all(state == "unknown" for state in states)
    begun = changed and all(then[key].state == "unknown" for key in keys & then.keys())
    waited = {found.cause for found in before.diagnosis.findings for repair in found.repairs
              if repair.after and repair.after == addressed.service}
    return any(found.confidence == "certain" or begun or (
        found.confidence == "likely" and (changed or unseen or found.cause in waited))
               for found in faults_of(after, keys, addressed) if found.cause != UNEXPLAINED)


def _is_accepted_now(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether an address of its routes accepts a connection that it did not accept before: the way is open."""
    keys = route_keys(before.snapshot, addressed.routes)
    asked = {name for facts in before.snapshot.routes if keys.intersection(_keys_of_route(facts))
             for name in facts.endpoints}
    shut = {(end.node, end.host, end.port, end.unix) for end in before.snapshot.endpoints
            if end.id in asked and not accepts_connections(end)}
    return any((end.node, end.host, end.port, end.unix) in shut and accepts_connections(end)
               for end in after.snapshot.endpoints)


def faults_of(look: Observation, keys: frozenset[RouteKey], addressed: Finding) -> tuple[Finding, ...]:
    """Return the faults of these routes and of those of nginx's own servers behind them, or of the same service."""
    own, keys = (addressed.node, addressed.service), keys | _inner_route_keys(look.snapshot, keys)
    return tuple(
        found for found in look.diagnosis.findings if found.is_at_fault and (
            keys & route_keys(look.snapshot, found.routes)
            or (found.service is not None and (found.node, found.service) == own)))


def _inner_route_keys(snapshot: Snapshot, keys: frozenset[RouteKey]) -> frozenset[RouteKey]:
    """Return the keys of the routes that nginx's own servers have at the addresses of these routes."""
    ours = {name for facts in snapshot.routes if keys.intersection(_keys_of_route(facts)) for name in facts.endpoints}
    inner = {(end.node, end.unix or str(end.port)) for end in snapshot.endpoints
             if end.id in ours and is_held_by_nginx(snapshot, end)}
    return frozenset(key for facts in snapshot.routes if any((facts.node, place) in inner
                                                             for place in listen_places(facts.route))
                     for key in _keys_of_route(facts))


def _is_condition_gone(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether the condition of the finding is gone. Its routes answered before, so that they answer proves
    nothing, nor does a healthy verdict. A state that is observed directly has ended if it is not found any more."""
    return not is_still_found(before, after, addressed) and (
        addressed.is_seen_directly or not _has_new_unknowns(before, after, addressed.cause))


def is_still_found(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether the fault itself is found on a route or a service of the finding."""
    then, now = _keys_by_id(before.snapshot), _keys_by_id(after.snapshot)
    alike = [f.service for f in before.diagnosis.findings if f.cause == addressed.cause]
    neighbours = {*alike} - {addressed.service, None}
    routes = {key for route in addressed.routes for key in then.get(route, ())}
    explained = {route for f in _new_root_findings(before, after) for route in f.routes}
    for finding in after.diagnosis.findings:
        if finding.role == "consequence" and finding.routes and explained.issuperset(finding.routes):
            continue        # its new root is visible now and is repaired next
        if finding.cause != addressed.cause or finding.role == "advice" or _is_next_fault(addressed, finding):
            continue
        if addressed.service is not None and finding.service in neighbours:
            continue        # another member of the upstream, which had this fault before
        others = {key for route in finding.routes for key in now.get(route, ())}
        # compare routes if both have some: two routes of one service can each have the fault
        same = bool(routes & others) if routes and others else finding.service == addressed.service
        if same:
            return True
    return False


def _new_root_findings(before: Observation, after: Observation) -> Iterator[Finding]:
    """Return root findings of causes that the observation before did not find."""
    known = {finding.cause for finding in before.diagnosis.findings}
    yield from (f for f in after.diagnosis.findings if f.role == "root" and f.cause not in known)


def _is_next_fault(addressed: Finding, now: Finding) -> bool:
    """Return whether this is the next fault of the same kind: another value is needed now. A program reports one
    missing variable at a time, and systemd one fault of a unit."""
    if addressed.service == now.service and addressed.variant != now.variant:
        if addressed.is_seen_directly:
            return True
        if does_reveal_next(addressed.cause):
            return None not in (addressed.variant, now.variant)
    then, keys = ({need.key for repair in f.repairs for need in repair.needs} for f in (addressed, now))
    return bool(then and keys) and not then & keys


def _is_answering_now(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether every route of the finding answers. What is still unknown concerns other routes."""
    now = _health_by_key(after)
    keys = route_keys(before.snapshot, addressed.routes)
    return bool(keys) and all(key in now and now[key].state == "ok" for key in keys)


def _has_revealed_fault(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether another cause, certain and hidden before, now explains every failing route of the finding. The
    first finding hid it; losing sight of the first does not mean that it persists."""
    now, health = _keys_by_id(after.snapshot), _health_by_key(after)
    told = {key for f in _new_root_findings(before, after) if f.confidence == "certain"
            for route in f.routes for key in now.get(route, ())}
    keys = route_keys(before.snapshot, addressed.routes)
    return bool(keys) and all(key in told or (key in health and health[key].state == "ok") for key in keys)


def _listens_now(before: Observation, after: Observation, addressed: Finding) -> bool:
    """Return whether the service of the finding did not run, and runs and listens now. What is unknown since concerns
    what else is at fault. A container that was made for it is a node of its own."""
    if addressed.service is None or any(s.running for s in _services_of(before, addressed) if s.node == addressed.node):
        return False
    now = [s for s in _services_of(after, addressed) if s.running]
    mine = [s for s in now if s.node == addressed.node] or (now if len(now) == 1 else [])
    return any(set(s.pids).intersection(pids_of(held)) for s in mine for held in listeners_on(after.snapshot, s.node))


def _services_of(look: Observation, addressed: Finding) -> list[Service]:
    return [service for service in look.snapshot.services if service.name == addressed.service]


def _has_new_unknowns(before: Observation, after: Observation, cause: str) -> bool:
    """Return whether a fact about the cause is unknown now that was known before. Older unknowns do not count."""
    missing = [set(_missing_facts(look, cause)) for look in (before, after)]
    return bool(missing[1] - missing[0])


def _missing_facts(look: Observation, cause: str) -> Iterator[str]:
    for check in look.diagnosis.checks:
        if check.cause == cause and isinstance(check.verdict, Undetermined | Found):
            yield from check.verdict.missing or (("why",) if isinstance(check.verdict, Undetermined) else ())


def _regressions(before: Observation, after: Observation) -> Iterator[str]:
    now = _health_by_key(after)
    for key, health in _health_by_key(before).items():
        if health.state not in ("ok", "degraded"):
            continue
        found = now.get(key)
        if found is None:
            yield f"{_route_name(key)} is missing now"
        elif _STATE_RANK[found.state] < _STATE_RANK[health.state]:
            yield f"{_route_name(key)} answered before; now: {found.reason or found.state}"


def _health_by_key(look: Observation) -> dict[RouteKey, RouteHealth]:
    health = {entry.route: entry for entry in look.diagnosis.health}
    worst: dict[RouteKey, RouteHealth] = {}
    for facts in look.snapshot.routes:
        entry = health.get(facts.route.id)
        for key in _keys_of_route(facts) if entry is not None else ():
            known = worst.get(key)
            if entry is not None and (known is None or _STATE_RANK[entry.state] < _STATE_RANK[known.state]):
                worst[key] = entry
    return worst


def route_keys(snapshot: Snapshot, ids: tuple[str, ...]) -> frozenset[RouteKey]:
    """Return keys that identify these routes in any observation. Route ids are valid in one observation only."""
    known = _keys_by_id(snapshot)
    return frozenset(key for name in ids for key in known.get(name, ()))


def unmeasured_marks(before: Observation, addressed: Finding) -> tuple[str, ...]:
    """Return marks of the routes of a finding, for the journal of a round that their answers do not prove."""
    return tuple(sorted(map(_route_mark, route_keys(before.snapshot, addressed.routes))))


def failing_marks(look: Observation) -> dict[str, str]:
    """Return the names of routes with failing requests by their marks, also of failures that nginx logged only."""
    logged = (finding.routes for finding in look.diagnosis.findings
              if finding.cause == UNEXPLAINED and finding.is_at_fault)
    failing = route_keys(look.snapshot, tuple(route for routes in logged for route in routes)) | {
        key for key, health in _health_by_key(look).items() if health.state in ("failing", "degraded")}
    return {_route_mark(key): _route_name(key) for key in sorted(failing)}


def _route_mark(key: RouteKey) -> str:
    """Return a mark of a route: a journal holds no text of a configuration, which may contain a secret."""
    return hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_DIGITS]


def _keys_by_id(snapshot: Snapshot) -> dict[str, tuple[RouteKey, ...]]:
    return {facts.route.id: _keys_of_route(facts) for facts in snapshot.routes}


def _keys_of_route(facts: RouteFacts) -> tuple[RouteKey, ...]:
    route = facts.route
    return tuple((facts.node, route.listen_text, name, route.location) for name in route.server_names or ("",))


def _route_name(key: RouteKey) -> str:
    return f"{key[3]} on {key[2] or '_'} ({key[1]})"


def proofs(look: Observation) -> tuple[Proof, ...]:
    """Return the checks that prove health: nginx -t, nginx up, each backend, each route through nginx.

    The verdict is the diagnosis' own: a backend fails only if a route to it does not answer.
    """
    snapshot = look.snapshot
    used = {name for facts in snapshot.routes for name in facts.endpoints}
    health = {entry.route: entry for entry in look.diagnosis.health}
    led = {name: {health[facts.route.id].state for facts in snapshot.routes
                  if name in facts.endpoints and facts.route.id in health} for name in used}
    well = {name for name, states in led.items() if "ok" in states and not states & {"failing", "degraded"}}
    return (
        *(_nginx_test_proof(nginx, snapshot) for nginx in snapshot.nginxes),
        *(_nginx_up_proof(nginx) for nginx in snapshot.nginxes),
        *(_backend_proof(endpoint, well=endpoint.id in well) for endpoint in snapshot.endpoints
          if endpoint.id in used and not endpoint.down),
        *(_route_proof(facts, health.get(facts.route.id)) for facts in snapshot.routes),
        *(Proof("no-failure-lasts", "failed", shown.where, finding.summary)
          for finding in look.diagnosis.findings if finding.cause == UNEXPLAINED and finding.is_at_fault
          for shown in finding.evidence[:1]),
    )


def _nginx_test_proof(nginx: Nginx, snapshot: Snapshot) -> Proof:
    """Return the proof of `nginx -t`. Permission denied without root says nothing about nginx itself."""
    ordinary = any(node.name == nginx.node and not node.root for node in snapshot.nodes)
    match nginx.test:
        case Known((_, output)) if ordinary and _PERMISSION_DENIED in (refusal := _refusal_text(output)):
            return Proof("nginx-test", "unknown", nginx.conf_path, f"fixer is not root: {refusal}")
        case Known((0, _)):
            return Proof("nginx-test", "passed", nginx.conf_path, "nginx -t passes")
        case Known((_, output)):
            return Proof("nginx-test", "failed", nginx.conf_path, _refusal_text(output))
        case unknown:
            return Proof("nginx-test", "unknown", nginx.conf_path, unknown.reason)


def _refusal_text(output: str) -> str:
    lines = output.splitlines() or ["nginx -t fails"]
    return next((line for line in lines if "[emerg]" in line), lines[0])


def _nginx_up_proof(nginx: Nginx) -> Proof:
    if nginx.master_pid is None:
        return Proof("nginx-up", "failed", nginx.node, "no master process")
    return Proof("nginx-up", "passed", nginx.node, f"pid {nginx.master_pid}, {len(nginx.worker_pids)} workers")


def _backend_proof(endpoint: Endpoint, *, well: bool) -> Proof:
    """Return the proof that a backend answers. `well`: nginx answers through it or passes over it, and our direct
    request is one that it does not serve. An error page of nginx is no answer of a backend: nginx asks itself, or a
    gateway that gets none either."""
    match endpoint.http:
        case Known(probe) if (probe.status or 0) >= 500 and NGINX_PAGE in probe.body:
            return Proof("backend-answers", "unknown" if well else "failed", endpoint.written,
                         f"HTTP {probe.status}, a page of nginx itself")
        case Known(probe) if probe.status is not None:
            return Proof("backend-answers", "passed", endpoint.written, f"HTTP {probe.status}")
        case Known(probe):
            return Proof("backend-answers", "unknown" if well else "failed", endpoint.written,
                         probe.error or "no answer")
        case unknown:
            return Proof("backend-answers", "unknown", endpoint.written, unknown.reason)


def _route_proof(facts: RouteFacts, health: RouteHealth | None) -> Proof:
    where = f"{facts.route.location} on {(*facts.route.server_names, '_')[0] or '_'} ({facts.route.listen_text})"
    if health is None or health.state == "unknown":
        return Proof("route-answers", "unknown", where, health.reason if health else "not probed")
    state: Literal["passed", "failed"] = "passed" if health.state == "ok" else "failed"
    text = f"{health.reason}, which nginx only passes on" if health.passed_on else health.reason
    return Proof("route-answers", state, where, text, partly=health.state == "degraded")


def url_notes(look: Observation, url: str) -> tuple[str, ...]:
    """Explain a 502 at the user's URL that this nginx does not cause. Empty without a URL."""
    if not url:
        return ()
    route = _route_at_url(look.snapshot, url)
    if route is None:
        return (f"no route of this nginx serves {url}: the name resolves elsewhere, or nginx answers it itself",)
    health = next((entry for entry in look.diagnosis.health if entry.route == route), None)
    if health is None or health.state != "ok" or health.passed_on or any(
            route in finding.routes for finding in look.diagnosis.findings if finding.is_at_fault):
        return ()
    return (f"this nginx answers {url} ({health.reason}): a 502 seen there comes from a proxy in front of it",)


def _route_at_url(snapshot: Snapshot, url: str) -> str | None:
    """Return the id of the route that serves the URL: the one that was asked, else what the configurations say."""
    asked = next((facts.route.id for facts in snapshot.routes if facts.url_asked), None)
    found = (route_at_url(nginx.config.or_else(None), [f.route for f in snapshot.routes if nginx.serves(f)], url)
             for nginx in snapshot.nginxes if asked is None)
    return asked or next((route.id for route in found if route is not None), None)
