"""The service that configuration or topology puts at an address: told to listen there, or the container it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.evidence import bindings_of, find_node
from fixer.analysis.ownership.container_network import by_elimination, is_moved, same_network, told_beside, told_on_host
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.lazy.dataclass import replace
from fixer.model.deployment import Starter
from fixer.model.diagnosis import Finding, Need
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Binding, Endpoint, Process, Service, Snapshot

_WATCHERS = frozenset({"runsv", "s6-supervise", "supervise"})


def placed_owner(case: Case, endpoint: Endpoint) -> Owner | None:
    """The service that configuration or topology puts at an address. What anybody could start claims nothing."""
    known = case.placed.get(id(endpoint))
    if known is None:       # the address is kept with it, so that no other gets its id
        known = case.placed[id(endpoint)] = (endpoint, _placed(case, endpoint))
    return known[1]


def _placed(case: Case, endpoint: Endpoint) -> Owner | None:
    service = case.service(endpoint.service)
    if is_moved(case.snapshot, endpoint) or by_elimination(case, endpoint, service):
        return None
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


def _preferred(told: list[Service]) -> Service:
    """Of several that are told the same port: who runs, then who is managed and enabled, then the first."""
    def rank(service: Service) -> tuple[bool, bool, bool]:
        enabled = service.unit is None or service.unit.unit_file_state not in ("disabled", "masked")
        return not service.is_app_server, service.manager == "none", not (service.running or enabled)
    return min(told, key=rank)


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


def is_told(service: Service, endpoint: Endpoint) -> bool:
    """Told to listen at this port (or socket path)."""
    return bool(_binding_evidence(service, endpoint)) or _publishes(service, endpoint)


def _binding_evidence(service: Service, endpoint: Endpoint) -> tuple[Evidence, ...]:
    return tuple(b.source for b in bindings_of(service) if _names(b, endpoint))


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


# Units at rest of which nothing but their own code says where they listen.
KEY = "backend"
MOST_EQUALS = 6


def named_in_code(snapshot: Snapshot, endpoint: Endpoint) -> tuple[tuple[Service, Evidence], ...]:
    """The units of the node whose code listens at that port, each with the line; masked ones and jobs were left out."""
    if endpoint.unix is not None or not endpoint.port_there:
        return ()
    lines = ((s, b) for s in snapshot.services if s.node == endpoint.node and s.in_code for b in s.in_code)
    return tuple((service, binding.source) for service, binding in lines if binding.port == endpoint.port_there)


def is_elsewhere_in_code(service: Service, endpoint: Endpoint) -> bool:
    """Put to rest, and by its code of another port: it is not what is missing here."""
    unit = service.unit
    return bool(service.in_code) and unit is not None and unit.unit_file_state == "disabled" and (
        unit.active_state != "failed") and not _is_here(service, endpoint)


def _is_here(service: Service, endpoint: Endpoint) -> bool:
    return endpoint.unix is None and any(b.port == endpoint.port_there for b in service.in_code)


def which_in_code(
    case: Case, endpoint: Endpoint, owners: Sequence[Owner], findings: Sequence[Finding],
) -> Finding | None:
    """What was found of each, as one question, where they are equals by their code."""
    if not all(_is_here(owner.service, endpoint) for owner in owners):
        return None
    names = tuple(owner.service.name for owner in owners[:MOST_EQUALS])
    given = case.inputs.get(KEY)
    found = findings[names.index(given) if given in names else 0]
    said = " and ".join(names)
    why = f"the code of {said} listens there, and none of them runs: name the one that is meant"
    need = Need(KEY, "choice", why, names)
    first, lines = found.repairs[0], [owner.why[0] for owner in owners[:MOST_EQUALS]]
    if given not in names:
        first = replace(first, summary=f"start {' or '.join(names)}", steps=())
    return replace(
        found, confidence="possible", repairs=(replace(first, needs=(need,)),),
        summary=found.summary if given in names else f"{said} are stopped; the code of each listens where nginx asks",
        evidence=tuple(dict.fromkeys((*found.evidence[:1], *lines, *found.evidence[1:]))),
    )


# What besides the managers would start a server: cron, rc.local, runit and their like, a container's own script.


def starters_at(case: Case, trouble: Trouble) -> tuple[Starter, ...]:
    """What would start a server at that address, where nobody listens there."""
    endpoint = trouble.endpoint
    if not case.snapshot.starters or is_closed(endpoint) is not True or endpoint.inner:
        return ()
    return tuple(s for s in case.snapshot.starters if s.node == endpoint.node and (
        s.unix == endpoint.unix if endpoint.unix is not None or s.unix is not None else s.port == endpoint.port))
