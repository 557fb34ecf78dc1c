"""Routes whose error page hides that nobody answers: the status is a good one, and nginx's own log says otherwise."""

from __future__ import annotations

import math

from fixer.analysis.route_verdict import (
    RouteVerdict,
    has_unloaded_config,
    is_closed,
    is_confirmed_closed,
    recent_events,
)
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, ProbeResult, RouteFacts, Service, Snapshot

_HTTP_FAILURES = frozenset({"closed", "reset", "not-http", "refused", "unreachable", "no-socket"})
_LOCAL_CLIENTS = frozenset({"127.0.0.1", "::1", "unix:"})


def reveal_error_page(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx | None,
                      snapshot: Snapshot) -> RouteVerdict:
    """A route that answers is degraded where what came is the page that its configuration gives instead of a 502.

    Either nginx logged the failure of our very request, or whoever is there gives no answer when asked directly and
    nginx failed there lately. A login or a cache may answer for the backend too; an error page needs a failure first.
    """
    route = verdict.facts.route
    if (verdict.state != "ok" or verdict.from_application or not route.masked_by or nginx is None
            or has_unloaded_config(nginx)):
        return verdict
    meant = [endpoint for endpoint in reached if not endpoint.down]
    probes = verdict.facts.probes.or_else(())
    if not meant or not probes or any((probe.status or 500) >= 500 for probe in probes):
        return verdict
    lines = recent_events(nginx, (verdict.facts,), snapshot)
    ours = [line for line in lines if _is_own_probe(line, verdict.facts, nginx, snapshot)]
    if not (_has_failed_everywhere(ours, meant, probes)
            or (lines and all(_has_no_answer(e, verdict.facts) for e in meant))):
        return verdict
    shown = Evidence("nginx-log", (ours or lines)[-1].where, (ours or lines)[-1].raw[:300])
    return replace(verdict, state="degraded", evidence=(*verdict.evidence, shown),
                   reason=f"{verdict.reason} by an error page ({route.masked_by}): nginx gets no answer behind it")


def _is_own_probe(event: ErrorEvent, facts: RouteFacts, nginx: Nginx, snapshot: Snapshot) -> bool:
    """About a request for this path from the machine itself, since this look began."""
    node = next((node for node in snapshot.nodes if node.name == nginx.node), None)
    if node is None or event.at < math.floor(node.now) or event.client not in _LOCAL_CLIENTS | set(node.addresses):
        return False
    return facts.route.path is not None and event.request.split(" ")[:2] == ["GET", facts.route.path]


def _has_failed_everywhere(ours: list[ErrorEvent], meant: list[Endpoint], probes: tuple[ProbeResult, ...]) -> bool:
    """All servers that nginx may ask failed it; a kept connection that ended is tried once more without a fault."""
    if any(event.message.startswith("no live upstreams") for event in ours):
        return True
    if len(ours) < len(meant):
        return False
    given = {(e.http.value.status, e.http.value.body) for e in meant if isinstance(e.http, Known)}
    answered = any((probe.status, probe.body) in given for probe in probes)
    return not answered or all("connecting" in event.phase or event.errno == 110 for event in ours)


def _has_no_answer(endpoint: Endpoint, facts: RouteFacts) -> bool:
    http = endpoint.http.or_else(None)
    if http is None or http.status is not None:
        return False
    return http.error in _HTTP_FAILURES or (http.error == "slow" and endpoint.path == facts.route.path)


# Servers of an upstream that are meant to run and do not, while nginx gets its answers from the others.
_CONNECT_UNANSWERED = frozenset({"slow", "unreachable"})      # what a connect meets where nobody even refuses it
_STARTED_PROGRAM_STATES = frozenset({"FATAL", "BACKOFF", "EXITED", "STARTING"})
_CLEAN_EXIT_CODES = (0, 137, 143)
_CLOSED_ERRNOS = (2, 111)       # no such socket, refused
_INACTIVE_STATES = ("inactive", "deactivating")


def mark_skipped_members(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx | None,
                         snapshot: Snapshot) -> RouteVerdict:
    """A route that answers is degraded where a server of its upstream is gone that its own manager means to run.

    One that was stopped and taken out of the boot, one that nobody is known to own, and a spare stay what they are: a
    person may have put them to rest. Where nginx may ask no other server, whoever meets a dead one gets 502.

    One that lets wait is missed whoever owns it: it costs visitors the whole time limit, each time nginx tries it.
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
    # where it was waits
    late = mute or (_has_answering_member(meant) and any(endpoint.addresses == Known(()) for endpoint in gone))
    if not gone or all(e in mute or is_dead(e, snapshot) for e in meant) or (verdict.state == "slow" and not late):
        return verdict
    why = f"; nginx asks no other ({route.one_try})" if route.one_try else ""
    if verdict.state == "degraded":
        if not mute:
            return replace(verdict, reason=f"{verdict.reason}{why}")
        gone = [endpoint for endpoint in meant if endpoint in gone or endpoint in dead]
    reason = f"{verdict.reason}, but {_skipped_members_text(route.upstream, gone, mute, len(meant))}{why}"
    return replace(verdict, state="degraded", reason=reason, skipped_members=tuple(endpoint.id for endpoint in gone))


def _mark_skipped_values(verdict: RouteVerdict, meant: list[Endpoint], nginx: Nginx,
                         snapshot: Snapshot) -> RouteVerdict:
    """Values of a variable are no group: whoever is led to a dead one gets 502, whatever the others answer.

    One that was put to rest may be led to by nobody any more. One counts that its own manager has started, or that
    visitors were refused at just now.
    """
    route = verdict.facts.route
    groups = {(server.span.file, server.span.start): server.group for server in route.servers}
    places: dict[str, list[Endpoint]] = {}
    for endpoint in meant:
        places.setdefault(groups.get((endpoint.file, endpoint.start)) or f"{endpoint.id}:", []).append(endpoint)
    dead = [members for members in places.values() if all(is_dead(e, snapshot) for e in members)]
    if verdict.state != "ok" or not dead or len(dead) == len(places):
        return verdict
    refused = [event.upstream for event in recent_events(nginx, (verdict.facts,), snapshot)
               if event.errno in _CLOSED_ERRNOS]
    gone = [members for members in dead if any(
        _has_started_service(e, snapshot) or any(_is_about_endpoint(text, e) for text in refused) for e in members)]
    if not gone:
        return verdict
    said = f"{len(gone)} of {len(places)} places that {route.pass_text} may lead to {'is' if len(gone) == 1 else 'are'}"
    ids = tuple(endpoint.id for members in gone for endpoint in members)
    return replace(verdict, state="degraded", reason=f"{verdict.reason}, but {said} down", skipped_members=ids)


def _skipped_members_text(upstream: str, gone: list[Endpoint], mute: list[Endpoint], all_of_them: int) -> str:
    one = len(gone) == 1
    what = f"servers of upstream {upstream}" if upstream else f"copies behind the name {gone[0].host}"
    how = ("is down" if one else "are down") if not mute else "does not answer" if one else "do not answer"
    names = [f"{e.single_address or e.host}:{e.port}" if e.unix is None else e.unix for e in mute]
    which = f" ({', '.join(names)})" if names else ""
    return f"{len(gone)} of {all_of_them} {what} {how}{which}"


def _silent_members(facts: RouteFacts, meant: list[Endpoint], nginx: Nginx, snapshot: Snapshot) -> list[Endpoint]:
    """Members that let wait whoever comes to them while another one answers the same request."""
    if not _has_answering_member(meant):
        return []
    silent = [e for e in meant if not e.backup and _is_connect_unanswered(e)]
    waiting = [e for e in meant if not e.backup and e not in silent and _has_timed_out(e)]
    late = {e.id for e in waiting if _is_suspended(e, snapshot)}
    if len(late) < len(waiting):
        timed_out = {event.upstream for event in recent_events(nginx, (facts,), snapshot) if event.errno == 110}
        late |= {e.id for e in waiting if any(_is_about_endpoint(text, e) for text in timed_out)}
    return [*silent, *(e for e in waiting if e.id in late)]


def _is_unknown_to_nginx(endpoint: Endpoint, meant: list[Endpoint], nginx: Nginx, snapshot: Snapshot) -> bool:
    """A copy without an address that was made after nginx had looked their name up: it never asks that one."""
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
    """Packets to it get no answer, or none of its own: no connect comes to an end there."""
    return isinstance(endpoint.tcp,
                      Known) and endpoint.tcp.value.error in _CONNECT_UNANSWERED and is_closed(endpoint) is not True


def _has_timed_out(endpoint: Endpoint) -> bool:
    """It takes the connection and gives no answer in time: alone that may be a slow page."""
    http = endpoint.http
    return isinstance(http, Known) and http.value.error == "slow" and http.value.arrived == 0


def _is_suspended(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Its processes were stopped by a signal, or its container is paused: it will not answer by itself."""
    service = snapshot.service(endpoint.listening_service or endpoint.configured_service or "")
    if service is None:
        return False
    if service.container is not None and service.container.status == "paused":
        return True
    node = next((node for node in snapshot.nodes if node.name == service.node), None)
    known = () if node is None or isinstance(node.processes, Unknown) else node.processes.value
    return any(process.state == "T" for process in known if process.pid in service.pids)


def _is_about_endpoint(upstream: str, endpoint: Endpoint) -> bool:
    """A line about this address. A visitor could write one: it weighs only where we were let wait there ourselves."""
    if endpoint.unix is not None:
        return f"unix:{endpoint.unix}:" in upstream
    hosts = {endpoint.single_address} if endpoint.single_address else {
        endpoint.host, *endpoint.addresses.or_else(())}
    return any(f"//{host}:{endpoint.port}/" in f"{upstream}/" for host in hosts)


def is_dead(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Nothing accepts there: seen twice, or seen once while its own manager says that it does not run."""
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    if is_confirmed_closed(endpoint) or service is None or service.running:
        return is_confirmed_closed(endpoint)
    closed = is_closed(endpoint)
    return closed is True or (service.container is not None and closed is None)     # its name leads nowhere any more


def _has_intended_service(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    return service is not None and is_intended_to_run(service)


def _has_started_service(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    return service is not None and is_started_by_manager(service)


def is_started_by_manager(service: Service) -> bool:
    """Its own manager has started it: it runs, is on its way, or was ended by a failure."""
    box, program = service.container, service.program
    if box is not None:
        return service.running or box.status == "restarting" or box.exit_code not in _CLEAN_EXIT_CODES
    if program is not None:
        return service.running or program.state in _STARTED_PROGRAM_STATES
    return any(unit.active_state not in _INACTIVE_STATES for unit in (service.unit, service.socket) if unit is not None)


def is_intended_to_run(service: Service) -> bool:
    """Started by its own manager, or to be started at the next boot."""
    box, program = service.container, service.program
    if is_started_by_manager(service):
        return True
    if box is not None:
        # `unless-stopped` that was stopped in order stays so at the next boot: somebody put it to rest.
        return box.restart_policy == "always"
    if program is not None:
        return program.autostart
    units = [unit for unit in (service.unit, service.socket) if unit is not None]
    return any(unit.unit_file_state.startswith("enabled") for unit in units)
