"""Which service belongs behind an address: told to listen there, the container it names, or the only one left over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, TypeAlias

from fixer.causes.case import Case, Trouble
from fixer.causes.changes.incode import is_elsewhere_in_code, named_in_code
from fixer.causes.changes.notstarted import starters_at
from fixer.causes.containers.dockerhost import told_beside, told_on_host
from fixer.causes.containers.moved import is_moved
from fixer.causes.containers.podmates import same_network
from fixer.causes.failing import Judged, is_closed
from fixer.causes.reading import find_node, listeners_on, pids_of, state_evidence
from fixer.causes.routes.between import is_due, may_lead_elsewhere
from fixer.causes.routes.displacing import is_missed, is_occupied
from fixer.causes.routes.leftout import contested
from fixer.causes.routes.namesakes import is_aside, is_foreign, is_named_for, is_named_otherwise, shared_names
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.record import dataclass
from fixer.model.snapshot import Binding, Endpoint, Process, Service, Snapshot

Rule: TypeAlias = Literal["placed", "alone", "related", "same-site", "contested", "bare", "elsewhere"]

SERVERS = frozenset({"uvicorn", "gunicorn", "hypercorn", "daphne", "node", "waitress", "uwsgi", "granian"})
_SCRIPTS = frozenset({"python", "binary"})
_WATCHERS = frozenset({"runsv", "s6-supervise", "supervise"})
_CRONS = frozenset({"cron", "crond", "fcron"})
_FASTCGI = frozenset({"php-fpm"})       # what never speaks HTTP


@dataclass(frozen=True, slots=True)
class Owner:
    """A service that belongs behind an address, and the rule that says so; `certain` where the rule is proof."""

    service: Service
    rule: Rule
    why: tuple[Evidence, ...]

    @property
    def certain(self) -> bool:
        """True where configuration or topology says it, false where it is only the one left over."""
        return self.rule == "placed"

    @property
    def is_unsure(self) -> bool:
        """True where a person must say that it is meant."""
        return self.rule in ("same-site", "contested")


def owners(case: Case, trouble: Trouble) -> tuple[Owner, ...]:
    """One when it can be told, several when they are equals, none when nothing is known to belong there."""
    known = case.owned.get(id(trouble))
    if known is None:       # most causes ask
        placed = placed_owner(case, trouble.endpoint)
        found = _missed(case, trouble) if placed is not None else ()
        found = found or ((placed,) if placed is not None else (
            _equals_in_code(case, trouble) or (() if is_moved(case.snapshot, trouble.endpoint) else left_over(
                case, trouble)) or _displaced(case, trouble) or _same_site(case, trouble)))
        known = case.owned[id(trouble)] = (trouble, found)
    return known[1]


def left_over(case: Case, trouble: Trouble) -> tuple[Owner, ...]:
    """Application servers of the node that nothing else relies on; several only where they are equals."""
    pool = _free(case, trouble)
    if starters_at(case, trouble):     # what is no service starts one there: only what is named so may be meant as well
        pool = [s for s in pool if s.running and is_named_for(trouble, s)]
    return contested(case, trouble, separated(case, trouble, pool)) if pool else ()


def _equals_in_code(case: Case, trouble: Trouble) -> tuple[Owner, ...]:
    """Several at rest whose code listens there: a person says which."""
    return tuple(Owner(s, "alone", (why,)) for s, why in named_in_code(case.snapshot, trouble.endpoint))


def _missed(case: Case, trouble: Trouble) -> tuple[Owner, ...]:
    """The one that is down, where a stranger's port is asked in its place."""
    if not is_occupied(case, trouble):
        return ()
    found = left_over(case, trouble)
    return found if len(found) == 1 and not found[0].is_unsure and is_missed(case, trouble, found[0].service) else ()


def _displaced(case: Case, trouble: Trouble) -> tuple[Owner, ...]:
    if all(service.container is None for service in case.snapshot.services):
        return ()
    from fixer.causes.containers.elsewhere import displaced  # only where there are containers

    return displaced(case, trouble)


def sole_owner(case: Case, trouble: Trouble) -> Owner | None:
    """The owner when there is exactly one that no person needs to choose."""
    found = owners(case, trouble)
    return found[0] if len(found) == 1 and not found[0].is_unsure else None


def placed_owner(case: Case, endpoint: Endpoint) -> Owner | None:
    """The service that configuration or topology puts at an address. What anybody could start claims nothing."""
    known = case.placed.get(id(endpoint))
    if known is None:       # the address is kept with it, so that no other gets its id
        known = case.placed[id(endpoint)] = (endpoint, _placed(case, endpoint))
    return known[1]


def _placed(case: Case, endpoint: Endpoint) -> Owner | None:
    if is_moved(case.snapshot, endpoint):
        return None
    service = case.service(endpoint.service)
    if service is not None and (is_made_up(case.snapshot, service) or (
            service.id != endpoint.holder and is_anybodys(case.snapshot, service))):
        service = None
    if service is not None and (service.is_app_server or service.id != endpoint.holder or is_told(service, endpoint)):
        return Owner(service, "placed", endpoint.service_why or (state_evidence(service),))
    nodes = same_network(case, endpoint.node)
    told = [s for s in case.snapshot.services
            if s.node in nodes and is_told(s, endpoint) and not is_anybodys(case.snapshot, s)
            and not is_made_up(case.snapshot, s)]
    told = told or told_on_host(case.snapshot, endpoint) or told_beside(case.snapshot, endpoint)
    if told:
        best = _preferred(told)
        return Owner(best, "placed", _binding_evidence(best, endpoint) or (state_evidence(best),))
    named = _container_named(case.snapshot, endpoint)
    if named is not None:
        return Owner(named, "placed", (state_evidence(named),))
    coded = named_in_code(case.snapshot, endpoint)
    return Owner(coded[0][0], "placed", (coded[0][1],)) if len(coded) == 1 else None


def is_made_up(snapshot: Snapshot, service: Service) -> bool:
    """An instance that its template would make of the port, and that nobody ever asked for: it is not enabled and its
    journal holds nothing, while another instance of the template runs whose port no route names. The number that nginx
    has is then more likely wrong than that instance missing."""
    unit = service.unit
    template, at, _ = (unit.name if unit is not None else "").partition("@")
    if unit is None or not at or service.running or unit.unit_file_state != "disabled" or unit.active_enter or \
            unit.active_state != "inactive" or isinstance(service.log, Unknown) or service.log.value:
        return False
    return any(
        other.unit is not None and other.unit.name.startswith(f"{template}@") and other.running
        and other.node == service.node and other.is_app_server and bindings_of(other)
        and not any(is_told(other, endpoint) for endpoint in snapshot.endpoints)
        for other in snapshot.services
    )


def is_anybodys(snapshot: Snapshot, service: Service) -> bool:
    """A process of a user's that no manager holds: its command line, name and folder are what that user likes."""
    if service.manager != "none" or service.unit is not None or service.container is not None or not service.pids:
        return False
    node = find_node(snapshot, service.node)
    if node is None or node.kind != "machine" or isinstance(node.processes, Unknown):
        return False
    ours = [process for process in node.processes.value if process.pid in service.pids]
    return any(process.uid != 0 for process in ours) and not is_watched(ours, node.processes.value)


def is_watched(ours: list[Process], every: tuple[Process, ...]) -> bool:
    """Started by what root lets watch it: runit, s6, daemontools."""
    pids = {process.pid for process in ours}
    parents = {process.ppid for process in ours} - pids
    watchers = [p for p in every if p.pid in parents and p.uid == 0 and p.argv
                and p.argv[0].rpartition("/")[2] in _WATCHERS]
    return bool(parents) and len(watchers) == len(parents)


def _is_begun(ours: list[Process], every: tuple[Process, ...]) -> bool:
    """Started by cron, or by a user's own systemd: they stay its parents. No shell of a person's stands between."""
    pids = {process.pid for process in ours}
    above = {process.ppid for process in ours} - pids
    parents = [p for p in every if p.pid in above and p.argv and (
        (p.uid == 0 and p.comm.lower() in _CRONS) or (p.comm == "systemd" and p.ppid == 1 and "--user" in p.argv))]
    return bool(above) and len(parents) == len(above)


def is_told(service: Service, endpoint: Endpoint) -> bool:
    """Told to listen at this port (or socket path)."""
    return bool(_binding_evidence(service, endpoint)) or _publishes(service, endpoint)


def _binding_evidence(service: Service, endpoint: Endpoint) -> tuple[Evidence, ...]:
    return tuple(b.source for b in bindings_of(service) if _names(b, endpoint))


def bindings_of(service: Service) -> tuple[Binding, ...]:
    """Where the service is told to listen, none where that could not be read."""
    return service.bindings.value if isinstance(service.bindings, Known) else ()


def _names(binding: Binding, endpoint: Endpoint) -> bool:
    if endpoint.unix is not None or binding.unix is not None:
        return binding.unix == endpoint.unix
    return binding.port == endpoint.port_there


def _publishes(service: Service, endpoint: Endpoint) -> bool:
    return service.container is not None and any(port == endpoint.port for _, port, _ in service.container.published)


def _container_named(snapshot: Snapshot, endpoint: Endpoint) -> Service | None:
    """The container that a name or an address leads to; its name is gone from the resolver once it is stopped."""
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    for service in snapshot.services:
        box = service.container
        if box is None:
            continue
        aliases = {name for _, _, names in box.networks for name in names}
        known = {box.name, *([box.service] if box.service else []), *aliases}
        if endpoint.host in known | box.addresses or box.addresses.intersection(addresses):
            return service
    return None


def _free(case: Case, trouble: Trouble) -> list[Service]:
    """Application servers of the node that nothing else relies on; of others in its network those that run."""
    node, nodes = trouble.endpoint.node, same_network(case, trouble.endpoint.node)
    away = wanted_elsewhere(case, trouble)
    free = [
        s for s in case.snapshot.services
        if s.node in nodes and (s.node == node or (s.running and not _is_asked(case, s, nodes))) and s.is_app_server
        and s.id not in case.taken and s.id not in away
        and not (s.unit is not None and s.unit.load_state == "not-found") and not is_made_up(case.snapshot, s)
    ]
    managed = [s for s in free if s.manager != "none" and _could_be_meant(case, trouble, s)]
    return managed or [s for s in free if s.pids and _is_orphan(case.snapshot, s)]


def _is_asked(case: Case, service: Service, nodes: Collection[str | None]) -> bool:
    """A route asks, in that network, for a port that it is told, and somebody takes the connection: who, the kernel
    does not tell from another container."""
    told = {b.port for b in bindings_of(service) if b.unix is None}
    return any(e.node in nodes and e.unix is None and e.port in told for e in case.accepting)


def wanted_elsewhere(case: Case, trouble: Trouble) -> set[str]:
    """The ids of services that belong behind another address than this one."""
    mine = id(trouble.endpoint)
    return {name for name, places in _wanted(case).items() if len(places) > (mine in places)}


def _wanted(case: Case) -> Mapping[str, set[int]]:
    """Services that belong behind failing addresses, or hold a socket that some route names already: by id, with the
    addresses that they are wanted at."""
    if not case.wanted:
        for other in case.troubles:
            owner = placed_owner(case, other.endpoint)
            if owner is not None:
                case.wanted.setdefault(owner.service.id, set()).add(id(other.endpoint))
        for endpoint in case.accepting:
            for name in (endpoint.service, endpoint.holder):
                if name is not None:
                    case.wanted.setdefault(name, set()).add(0)       # of no address in trouble
        for endpoint in _passed_by(case):
            owner = placed_owner(case, endpoint)
            if owner is not None:
                case.wanted.setdefault(owner.service.id, set()).add(0)
        case.wanted.setdefault("", set())       # worked out, though nothing is wanted
    return case.wanted


def _passed_by(case: Case) -> Iterator[Endpoint]:
    """Addresses at which nobody is, of routes that answer without them (a page for the time of a maintenance): what is
    told to listen there belongs there all the same."""
    named = {endpoint.id for trouble in case.troubles for endpoint in trouble.endpoints}
    for endpoint in case.snapshot.endpoints:
        if endpoint.service is not None and endpoint.id not in named and is_closed(endpoint) is True:
            yield endpoint


def _could_be_meant(case: Case, trouble: Trouble, service: Service) -> bool:
    """Not what speaks FastCGI where HTTP is asked, nor what listens on sockets of the other kind, nor what was put to
    rest beside an application that runs."""
    told, unit = bindings_of(service), service.unit
    if is_elsewhere_in_code(service, trouble.endpoint):
        return False
    if unit is not None and (unit.active_state, unit.sub_state) == ("active", "exited") and not (service.pids or told):
        return False      # it has started what it had to start, perhaps nothing: where that would listen nobody knows
    if service.runtime in _FASTCGI and all(facts.route.kind != "fastcgi_pass" for facts in trouble.routes):
        return False
    if told and all((b.unix is None) is not (trouble.endpoint.unix is None) for b in told):
        return False
    program = service.program
    if program is not None and program.state == "DOWN" and program.unit is not None and \
            program.unit.unit_file_state == "disabled":
        return False      # supervisord itself was put to rest: only what is told to listen right there is missed
    if unit is None or service.running or unit.unit_file_state != "disabled" or unit.active_state == "failed":
        return True
    awake = [s for s in case.snapshot.services if s.is_app_server and s.running and s.node == service.node]
    mine = shared_names(trouble, service)
    return all(shared_names(trouble, s) < mine for s in awake)


def _is_orphan(snapshot: Snapshot, service: Service) -> bool:
    """Started in the background and left to process 1, as a deployment by hand does, or watched; a developer's shell is
    neither."""
    node = find_node(snapshot, service.node)
    if node is None or isinstance(node.processes, Unknown):
        return False
    ours = [p for p in node.processes.value if p.pid in service.pids]
    tops = [p for p in ours if p.ppid not in service.pids]
    left = all(p.ppid <= 1 for p in tops) or is_watched(ours, node.processes.value) or (
        _is_begun(ours, node.processes.value))
    return bool(tops) and left and all("--reload" not in p.argv for p in tops)


def separated(case: Case, trouble: Trouble, pool: list[Service]) -> tuple[Owner, ...]:
    """One service left over is the one; of several, the one whose names the site shares, else all as equals."""
    if len(pool) == 1:
        return (Owner(pool[0], _rule_of(case, trouble, pool[0]), (state_evidence(pool[0]),)),)
    scores = {s.id: shared_names(trouble, s) for s in pool}
    best = max(scores.values())
    top = [s for s in pool if scores[s.id] == best]
    if best and len(top) == 1 and not is_anybodys(case.snapshot, top[0]):
        return (Owner(top[0], "related", (state_evidence(top[0]),)),)
    equals = _plausible(top)
    if len(equals) > 1 and all(is_foreign(trouble, s) for s in equals):
        return ()       # applications of others: that one of them is meant is no more likely than that none is
    return tuple(
        Owner(s, "contested" if is_anybodys(case.snapshot, s) else "alone", (state_evidence(s),)) for s in equals)


def _rule_of(case: Case, trouble: Trouble, sole: Service) -> Rule:
    if is_anybodys(case.snapshot, sole) or is_aside(trouble, sole) or _is_wanted_twice(case, trouble, sole) \
            or _is_of_another(trouble, sole) or may_lead_elsewhere(case, trouble, sole) or starters_at(case, trouble):
        return "contested"
    return "alone" if sole.manager != "none" else "bare"


def _is_of_another(trouble: Trouble, service: Service) -> bool:
    """Named for something else than the site, and told to listen elsewhere, or put to rest: what belongs here may be
    gone."""
    unit = service.unit
    at_rest = unit is not None and not service.running and unit.unit_file_state == "disabled" \
        and unit.active_state != "failed"
    return (at_rest or bool(bindings_of(service))) and (
        is_foreign(trouble, service) or is_named_otherwise(trouble, service))


def _is_wanted_twice(case: Case, trouble: Trouble, service: Service) -> bool:
    """Another empty address of the node has no service either: which of the two is meant, no name tells; the number of
    a port that it holds, on another address, does."""
    mine = trouble.endpoint
    if mine.unix is None and any(x.port == mine.port and set(service.pids) & set(pids_of(x))
                                 for x in listeners_on(case.snapshot, service.node)):
        return False
    return any(
        other.endpoint.node == mine.node and is_closed(other.endpoint) is True
        and (other.endpoint.port, other.endpoint.unix) != (mine.port, mine.unix)
        and placed_owner(case, other.endpoint) is None
        and shared_names(other, service) >= shared_names(trouble, service)
        for other in case.troubles
    )


def _plausible(top: list[Service]) -> list[Service]:
    """Without what lies dormant beside something that runs, and without bare scripts beside a real server."""
    if any(s.running for s in top):
        top = [s for s in top if s.running or is_due(s) or (s.manager != "none" and isinstance(s.bindings, Unknown))]
    servers = [s for s in top if s.runtime in SERVERS]
    scripts = [s for s in top if s.runtime in _SCRIPTS]
    return servers if servers and len(servers) + len(scripts) == len(top) else top


def _same_site(case: Case, trouble: Trouble) -> tuple[Owner, ...]:
    """Nothing is left over: what serves other locations of the same server may be meant. A person must say so."""
    if not case.accepting:
        return ()
    servers = {(facts.node, facts.conf, facts.route.server_index) for facts in trouble.routes}
    ours = {facts.route.id for facts in trouble.routes}
    found: dict[str, Owner] = {}
    for judged, held in (entry for server in servers for entry in _serving(case).get(server, ())):
        if judged.facts.route.id in ours:
            continue
        for name in dict.fromkeys(name for e in held for name in (e.service, e.holder)):
            service = case.service(name)
            if service is not None and service.is_app_server and service.node == trouble.endpoint.node:
                found.setdefault(service.id, Owner(service, "same-site", judged.evidence or (state_evidence(service),)))
    return tuple(found.values())


def _serving(case: Case) -> Mapping[tuple[str, str, int], list[tuple[Judged, list[Endpoint]]]]:
    """By server: the routes behind which somebody listens, with where."""
    if not case.serving:
        accepting = {e.id: e for e in case.accepting}
        for judged in case.judged.values():
            held = [accepting[name] for name in judged.facts.endpoints if name in accepting]
            if held:
                server = judged.facts.node, judged.facts.conf, judged.facts.route.server_index
                case.serving.setdefault(server, []).append((judged, held))
    return case.serving


def _preferred(told: list[Service]) -> Service:
    """Of several that are told the same port: who runs, then who is managed and enabled, then the first."""
    def rank(service: Service) -> tuple[bool, bool, bool]:
        enabled = service.unit is None or service.unit.unit_file_state not in ("disabled", "masked")
        return not service.is_app_server, service.manager == "none", not (service.running or enabled)
    return min(told, key=rank)
