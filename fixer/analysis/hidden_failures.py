"""Failures that a good status hides: an error page instead of a 502, and upstream members that nginx skips."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fixer.analysis.directives_in_effect import directives_for
from fixer.analysis.other_pages import asked_paths
from fixer.analysis.route_verdict import (
    LOGGED_SECONDS,
    NGINX_PAGE,
    RouteVerdict,
    has_unloaded_config,
    is_closed,
    is_confirmed_closed,
    probe_text,
    recent_events,
)
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import PAGE_FAILURES
from fixer.model.snapshot import PROBE_REFERRER, Endpoint, ErrorEvent, Nginx, ProbeResult, RouteFacts, Snapshot
from fixer.nginx.error_kinds import CONNECTING, CUT_OFF, TIMED_OUT

_HTTP_FAILURES = frozenset({"closed", "reset", "not-http", "refused", "unreachable", "no-socket"})
SUBREQUEST = ', subrequest: "'      # in a line of nginx's error log, before the path of the location
SUBREQUEST_PATH = regex(r"\", subrequest: \"([^\s\"]*)\"")
_LIMITS = frozenset({"limit-requests", "limit-connections"})
LOCAL_CLIENTS = frozenset({"127.0.0.1", "::1", "unix:"})


def reveal_error_page(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx | None,
                      snapshot: Snapshot) -> RouteVerdict:
    """Mark a route as degraded if its good answer is the error page that its configuration sends instead of a 502, or
    the status of that page's own failure.

    Either nginx logged the failure of our own probe, or the backend does not answer a direct probe and nginx failed
    there recently. A login or a cache may also answer for the backend; an error page needs a failure first.
    """
    route = verdict.facts.route
    probes = verdict.facts.probes.or_else(())
    mask = route.masked_by or (route.failing_page if all(probe.status in PAGE_FAILURES for probe in probes) else "")
    if verdict.state != "ok" or verdict.from_application or not mask or nginx is None or has_unloaded_config(nginx):
        return verdict
    meant = [endpoint for endpoint in reached if not endpoint.down]
    if not meant or not probes or any((probe.status or 500) >= 500 for probe in probes):
        return verdict
    lines = recent_events(nginx, (verdict.facts,), snapshot)
    ours = [line for line in lines if _is_own_probe(line, verdict.facts, nginx, snapshot)]
    if not (_has_failed_everywhere(ours, verdict.facts, meant, probes)
            or (lines and all(_has_no_answer(e, verdict.facts) for e in meant))):
        return verdict
    shown = Evidence("nginx-log", (ours or lines)[-1].where, (ours or lines)[-1].raw)
    return replace(verdict, state="degraded", evidence=(*verdict.evidence, shown),
                   reason=f"{verdict.reason} by an error page ({mask}): nginx gets no upstream answer")


def reveal_own_failure(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx | None,
                       snapshot: Snapshot) -> RouteVerdict:
    """Mark a route as failing if nginx logged that our own request failed on its way to every backend: then the error
    is nginx's own, though a backend (another nginx, or this one) answers a direct request with the same page."""
    if verdict.state != "ok" or not verdict.from_application or nginx is None:
        return verdict
    probes, meant = verdict.facts.probes.or_else(()), [endpoint for endpoint in reached if not endpoint.down]
    ours = [line for line in recent_events(nginx, (verdict.facts,), snapshot)
            if _is_own_probe(line, verdict.facts, nginx, snapshot)]
    if any((probe.status or 500) < 500 for probe in probes) or not ours or len(ours) < _most_tried(
            verdict.facts, meant) or any(line.kind in CUT_OFF for line in ours):    # a kept connection is retried
        return verdict
    shown = Evidence("nginx-log", ours[-1].where, ours[-1].raw)
    return replace(verdict, state="failing", failed=verdict.total, succeeded=0, from_application=False,
                   evidence=(*verdict.evidence, shown), reason=f"{verdict.reason}: nginx gets no upstream answer")


def ignore_own_limit(verdict: RouteVerdict, nginx: Nginx | None, snapshot: Snapshot) -> RouteVerdict:
    """Judge a route by the other requests, or as unknown without any, if `limit_req` or `limit_conn` turned away some
    of ours, and none of a visitor: fixer asked more often than one visitor may. Where visitors are turned away, too,
    the route fails. The log may have been read before our request: the directive tells, too."""
    probes = verdict.facts.probes.or_else(())
    bad = [probe for probe in probes if (probe.status or 0) >= 500 or (
        (probe.status or 0) >= 400 and NGINX_PAGE in probe.body)]
    as_meant = verdict.state == "ok" and not verdict.from_application       # `return 503`
    if nginx is None or not bad or as_meant or any(probe.status in (502, 504) for probe in bad):
        return verdict
    lines = recent_events(nginx, (verdict.facts,), snapshot, lambda event: event.kind in _LIMITS)
    if len(lines) < len(bad) and any(NGINX_PAGE not in probe.body for probe in bad):
        return verdict      # the site's own error page: without a line for each of them, something else may give it
    is_limited = bool(lines) or any(placed.words[0] in ("limit_req", "limit_conn") for placed in directives_for(
        snapshot, nginx, verdict.facts.route))
    if not is_limited or not all(map(is_marked_as_probe, lines)):
        return verdict
    others = [probe for probe in probes if probe not in bad]
    if others and not any(probe.has_failed for probe in others):
        return replace(verdict, state="ok", reason=probe_text(others[0]), failed=0, total=len(others),
                       succeeded=len(others), from_application=False)
    reason = f"{verdict.reason}, from nginx, which limits how often a page may be asked: fixer asked more often"
    return replace(verdict, state="unknown", reason=reason, failed=0, from_application=False)


def is_marked_as_probe(event: ErrorEvent) -> bool:
    """Return whether the line names the referrer that only our probes send."""
    marked = event.raw.rpartition(', referrer: "')[2]
    return marked.startswith("http") and marked.rstrip('"').endswith(PROBE_REFERRER)


def lines_of_visitors(events: Sequence[ErrorEvent]) -> list[ErrorEvent]:
    """Return the lines that fixer's own requests did not cause; all where no other is left."""
    return [event for event in events if not is_marked_as_probe(event)] or [*events]


def _is_own_probe(event: ErrorEvent, facts: RouteFacts, nginx: Nginx, snapshot: Snapshot) -> bool:
    """Return whether the line is about a GET of a path that was asked for, from this machine since the look began."""
    node = next((node for node in snapshot.nodes if node.name == nginx.node), None)
    if node is None or event.at < math.floor(node.now) or event.client not in LOCAL_CLIENTS | set(node.addresses):
        return False
    method, _, path = event.request.partition(" ")
    return method == "GET" and path.partition(" ")[0] in asked_paths(facts)


def _most_tried(facts: RouteFacts, meant: list[Endpoint]) -> int:
    """Return how many servers nginx tries for one request: all of a group or of a name, but one value of a variable."""
    route = facts.route
    of_group = bool(route.upstream) or any(server.group for server in route.servers)
    return len(meant) if of_group or any(endpoint.single_address for endpoint in meant) else min(1, len(meant))


def _has_failed_everywhere(ours: list[ErrorEvent], facts: RouteFacts, meant: list[Endpoint],
                           probes: tuple[ProbeResult, ...]) -> bool:
    """Return whether every server of the route failed. A closed keepalive connection is retried and does not count."""
    if any(event.kind == "no-live-upstreams" for event in ours):
        return True
    if len(ours) < _most_tried(facts, meant):
        return False
    given = {(e.http.value.status, e.http.value.body) for e in meant if isinstance(e.http, Known)}
    answered = any((probe.status, probe.body) in given for probe in probes)
    return not answered or all(event.kind in CONNECTING | TIMED_OUT for event in ours)


def _has_no_answer(endpoint: Endpoint, facts: RouteFacts) -> bool:
    http = endpoint.http.or_else(None)
    if http is None or http.status is not None:
        return False
    return http.error in _HTTP_FAILURES or (http.error == "slow" and endpoint.path == facts.route.path)


# Members of an upstream that should run and do not, while nginx gets its answers from the others.
_CONNECT_UNANSWERED = frozenset({"slow", "unreachable"})      # a connect that gets no reply, not even a refusal


def mark_skipped_members(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx | None,
                         snapshot: Snapshot) -> RouteVerdict:
    """Mark an answering route as degraded if an upstream member is down that its service manager should run.

    A disabled member, a member without a known owner and a `backup` stay as they are: an operator may have stopped
    them. If nginx may try no other member, a request to a dead one gets 502, so each dead one counts.

    A member that never replies counts whoever owns it: each try costs a visitor the full time limit.
    """
    route = verdict.facts.route
    meant = [endpoint for endpoint in reached if not endpoint.down]
    if verdict.state not in ("ok", "degraded", "slow") or len(meant) < 2 or nginx is None or has_unloaded_config(nginx):
        return verdict
    unheard = [e for e in meant if _is_unknown_to_nginx(e, meant, nginx, snapshot)]
    meant = [endpoint for endpoint in meant if endpoint not in unheard] if unheard else meant
    if not (route.upstream or any(endpoint.single_address for endpoint in meant)):
        return _mark_skipped_values(verdict, meant, nginx, snapshot) if "$" in route.pass_text else verdict
    dead = [e for e in meant if not e.backup and is_dead(e, snapshot)]
    mute = _silent_members(verdict.facts, meant, nginx, snapshot)
    gone = [*(dead if route.one_try else [e for e in dead if _has_intended_service(e, snapshot)]), *mute]
    # a connect to the lost address of a container times out
    late = mute or (_has_answering_member(meant) and any(endpoint.addresses == Known(()) for endpoint in gone))
    if not gone or all(e in mute or is_dead(e, snapshot) for e in meant) or (verdict.state == "slow" and not late):
        return verdict
    why = f"; nginx tries no other server ({route.one_try})" if route.one_try else ""
    if verdict.state == "degraded":
        if not mute:
            return replace(verdict, reason=f"{verdict.reason}{why}")
        gone = [endpoint for endpoint in meant if endpoint in gone or endpoint in dead]
    reason = f"{verdict.reason}, but {_skipped_members_text(route.upstream, gone, mute, len(meant))}{why}"
    return replace(verdict, state="degraded", reason=reason, skipped_members=tuple(endpoint.id for endpoint in gone))


def _mark_skipped_values(verdict: RouteVerdict, meant: list[Endpoint], nginx: Nginx,
                         snapshot: Snapshot) -> RouteVerdict:
    """Mark a route as degraded if a value of its variable leads to a dead address: those requests get 502.

    An address counts if a Host or a path that the configuration names leads there. One that only a header, a cookie or
    an argument chooses may be in use by no request: it counts if its service manager has started the service, or if it
    refused visitors recently. One that no request can choose does not count. A name counts that nginx's resolver did
    not know for a visitor.
    """
    route = verdict.facts.route
    groups = {(server.span.file, server.span.start): server.group for server in route.servers}
    places: dict[str, list[Endpoint]] = {}
    for endpoint in meant:
        places.setdefault(groups.get((endpoint.file, endpoint.start)) or f"{endpoint.id}:", []).append(endpoint)
    choosers = {(server.span.file, server.span.start): server.chosen_by for server in route.servers}
    asked = {name: members for name, members in places.items()
             if any(choosers.get((e.file, e.start)) != "never" for e in members)}
    sure = [members for members in asked.values() if all(accepts_nothing(e) for e in members) and any(
        choosers.get((e.file, e.start)) == "config" for e in members)]
    dead = [members for members in asked.values() if all(is_dead(e, snapshot) for e in members)]
    dead += [members for members in sure if members not in dead]
    if verdict.state != "ok" or len(dead) == len(places):
        return verdict
    lines = recent_events(nginx, (verdict.facts,), snapshot)
    refused = [event.upstream for event in lines if event.kind in ("refused", "socket-missing")]
    unknown = {event.message.partition(" ")[0] for event in lines if event.kind == "name-not-resolved"}
    gone = [members for members in dead if members in sure or any(
        (choosers.get((e.file, e.start)) != "request" and _has_started_service(e, snapshot))
        or any(is_about_endpoint(text, e) for text in refused) for e in members)]
    gone += [members for members in asked.values() if members not in gone and all(e.host in unknown for e in members)]
    if not gone:
        return verdict
    down = f"{len(gone)} of {len(places)} targets of {route.pass_text} {'is' if len(gone) == 1 else 'are'} down"
    ids = tuple(endpoint.id for members in gone for endpoint in members)
    return replace(verdict, state="degraded", reason=f"{verdict.reason}, but {down}", skipped_members=ids)


def accepts_nothing(endpoint: Endpoint) -> bool:
    """Return whether a connect was refused or got no reply."""
    tcp = endpoint.tcp.or_else(None)
    return tcp is not None and (tcp.error in ("refused", "no-socket") or _is_connect_unanswered(endpoint))


def _skipped_members_text(upstream: str, gone: list[Endpoint], mute: list[Endpoint], all_of_them: int) -> str:
    one = len(gone) == 1
    what = f"servers of upstream {upstream}" if upstream else f"addresses of the name {gone[0].host}"
    how = ("is down" if one else "are down") if not mute else "does not answer" if one else "do not answer"
    names = [f"{e.single_address or e.host}:{e.port}" if e.unix is None else e.unix for e in mute]
    which = f" ({', '.join(names)})" if names else ""
    return f"{len(gone)} of {all_of_them} {what} {how}{which}"


def _silent_members(facts: RouteFacts, meant: list[Endpoint], nginx: Nginx, snapshot: Snapshot) -> list[Endpoint]:
    """Return the members that keep clients waiting while another member answers the same request."""
    if not _has_answering_member(meant):
        return []
    silent = [e for e in meant if not e.backup and _is_connect_unanswered(e)]
    waiting = [e for e in meant if not e.backup and e not in silent and _has_timed_out(e)]
    late = {e.id for e in waiting if _is_suspended(e, snapshot)}
    if len(late) < len(waiting):
        timed_out = {event.upstream for event in recent_events(nginx, (facts,), snapshot) if event.kind in TIMED_OUT}
        late |= {e.id for e in waiting if any(is_about_endpoint(text, e) for text in timed_out)}
    return [*silent, *(e for e in waiting if e.id in late)]


def _is_unknown_to_nginx(endpoint: Endpoint, meant: list[Endpoint], nginx: Nginx, snapshot: Snapshot) -> bool:
    """Return whether a replica without an address was created after nginx resolved the name: nginx never asks it."""
    if endpoint.single_address or endpoint.addresses != Known(()) or not isinstance(nginx.loaded_at, Known):
        return False
    if not any(e.single_address and (e.file, e.start) == (endpoint.file, endpoint.start) for e in meant):
        return False
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    return service is not None and service.container is not None and (
        service.container.created_at > nginx.loaded_at.value)


def _has_answering_member(meant: list[Endpoint]) -> bool:
    return any(isinstance(e.http, Known) and e.http.value.status is not None for e in meant)


def _is_connect_unanswered(endpoint: Endpoint) -> bool:
    """Return whether no connect completes there: packets to it get no reply, or none of its own."""
    return isinstance(endpoint.tcp,
                      Known) and endpoint.tcp.value.error in _CONNECT_UNANSWERED and is_closed(endpoint) is not True


def _has_timed_out(endpoint: Endpoint) -> bool:
    """Return whether it accepts the connection and sends no answer in time. Alone, that may be a slow page."""
    http = endpoint.http
    return isinstance(http, Known) and http.value.error == "slow" and http.value.arrived == 0


def _is_suspended(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Return whether a signal stopped its processes or its container is paused: it will not answer by itself."""
    service = snapshot.service(endpoint.listening_service or endpoint.configured_service or "")
    if service is None:
        return False
    if manager_of(service).is_paused():
        return True
    node = next((node for node in snapshot.nodes if node.name == service.node), None)
    known = () if node is None or isinstance(node.processes, Unknown) else node.processes.value
    return any(process.state == "T" for process in known if process.pid in service.pids)


def is_about_endpoint(upstream: str, endpoint: Endpoint) -> bool:
    """Return whether the line is about this address. Visitors can forge one: it counts only if our probe waited."""
    if endpoint.unix is not None:
        return f"unix:{endpoint.unix}:" in upstream
    hosts = {endpoint.single_address} if endpoint.single_address else {
        endpoint.host, *endpoint.addresses.or_else(())}
    return any(f"//{host}:{endpoint.port}/" in f"{upstream}/" for host in hosts)


def is_dead(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Return whether nothing accepts there: seen twice, or seen once while its service manager reports it down."""
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    if is_confirmed_closed(endpoint) or service is None or service.running:
        return is_confirmed_closed(endpoint)
    closed = is_closed(endpoint)
    return closed is True or (service.container is not None and closed is None)     # its name no longer resolves


def _has_intended_service(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    return service is not None and manager_of(service).is_intended()


def _has_started_service(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    return service is not None and manager_of(service).is_started()


def has_met_no_backend(
    verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx, snapshot: Snapshot,
) -> bool:
    """Return whether requests that fixer cannot ask for found no backend: of an internal location (`X-Accel-Redirect`,
    error page, `ssi`), or of a pass in an `if`. Whether the address accepts now is known: the line may be older.
    Failures of background subrequests (`mirror`) do not count: visitors do not see them."""
    route = verdict.facts.route
    if verdict.state != "unknown" or route.asked_first or not (route.internal or route.path is None) or not any(
            is_closed(endpoint) is not False for endpoint in reached):
        return False
    events = [e for e in recent_events(nginx, (verdict.facts,), snapshot, seconds=LOGGED_SECONDS)
              if e.errno and (route.included or SUBREQUEST not in e.raw)]
    return any(is_about_port(event, endpoint) for event in events for endpoint in reached)


def is_about_port(event: ErrorEvent, endpoint: Endpoint) -> bool:
    """Return whether the line names this port, or socket: the address of a container may be another one by now."""
    place = event.upstream.partition("://")[2]
    if endpoint.unix is not None:
        return place.startswith(f"unix:{endpoint.unix}:")
    return place.partition("/")[0].rpartition(":")[2] == str(endpoint.port)
