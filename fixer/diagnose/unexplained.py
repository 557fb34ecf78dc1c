"""Routes that fail though no cause is proven: what was seen of each, in nginx's own words, and where it leads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from fixer.analysis.case import Case, Owner
from fixer.analysis.dependency.startup_script import doing, held_up_at, not_started_text
from fixer.analysis.evidence import (
    address_text,
    container_of,
    endpoint_text,
    find_node,
    listeners_on,
    pids_of,
    place,
    processes_of,
)
from fixer.analysis.exits.exit_reason import last_words
from fixer.analysis.exits.failed_run import crashes
from fixer.analysis.exits.last_output import silent_end
from fixer.analysis.ownership.configured import is_told, placed_owner
from fixer.analysis.ownership.container_network import stranded
from fixer.analysis.ownership.tie_break import kept, kept_by_podman
from fixer.analysis.route_verdict import FRESH, Judged, fresh_events, is_closed, is_empty
from fixer.analysis.run_log import own_lines
from fixer.formats.numbers import is_number
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Listen
from fixer.model.snapshot import Endpoint, Listener, Nginx, RouteFacts, Service

SHOWN = 5
_WORDS = 200    # letters of a message that may hold what a backend sent


def unexplained(case: Case, puzzling: Container[str]) -> Iterator[str]:
    """One line a failing route that nothing is blamed for, the first few; then what the programs said that failed."""
    left = [j for j in case.judged.values() if j.facts.route.id in puzzling]
    for judged in left[:SHOWN]:
        yield _told(case, judged)
    if len(left) > SHOWN:
        yield f"no cause proven for {len(left) - SHOWN} more routes"
    if left:
        yield from (*_podmans(case, left), *_unasked(case, left), *_own_doors(case, left), *_unloaded(case, left),
                    *_cut_off(case), *kept(case))
    if left and any(service.manager == "none" and service.pids for service in case.snapshot.services):

        yield from shell_notes(case)
    if any(service.container is not None for service in case.snapshot.services) and left:

        yield from container_notes(case, left)
    unblamed = {judged.facts.route.id for judged in left}
    for crash in crashes(case).found if left else ():
        words = " / ".join(line.text.strip()[:_WORDS] for line in last_words(own_lines(crash.lines)))
        if not unblamed.intersection(crash.routes):
            continue
        yield (f"{crash.service.name} failed; its log ends with: {words}" if words
               else f"{crash.service.name} failed; {silent_end(crash.service)}")


def _unasked(case: Case, left: Sequence[Judged]) -> Iterator[str]:
    """Servers that run beside an empty address and that no route asks: nothing proves that one of them is meant, and
    anybody may have started it, but a person will want to look at them first."""
    reached = [case.snapshot.endpoint(name) for judged in left for name in judged.facts.endpoints]
    empty = {endpoint.node: endpoint for endpoint in reversed(reached) if is_closed(endpoint) and not endpoint.inner}
    asked = {name for endpoint in case.snapshot.endpoints for name in (endpoint.service, endpoint.holder)}
    for node, endpoint in empty.items():
        free = [s for s in case.snapshot.services if s.node == node and s.is_app_server and s.id not in asked]
        held = [(s, x) for s in free for x in listeners_on(case.snapshot, node) if set(pids_of(x)) & set(s.pids)]
        shown = ", ".join(f"{s.name} ({_whose(case, s)}) on {_at(line)}" for s, line in held[:SHOWN])
        if shown:
            yield f"beside {endpoint_text(endpoint)} and asked by no route, perhaps of somebody else: {shown}"


def _own_doors(case: Case, left: Sequence[Judged]) -> Iterator[str]:
    """A server of this very nginx that only the machine itself can ask, and that no route does: one hop of two, where
    the port of the other was changed."""
    asked = {endpoint.port for endpoint in case.snapshot.endpoints if is_closed(endpoint) is not True}
    doors = {node: _inner_doors(case, node) for node in {judged.facts.node for judged in left}}
    for judged in left:
        reached = [case.snapshot.endpoint(name) for name in judged.facts.endpoints]
        empty = next((e for e in reached if is_closed(e) and e.unix is None and e.node == judged.facts.node), None)
        free = [listen for listen in doors[judged.facts.node] if listen.port not in asked]
        if empty is not None and len(free) == 1:
            where = place(case.snapshot, judged.facts.node, free[0].span.file, free[0].span.line)
            yield (f"this nginx itself listens on {free[0]} ({where}), which only this machine can ask, and none of "
                   f"its routes does: where that is meant, one of the two ports is wrong, there or at {empty.file}:"
                   f"{empty.line}")


def _inner_doors(case: Case, node: str) -> list[Listen]:
    """Where its servers listen for the machine itself alone, each once."""
    every = (listen for facts in case.snapshot.routes if facts.node == node for listen in facts.route.listens)
    return list({str(x): x for x in every if x.address.startswith("127.") or x.address == "::1"}.values())


def _unloaded(case: Case, left: Sequence[Judged]) -> Iterator[str]:
    """Units that systemd refused to load: without a command nothing tells whether the backend is one of them."""
    nodes = {case.snapshot.endpoint(name).node for judged in left for name in judged.facts.endpoints}
    for service in case.snapshot.services:
        if service.node in nodes and service.unit is not None and service.unit.load_state in ("bad-setting", "error"):
            yield (f"systemd could not load {service.name}: where that is the backend, systemd-analyze verify "
                   f"{service.name} says what to correct")


def _podmans(case: Case, left: Sequence[Judged]) -> Iterator[str]:
    """Its containers are no nodes of ours: which of them publishes an address that is empty, podman knows."""
    reached = [case.snapshot.endpoint(name) for judged in left for name in judged.facts.endpoints]
    for node, endpoint in {e.node: e for e in reversed(reached) if e.node and is_closed(e) and not e.inner}.items():
        if kept := list(kept_by_podman(case, node or "")):
            yield (f"podman keeps containers there, which fixer does not look into ({', '.join(kept[:SHOWN])}): podman "
                   f"ps -a tells which is meant behind {endpoint_text(endpoint)}, what it publishes and how it ended; "
                   "a unit of it that is stopped is started by systemctl")


def _whose(case: Case, service: Service) -> str:
    ours = processes_of(case.snapshot, service.node, service.pids)
    return f"pid {service.pids[0]}, uid {ours[0].uid}" if ours else f"pid {service.pids[0]}"


def _at(line: Listener) -> str:
    return address_text(line.address, line.port, line.address if line.family == "unix" else None)


def _cut_off(case: Case) -> Iterator[str]:
    """Containers in the network of one that was made anew since: nobody reaches them, and they do not notice."""
    known = {s.container.id for s in case.snapshot.services if s.container is not None}
    for service in case.snapshot.services:
        cut = stranded(case.snapshot, service)
        if (box := service.container) is None or (cut is not None and cut.sure):
            continue        # a finding says so
        if box.lender and box.lender not in known:
            again = f" (docker compose up -d --force-recreate {box.service})" if box.service else ""
            yield (f"{box.name} lives in the network of container {box.lender[:12]}, which was not found: where that "
                   f"was made anew, {box.name} has to be made anew too{again}")


def _told(case: Case, judged: Judged) -> str:
    route = judged.facts.route
    reached = [case.snapshot.endpoint(name) for name in judged.facts.endpoints]
    seen = "; ".join(dict.fromkeys(_seen(case, judged.facts, endpoint) for endpoint in reached[:3]))
    page = f"{route.location} on {route.listen_text}"
    did = f"gives {judged.reason}" if judged.reason.startswith("no answer") else judged.reason
    text = f"no cause proven for {page}, which {did}: {seen or route.pass_text}"
    said = _said(case, judged)
    if said.startswith("no live upstreams") and reached and all(
            isinstance(e.http, Known) and e.http.value.status is not None for e in reached):
        said += (": all of them failed a moment ago, and nginx asks none again for fail_timeout (10 s where nothing is "
                 "said)")
    return f"{text}; nginx logs: {said}" if said else text


def _seen(case: Case, facts: RouteFacts, endpoint: Endpoint) -> str:
    """The address, who listens there, and what that gives to one that asks without nginx."""
    holder = case.service(endpoint.holder)
    where = _where(endpoint) + ("" if holder is None else f" ({holder.name})")
    heard = endpoint.http if isinstance(endpoint.http, Known) else endpoint.tcp
    if not isinstance(heard, Known):
        return f"{where} was not asked"
    status, error = heard.value.status, heard.value.error
    if status is not None:
        marked = f", and is marked `down` at {endpoint.file}:{endpoint.line}" if endpoint.down else ""
        behind = "" if holder is None or not holder.gateway or status < 500 else (
            f", which hands it on to programs of its own: {holder.gateway}'s configuration and log tell which fail")
        return f"{where} answers {status} without nginx{marked}{behind}{_half(case, endpoint)}"
    if holder is not None and holder.gateway and error in ("closed", "reset"):
        return f"{where} without nginx: {error}; {_handed_on(case, holder)}"
    return f"{where} takes the connection" if error is None else f"{where} without nginx: {error}"


def _handed_on(case: Case, holder: Service) -> str:
    """Where a program that hands connections on is told to hand them, where its command says that."""
    words = [word for word in holder.argv[1:] if not word.startswith("-")]
    port = words[0].rpartition(":")[2] if holder.gateway == "systemd-socket-proxyd" and len(words) == 1 else ""
    if not is_number(port):
        return f"{holder.name} hands it on to programs of its own: its configuration and log tell which fail"
    empty = not any(line.port == int(port) for line in listeners_on(case.snapshot, holder.node))
    return f"{holder.name} hands it on to {words[0]}" + (", where nothing listens" if empty else "")


def _half(case: Case, endpoint: Endpoint) -> str:
    """A name of this machine with two addresses, of which one has no socket: nginx takes turns with them."""
    led = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    if len(led) < 2 or endpoint.inner or endpoint.node is None:
        return ""
    there = {x.address for x in listeners_on(case.snapshot, endpoint.node) if x.port == endpoint.port}
    empty = [a for a in led if (a == "::1" or a.startswith("127.")) and a not in there
             and not there & ({"::"} if ":" in a else {"::", "0.0.0.0", "*"})]  # noqa: S104
    if not empty or len(empty) == len(led):
        return ""
    return (f", but {endpoint.host} leads to {' and '.join(led)}, nginx takes turns, and nothing listens on "
            f"{', '.join(empty)}: write the address in place of the name")


def _where(endpoint: Endpoint) -> str:
    """With the line of /etc/hosts that leads its name somewhere: a container that was made anew may have got that."""
    known = endpoint.addresses
    line = next((e.where for e in known.evidence if e.where.startswith("/etc/hosts")), "") if isinstance(
        known, Known) else ""
    return f"{endpoint_text(endpoint)} ({line}: {', '.join(known.value)})" if line and isinstance(known, Known) else (
        endpoint_text(endpoint))


def _said(case: Case, judged: Judged) -> str:
    nginx = case.snapshot.nginx_of(judged.facts)
    events = fresh_events(nginx, (judged.facts,), case.snapshot) if nginx is not None else ()
    if not events:
        return _own_word(case, nginx) if nginx is not None else ""
    last = max(events, key=lambda event: event.at)
    errno = f" ({last.errno})" if last.errno is not None and f"({last.errno}:" not in last.message else ""
    return f"{last.message[:_WORDS]}{errno}{f' while {last.phase}' if last.phase else ''}"


def _own_word(case: Case, nginx: Nginx) -> str:
    """What nginx says of itself where it says nothing of an upstream: a limit of its own was reached."""
    events = nginx.errors.value if isinstance(nginx.errors, Known) else ()
    since = max((node.now for node in case.snapshot.nodes if node.name == nginx.node), default=0.0) - FRESH
    own = [event for event in events if event.at >= since and event.level in ("alert", "crit", "emerg")]
    return max(own, key=lambda event: event.at).message[:_WORDS] if own else ""


def shell_notes(case: Case) -> Iterator[str]:
    """Scripts that some user's shell runs, told to end in a server at an address that is empty: anybody may have
    started one, so nothing is done about it, but a person will want to know what it waits for."""
    for trouble in case.troubles:
        for service in case.snapshot.services:
            if service.manager != "none" or not any(is_told(service, e) for e in trouble.endpoints):
                continue
            one = held_up_at(case, trouble, Owner(service, "contested", ()))
            if one is not None:
                uid = f"pid {one.shell.pid}, uid {one.shell.uid}"
                waits = ", ".join(f"{r.address} ({r.source.where})" for r, _ in one.unmet[:3])
                what = f"it waits for {waits}" if waits else doing(case, one) or "what it waits for was not seen"
                yield f"{not_started_text(case, one)} (for {endpoint_text(trouble.endpoint)}; {uid}): {what}"


# What is told of a route to containers though no cause is proven: a program that ended without a word, one that runs
# and in which nothing listens.
_SHOWN = 4


def container_notes(case: Case, left: Sequence[Judged]) -> Iterator[str]:
    """One line a fact, for the routes that are left without a cause."""
    routes = {judged.facts.route.id for judged in left}
    for crash in crashes(case).found:
        if routes.intersection(crash.routes) and (said := _wordless(crash.service)):
            yield said
    told: dict[str, None] = {}
    for judged in left:
        nginx = case.snapshot.nginx_of(judged.facts)
        web = container_of(case.snapshot, nginx.node) if nginx is not None else None
        for name in judged.facts.endpoints if web is not None and not web.is_machine else ():
            endpoint = case.snapshot.endpoint(name)
            told |= dict.fromkeys(filter(None, (_silent(case, endpoint),)))
    yield from told


def _wordless(service: Service) -> str:
    box = service.container
    if box is None or not isinstance(service.log, Unknown) or box.status == "running":
        return ""
    return (f"{service.name} ended with exit code {box.exit_code} and what it said cannot be read "
            f"({service.log.reason}): docker start -a {box.name} shows what it says")


def _silent(case: Case, endpoint: Endpoint) -> str:
    """It runs, and what was to listen in it has gone, or waits for something: its first process does not notice."""
    owner = placed_owner(case, endpoint)
    node = find_node(case.snapshot, owner.service.node) if owner is not None else None
    box = owner.service.container if owner is not None else None
    if node is None or box is None or box.status != "running" or not isinstance(node.processes, Known) or (
            not is_empty(endpoint)) or listeners_on(case.snapshot, node.name):
        return ""
    runs = [" ".join(process.argv)[:60] for process in node.processes.value if process.argv]
    shown = ", ".join(f"`{words}`" for words in runs[:_SHOWN]) + (", …" if len(runs) > _SHOWN else "")
    return (f"nothing listens in {box.name}; what runs there is {shown}: where what should listen has ended, docker "
            f"restart {box.name} runs its command once more, and a command that is the server itself (exec) would end "
            "with it, so that Docker notices")
