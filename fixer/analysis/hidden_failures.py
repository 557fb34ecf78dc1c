"""Routes whose error page hides that nobody answers: the status is a good one, and nginx's own log says otherwise."""

from __future__ import annotations

import math

from fixer.analysis.route_verdict import Judged, fresh_events, is_closed, is_edited, is_empty
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, ProbeResult, RouteFacts, Service, Snapshot

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


# Servers of an upstream that are meant to run and do not, while nginx gets its answers from the others.
_UNHEARD = frozenset({"slow", "unreachable"})      # what a connect meets where nobody even refuses it
_GIVEN_UP = frozenset({"FATAL", "BACKOFF", "EXITED", "STARTING"})
_STOPPED_IN_ORDER = (0, 137, 143)
_CLOSED = (2, 111)       # no such socket, refused
_AT_REST = ("inactive", "deactivating")


def weigh_members(verdict: Judged, reached: tuple[Endpoint, ...], nginx: Nginx | None, snapshot: Snapshot) -> Judged:
    """A route that answers is degraded where a server of its upstream is gone that its own manager means to run.

    One that was stopped and taken out of the boot, one that nobody is known to own, and a spare stay what they are: a
    person may have put them to rest. Where nginx may ask no other server, whoever meets a dead one gets 502.

    One that lets wait is missed whoever owns it: it costs visitors the whole time limit, each time nginx tries it.
    """
    route = verdict.facts.route
    meant = [endpoint for endpoint in reached if not endpoint.down]
    if verdict.state not in ("ok", "degraded", "slow") or len(meant) < 2 or nginx is None or is_edited(nginx):
        return verdict
    unheard = [e for e in meant if _is_unheard_of(e, meant, nginx, snapshot)]
    meant = [endpoint for endpoint in meant if endpoint not in unheard] if unheard else meant
    if not (route.upstream or any(endpoint.at for endpoint in meant)):
        return _weigh_values(verdict, meant, nginx, snapshot) if "$" in route.pass_text else verdict
    dead = [e for e in meant if not e.backup and is_dead(e, snapshot)]
    mute = _mute(verdict.facts, meant, nginx, snapshot)
    gone = [*(dead if route.one_try else [e for e in dead if _is_missed(e, snapshot)]), *mute]
    late = mute or (_speaks(meant) and any(endpoint.addresses == Known(()) for endpoint in gone))   # where it was waits
    if not gone or all(e in mute or is_dead(e, snapshot) for e in meant) or (verdict.state == "slow" and not late):
        return verdict
    why = f"; nginx asks no other ({route.one_try})" if route.one_try else ""
    if verdict.state == "degraded":
        if not mute:
            return replace(verdict, reason=f"{verdict.reason}{why}")
        gone = [endpoint for endpoint in meant if endpoint in gone or endpoint in dead]
    reason = f"{verdict.reason}, but {_say_gone(route.upstream, gone, mute, len(meant))}{why}"
    return replace(verdict, state="degraded", reason=reason, gone=tuple(endpoint.id for endpoint in gone))


def _weigh_values(verdict: Judged, meant: list[Endpoint], nginx: Nginx, snapshot: Snapshot) -> Judged:
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
    refused = [event.upstream for event in fresh_events(nginx, (verdict.facts,), snapshot) if event.errno in _CLOSED]
    gone = [members for members in dead if any(
        _is_started(e, snapshot) or any(_is_about(text, e) for text in refused) for e in members)]
    if not gone:
        return verdict
    said = f"{len(gone)} of {len(places)} places that {route.pass_text} may lead to {'is' if len(gone) == 1 else 'are'}"
    ids = tuple(endpoint.id for members in gone for endpoint in members)
    return replace(verdict, state="degraded", reason=f"{verdict.reason}, but {said} down", gone=ids)


def _say_gone(upstream: str, gone: list[Endpoint], mute: list[Endpoint], all_of_them: int) -> str:
    one = len(gone) == 1
    what = f"servers of upstream {upstream}" if upstream else f"copies behind the name {gone[0].host}"
    how = ("is down" if one else "are down") if not mute else "does not answer" if one else "do not answer"
    which = f" ({', '.join(f'{e.at or e.host}:{e.port}' if e.unix is None else e.unix for e in mute)})" if mute else ""
    return f"{len(gone)} of {all_of_them} {what} {how}{which}"


def _mute(facts: RouteFacts, meant: list[Endpoint], nginx: Nginx, snapshot: Snapshot) -> list[Endpoint]:
    """Members that let wait whoever comes to them while another one answers the same request."""
    if not _speaks(meant):
        return []
    silent = [e for e in meant if not e.backup and _is_unheard(e)]
    waiting = [e for e in meant if not e.backup and e not in silent and _lets_wait(e)]
    late = {e.id for e in waiting if _is_frozen(e, snapshot)}
    if len(late) < len(waiting):
        timed_out = {event.upstream for event in fresh_events(nginx, (facts,), snapshot) if event.errno == 110}
        late |= {e.id for e in waiting if any(_is_about(text, e) for text in timed_out)}
    return [*silent, *(e for e in waiting if e.id in late)]


def _is_unheard_of(endpoint: Endpoint, meant: list[Endpoint], nginx: Nginx, snapshot: Snapshot) -> bool:
    """A copy without an address that was made after nginx had looked their name up: it never asks that one."""
    if endpoint.at or endpoint.addresses != Known(()) or not isinstance(nginx.loaded_at, Known):
        return False
    if not any(e.at and (e.file, e.start) == (endpoint.file, endpoint.start) for e in meant):
        return False
    service = None if endpoint.service is None else snapshot.service(endpoint.service)
    return service is not None and service.container is not None and (
        service.container.created_at > nginx.loaded_at.value)


def _speaks(meant: list[Endpoint]) -> bool:
    return any(isinstance(e.http, Known) and e.http.value.status is not None for e in meant)


def _is_unheard(endpoint: Endpoint) -> bool:
    """Packets to it get no answer, or none of its own: no connect comes to an end there."""
    return isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error in _UNHEARD and is_closed(endpoint) is not True


def _lets_wait(endpoint: Endpoint) -> bool:
    """It takes the connection and gives no answer in time: alone that may be a slow page."""
    http = endpoint.http
    return isinstance(http, Known) and http.value.error == "slow" and http.value.arrived == 0


def _is_frozen(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Its processes were stopped by a signal, or its container is paused: it will not answer by itself."""
    service = snapshot.service(endpoint.holder or endpoint.service or "")
    if service is None:
        return False
    if service.container is not None and service.container.status == "paused":
        return True
    node = next((node for node in snapshot.nodes if node.name == service.node), None)
    known = () if node is None or isinstance(node.processes, Unknown) else node.processes.value
    return any(process.state == "T" for process in known if process.pid in service.pids)


def _is_about(upstream: str, endpoint: Endpoint) -> bool:
    """A line about this address. A visitor could write one: it weighs only where we were let wait there ourselves."""
    if endpoint.unix is not None:
        return f"unix:{endpoint.unix}:" in upstream
    hosts = {endpoint.at} if endpoint.at else {endpoint.host, *(
        endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ())}
    return any(f"//{host}:{endpoint.port}/" in f"{upstream}/" for host in hosts)


def is_dead(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Nothing accepts there: seen twice, or seen once while its own manager says that it does not run."""
    service = None if endpoint.service is None else snapshot.service(endpoint.service)
    if is_empty(endpoint) or service is None or service.running:
        return is_empty(endpoint)
    closed = is_closed(endpoint)
    return closed is True or (service.container is not None and closed is None)     # its name leads nowhere any more


def _is_missed(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = None if endpoint.service is None else snapshot.service(endpoint.service)
    return service is not None and is_meant_to_run(service)


def _is_started(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = None if endpoint.service is None else snapshot.service(endpoint.service)
    return service is not None and is_started(service)


def is_started(service: Service) -> bool:
    """Its own manager has started it: it runs, is on its way, or was ended by a failure."""
    box, program = service.container, service.program
    if box is not None:
        return service.running or box.status == "restarting" or box.exit_code not in _STOPPED_IN_ORDER
    if program is not None:
        return service.running or program.state in _GIVEN_UP
    return any(unit.active_state not in _AT_REST for unit in (service.unit, service.socket) if unit is not None)


def is_meant_to_run(service: Service) -> bool:
    """Started by its own manager, or to be started at the next boot."""
    box, program = service.container, service.program
    if is_started(service):
        return True
    if box is not None:
        # `unless-stopped` that was stopped in order stays so at the next boot: somebody put it to rest.
        return box.restart_policy == "always"
    if program is not None:
        return program.autostart
    units = [unit for unit in (service.unit, service.socket) if unit is not None]
    return any(unit.unit_file_state.startswith("enabled") for unit in units)
