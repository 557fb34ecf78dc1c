"""Notes on failing routes without a proven cause: what each endpoint answers, and nginx's log lines."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from fixer.analysis.case import Case, PortOwner
from fixer.analysis.dependency.startup_script import find_waiting_script, not_started_text, running_command_text
from fixer.analysis.evidence import (
    address_text,
    container_of,
    endpoint_text,
    file_line_text,
    find_node,
    listeners_on,
    pids_of,
    processes_of,
)
from fixer.analysis.exits.exit_reason import last_error_lines
from fixer.analysis.exits.failed_run import failed_runs
from fixer.analysis.exits.last_output import logged_error_text, silent_exit_text
from fixer.analysis.other_pages import endpoints_for_page
from fixer.analysis.ownership.configured import configured_owner, is_configured_at
from fixer.analysis.ownership.container_network import lost_shared_network
from fixer.analysis.ownership.tie_break import pm2_circus_notes, podman_services
from fixer.analysis.route_verdict import RECENT_ERROR, RouteVerdict, is_closed, is_confirmed_closed, recent_events
from fixer.analysis.run_log import program_lines
from fixer.formats.addresses import is_loopback
from fixer.formats.numbers import is_number
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import ErrorKind, Listen
from fixer.model.snapshot import Endpoint, Listener, Nginx, ProbeResult, Service

MAX_SHOWN = 5
_MAX_TEXT = 200    # characters of a message that may hold backend output


def unexplained_notes(case: Case, puzzling: Container[str]) -> Iterator[str]:
    """Return one note for each of the first unexplained routes, then the last log lines of failed services."""
    left = [j for j in case.verdicts.values() if j.facts.route.id in puzzling]
    for judged in left[:MAX_SHOWN]:
        yield _route_text(case, judged)
    if len(left) > MAX_SHOWN:
        yield f"no cause proven for {len(left) - MAX_SHOWN} more routes"
    if left:
        yield from (*_podman_notes(case, left), *_unasked_server_notes(case, left), *_inner_listen_notes(case, left),
                    *_unloaded_unit_notes(case, left),
                    *_cut_off_notes(case), *pm2_circus_notes(case))
    if left and any(service.manager == "none" and service.pids for service in case.snapshot.services):

        yield from shell_notes(case)
    if any(service.container is not None for service in case.snapshot.services) and left:

        yield from container_notes(case, left)
    unblamed = {judged.facts.route.id for judged in left}
    for crash in failed_runs(case).found if left else ():
        ending = " / ".join(line.text.strip()[:_MAX_TEXT] for line in last_error_lines(program_lines(crash.lines)))
        if not unblamed.intersection(crash.routes):
            continue
        yield (f"{crash.service.name} failed; its log ends with: {ending}" if ending
               else f"{crash.service.name} failed; {silent_exit_text(crash.service)}")


def _unasked_server_notes(case: Case, left: Sequence[RouteVerdict]) -> Iterator[str]:
    """Return notes on app servers that no route uses, on the node of a closed endpoint. Nothing proves that one is
    intended, and any user may have started it, so the operator decides."""
    reached = [case.endpoints[name] for judged in left for name in judged.facts.endpoints]
    empty = {endpoint.node: endpoint for endpoint in reversed(reached) if is_closed(endpoint)
             and not endpoint.container_port}
    asked = {name for endpoint in case.snapshot.endpoints
             for name in (endpoint.configured_service, endpoint.listening_service)}
    for node, endpoint in empty.items():
        free = [s for s in case.snapshot.services if s.node == node and s.is_app_server and s.id not in asked
                and not s.is_hand_started]
        held = [(s, x) for s in free for x in listeners_on(case.snapshot, node) if set(pids_of(x)) & set(s.pids)]
        shown = ", ".join(f"{s.name} ({_process_text(case, s)}) on {_listener_text(line)}" for s,
                          line in held[:MAX_SHOWN])
        if shown:
            yield (f"no route uses these servers on the node of {endpoint_text(endpoint)}, perhaps another user's: "
                   f"{shown}")


def _inner_listen_notes(case: Case, left: Sequence[RouteVerdict]) -> Iterator[str]:
    """Return notes on a loopback listener of this nginx that no route uses. In a chain of two hops, the port of one of
    them was changed."""
    asked = {endpoint.port for endpoint in case.snapshot.endpoints if is_closed(endpoint) is not True}
    doors = {node: _inner_listens(case, node) for node in {judged.facts.node for judged in left}}
    for judged in left:
        reached = case.reached(judged.facts)
        empty = next((e for e in reached if is_closed(e) and e.unix is None and e.node == judged.facts.node), None)
        free = [listen for listen in doors[judged.facts.node] if listen.port not in asked]
        if empty is not None and len(free) == 1:
            where = file_line_text(case.snapshot, judged.facts.node, free[0].span.file, free[0].span.line)
            yield (f"this nginx itself listens on {free[0]} ({where}), a loopback address that none of its routes "
                   f"uses. If it is the intended target, one of the two ports is wrong: there or at {empty.file}:"
                   f"{empty.line}")


def _inner_listens(case: Case, node: str) -> list[Listen]:
    """Return the loopback addresses on which this nginx listens, each once."""
    every = (listen for facts in case.snapshot.routes if facts.node == node for listen in facts.route.listens)
    return list({str(x): x for x in every if is_loopback(x.address)}.values())


def _unloaded_unit_notes(case: Case, left: Sequence[RouteVerdict]) -> Iterator[str]:
    """Return notes on units that systemd did not load. Without a command it is unknown if one is the backend."""
    nodes = {case.endpoints[name].node for judged in left for name in judged.facts.endpoints}
    for service in case.snapshot.services:
        if service.node in nodes and service.unit is not None and service.unit.load_state in ("bad-setting", "error"):
            yield (f"systemd could not load {service.name}. If that is the backend, run systemd-analyze verify "
                   f"{service.name} to see what to correct")


def _podman_notes(case: Case, left: Sequence[RouteVerdict]) -> Iterator[str]:
    """Return notes on podman's containers, which are no nodes of fixer: podman knows which publishes the endpoint."""
    reached = [case.endpoints[name] for judged in left for name in judged.facts.endpoints]
    for node, endpoint in {e.node: e for e in reversed(reached) if e.node and is_closed(e)
                           and not e.container_port}.items():
        if found := list(podman_services(case, node or "")):
            yield (f"podman has containers there, which fixer does not inspect ({', '.join(found[:MAX_SHOWN])}). Run "
                   f"podman ps -a to see which one belongs to {endpoint_text(endpoint)}, what it publishes and how it "
                   "ended. If its unit is stopped, start it with systemctl")


def _process_text(case: Case, service: Service) -> str:
    ours = processes_of(case.snapshot, service.node, service.pids)
    return f"pid {service.pids[0]}, uid {ours[0].uid}" if ours else f"pid {service.pids[0]}"


def _listener_text(line: Listener) -> str:
    return address_text(line.address, line.port, line.address if line.family == "unix" else None)


def _cut_off_notes(case: Case) -> Iterator[str]:
    """Return notes on containers in the network of a container that was recreated. They are unreachable and do not
    notice."""
    known = {s.container.id for s in case.snapshot.services if s.container is not None}
    for service in case.snapshot.services:
        cut = lost_shared_network(case.snapshot, service)
        if (box := service.container) is None or (cut is not None and cut.sure):
            continue        # a finding says so
        if box.lender and box.lender not in known:
            again = f" (docker compose up -d --force-recreate {box.service})" if box.service else ""
            yield (f"{box.name} uses the network of container {box.lender[:12]}, which was not found. If that was "
                   f"recreated, recreate {box.name} too{again}")


def _route_text(case: Case, judged: RouteVerdict) -> str:
    route = judged.facts.route
    reached = case.reached(judged.facts)
    seen = "; ".join(dict.fromkeys(_observed_text(case, judged, endpoint) for endpoint in reached[:3]))
    page = f"{route.location} on {route.listen_text}"
    did = f"gives {judged.reason}" if judged.reason.startswith("no answer") else judged.reason
    text = f"no cause proven for {page}, which {did}: {seen or route.pass_text}"
    logged, kind = _log_text(case, judged)
    if kind == "no-live-upstreams" and reached and all(
            isinstance(e.http, Known) and e.http.value.status is not None for e in reached):
        logged += ": all of them failed a moment ago, and nginx tries none again for fail_timeout (10 s by default)"
    return (f"{text}; nginx logs: {logged}" if logged else text) + logged_error_text(case, judged)


def _observed_text(case: Case, judged: RouteVerdict, endpoint: Endpoint) -> str:
    """Return the endpoint, its listener, and the result of a direct probe: of the page that failed, if it was asked."""
    holder = case.service(endpoint.listening_service)
    [endpoint] = endpoints_for_page((endpoint,), judged.facts, judged.page)
    where = _address_with_hosts_text(endpoint) + ("" if holder is None else f" ({holder.name})")
    heard = endpoint.http if isinstance(endpoint.http, Known) else endpoint.tcp
    if not isinstance(heard, Known):
        return f"{where} was not probed"
    status, error = heard.value.status, heard.value.error
    page, unasked = _asked_page_texts(judged, endpoint, heard.value)
    if status is not None:
        marked = f", and is marked `down` at {endpoint.file}:{endpoint.line}" if endpoint.down else ""
        behind = "" if holder is None or not holder.gateway or status < 500 else (
            f", which forwards to programs of its own: see in {holder.gateway}'s configuration and log which fail")
        half = _half_listening_text(case, endpoint)
        return f"{where} answers {status}{page} without nginx{unasked}{marked}{behind}{half}"
    if holder is not None and holder.gateway and error in ("closed", "reset"):
        return f"{where} without nginx{page}: {error}{unasked}; {_forward_text(case, holder)}"
    return f"{where} accepts the connection" if error is None else f"{where} without nginx{page}: {error}{unasked}"


def _asked_page_texts(judged: RouteVerdict, endpoint: Endpoint, heard: ProbeResult) -> tuple[str, str]:
    """Return (which page the endpoint was asked for, unless it is the route's own that failed; that it was not asked
    for the one that failed). A connection or a handshake that fails concerns every page."""
    if not isinstance(endpoint.http, Known) or heard.phase in ("connect", "tls"):
        return "", ""
    asked = heard.page or endpoint.path.partition("?")[0]
    if asked == (judged.page or judged.facts.route.path):
        return f" for {asked}" if judged.page else "", ""
    return f" for {asked}", f" (it was not asked for {judged.page})" if judged.page else ""


def _forward_text(case: Case, holder: Service) -> str:
    """Return where a forwarding program sends connections, if its command says so."""
    words = [word for word in holder.argv[1:] if not word.startswith("-")]
    port = words[0].rpartition(":")[2] if holder.gateway == "systemd-socket-proxyd" and len(words) == 1 else ""
    if not is_number(port):
        return f"{holder.name} forwards to programs of its own: see in its configuration and log which fail"
    empty = not any(line.port == int(port) for line in listeners_on(case.snapshot, holder.node))
    return f"{holder.name} forwards to {words[0]}" + (", where nothing listens" if empty else "")


def _half_listening_text(case: Case, endpoint: Endpoint) -> str:
    """Return a note on a local name with two addresses of which one has no listener. nginx alternates between them."""
    led = endpoint.addresses.or_else(())
    if len(led) < 2 or endpoint.container_port or endpoint.node is None:
        return ""
    there = {x.address for x in listeners_on(case.snapshot, endpoint.node) if x.port == endpoint.port}
    empty = [a for a in led if is_loopback(a) and a not in there
             and not there & ({"::"} if ":" in a else {"::", "0.0.0.0", "*"})]  # noqa: S104
    if not empty or len(empty) == len(led):
        return ""
    return (f", but {endpoint.host} resolves to {' and '.join(led)}, nginx alternates between them, and nothing "
            f"listens on {', '.join(empty)}: write the address in place of the name")


def _address_with_hosts_text(endpoint: Endpoint) -> str:
    """Return the address with its /etc/hosts line: a recreated container may have got that address."""
    known = endpoint.addresses
    line = next((e.where for e in known.evidence if e.where.startswith("/etc/hosts")), "") if isinstance(
        known, Known) else ""
    return f"{endpoint_text(endpoint)} ({line}: {', '.join(known.value)})" if line and isinstance(known, Known) else (
        endpoint_text(endpoint))


def _log_text(case: Case, judged: RouteVerdict) -> tuple[str, ErrorKind]:
    nginx = case.snapshot.nginx_of(judged.facts)
    events = recent_events(nginx, (judged.facts,), case.snapshot) if nginx is not None else ()
    if not events:
        return _own_error_text(case, nginx) if nginx is not None else "", "other"
    last = max(events, key=lambda event: event.at)
    errno = f" ({last.errno})" if last.errno is not None and f"({last.errno}:" not in last.message else ""
    return f"{last.message[:_MAX_TEXT]}{errno}{f' while {last.phase}' if last.phase else ''}", last.kind


def _own_error_text(case: Case, nginx: Nginx) -> str:
    """Return nginx's own last serious error if it logged none about an upstream, such as a limit of its own."""
    events = nginx.errors.or_else(())
    since = max((node.now for node in case.snapshot.nodes if node.name == nginx.node), default=0.0) - RECENT_ERROR
    own = [event for event in events if event.at >= since and event.level in ("alert", "crit", "emerg")]
    return max(own, key=lambda event: event.at).message[:_MAX_TEXT] if own else ""


def shell_notes(case: Case) -> Iterator[str]:
    """Return notes on shell scripts that should start a server at a closed endpoint. Any user may have started one, so
    fixer changes nothing and only shows what the script waits for."""
    for trouble in case.failing_addresses:
        for service in case.snapshot.services:
            if service.manager != "none" or not any(is_configured_at(service, e) for e in trouble.endpoints):
                continue
            one = find_waiting_script(case, trouble, PortOwner(service, "contested", ()))
            if one is not None:
                uid = f"pid {one.shell.pid}, uid {one.shell.uid}"
                waits = ", ".join(f"{r.address} ({r.source.where})" for r, _ in one.unmet_dependencies[:3])
                what = f"it waits for {waits}" if waits else running_command_text(case,
                    one) or "what it waits for is unknown"
                yield f"{not_started_text(case, one)} (for {endpoint_text(trouble.endpoint)}; {uid}): {what}"


# Notes on containers of unexplained routes: unreadable logs, and running containers without a listener.
_MAX_CONTAINER_NOTES = 4


def container_notes(case: Case, left: Sequence[RouteVerdict]) -> Iterator[str]:
    """Return one note for each fact about containers of the unexplained routes."""
    routes = {judged.facts.route.id for judged in left}
    for crash in failed_runs(case).found:
        if routes.intersection(crash.routes) and (text := _unreadable_log_text(crash.service)):
            yield text
    silent: dict[str, None] = {}
    for judged in left:
        nginx = case.snapshot.nginx_of(judged.facts)
        web = container_of(case.snapshot, nginx.node) if nginx is not None else None
        for name in judged.facts.endpoints if web is not None and not web.is_machine else ():
            endpoint = case.endpoints[name]
            silent |= dict.fromkeys(filter(None, (_silent_container_text(case, endpoint),)))
    yield from silent


def _unreadable_log_text(service: Service) -> str:
    box = service.container
    if box is None or not isinstance(service.log, Unknown) or box.status == "running":
        return ""
    return (f"{service.name} ended with exit code {box.exit_code} and its output cannot be read "
            f"({service.log.reason}): run docker start -a {box.name} to see its output")


def _silent_container_text(case: Case, endpoint: Endpoint) -> str:
    """Return a note on a running container without a listener: its server ended or waits, and PID 1 goes on."""
    owner = configured_owner(case, endpoint)
    node = find_node(case.snapshot, owner.service.node) if owner is not None else None
    box = owner.service.container if owner is not None else None
    if node is None or box is None or box.status != "running" or not isinstance(node.processes, Known) or (
            not is_confirmed_closed(endpoint)) or listeners_on(case.snapshot, node.name):
        return ""
    runs = [" ".join(process.argv)[:60] for process in node.processes.value if process.argv]
    shown = ", ".join(f"`{words}`"
                      for words in runs[:_MAX_CONTAINER_NOTES]) + (", …" if len(runs) > _MAX_CONTAINER_NOTES else "")
    return (f"nothing listens in {box.name}, which runs {shown}. If its server has ended, run docker restart "
            f"{box.name} to run its command again. A command that is the server itself (exec) would end with it, and "
            "Docker would notice")
