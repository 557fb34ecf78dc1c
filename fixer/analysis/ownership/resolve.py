"""Which service belongs behind an address: the one put there, or the only one left over."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.evidence import address_text, bindings_of, find_node, place
from fixer.analysis.ownership.configured import (
    is_elsewhere_in_code,
    is_made_up,
    is_watched,
    named_in_code,
    placed_owner,
    starters_at,
    wanted_elsewhere,
)
from fixer.analysis.ownership.container_network import is_moved, is_only_left, same_network
from fixer.analysis.ownership.tie_break import separated
from fixer.analysis.route_verdict import Judged
from fixer.analysis.service_names import is_named_for, shared_names
from fixer.analysis.service_state import state_evidence
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import LeftOut
from fixer.model.snapshot import Endpoint, Nginx, Process, Service, Snapshot

_CRONS = frozenset({"cron", "crond", "fcron"})
_FASTCGI = frozenset({"php-fpm"})       # what never speaks HTTP


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
    from fixer.analysis.ownership.intended_container import displaced  # only where there are containers

    return displaced(case, trouble)


def sole_owner(case: Case, trouble: Trouble) -> Owner | None:
    """The owner when there is exactly one that no person needs to choose."""
    found = owners(case, trouble)
    return found[0] if len(found) == 1 and not found[0].is_unsure else None


def _is_begun(ours: list[Process], every: tuple[Process, ...]) -> bool:
    """Started by cron, or by a user's own systemd: they stay its parents. No shell of a person's stands between."""
    pids = {process.pid for process in ours}
    above = {process.ppid for process in ours} - pids
    parents = [p for p in every if p.pid in above and p.argv and (
        (p.uid == 0 and p.comm.lower() in _CRONS) or (p.comm == "systemd" and p.ppid == 1 and "--user" in p.argv))]
    return bool(above) and len(parents) == len(above)


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


# A stranger at nginx's address whose own backend is down: nginx was pointed at another program's port, and what
# belongs there does not run either.
_STRANGE = frozenset({"not-http", "closed", "reset"})


def is_occupied(case: Case, trouble: Trouble) -> bool:
    """Something else than an application listens there and does not speak HTTP, and no service is told to. An nginx
    is no stranger: what its `stream` block hands on passes there. Nor is another program that hands connections on
    (systemd-socket-proxyd, haproxy): it hangs up while nobody is behind it, and to go past it would miss what it is
    there for, as the start of a service that no boot starts."""
    endpoint = trouble.endpoint
    holder = case.service(endpoint.holder)
    if holder is None or holder.is_app_server or holder.gateway or endpoint.service not in (None, holder.id):
        return False
    if any(nginx.node == endpoint.node and nginx.master_pid in holder.pids for nginx in case.snapshot.nginxes):
        return False
    return isinstance(endpoint.http, Known) and endpoint.http.value.error in _STRANGE


def is_missed(case: Case, trouble: Trouble, service: Service) -> bool:
    """It does not run, is no stranger's, and the site is named for it, while nothing in the stranger's name is the
    site's."""
    holder = case.service(trouble.endpoint.holder)
    return (holder is not None and not service.running and is_named_for(trouble, service)
            and not is_named_for(trouble, holder))


# Sites that nginx does not load: whose backend runs is no other site's, and what they say about a page that fails.
_NO_NAME = frozenset(("", "_"))


def contested(case: Case, trouble: Trouble, found: tuple[Owner, ...]) -> tuple[Owner, ...]:
    """The one left over, doubted where only its being left in a network that containers share speaks for it, or where a
    site that nginx does not load names its address, and is another site."""
    found = tuple(replace(o, rule="contested") if is_only_left(case, trouble, o.service) else o for o in found)
    if not trouble.nginx.left_out:
        return found
    made = []
    for owner in found:
        left = _of_another_site(trouble, owner.service)
        made.append(owner if left is None else replace(
            owner, rule="contested", why=(_shown(case, trouble.nginx, left), *owner.why)))
    return tuple(made)


def _of_another_site(trouble: Trouble, service: Service) -> LeftOut | None:
    ours = _names(tuple(name for facts in trouble.routes for name in facts.route.server_names))
    told = service.bindings.value if isinstance(service.bindings, Known) else ()
    places = {(b.unix, 0 if b.unix else b.port) for b in told}
    here = [left for left in trouble.nginx.left_out if (left.unix, 0 if left.unix else left.port) in places]
    if any(_names(left.names) & ours or _names(left.names) == ours for left in here):
        return None       # a copy of this very site: that its old address is taken over proves what is meant
    return here[0] if here else None


def _names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names) - _NO_NAME


def _shown(case: Case, nginx: Nginx, left: LeftOut) -> Evidence:
    where = place(case.snapshot, nginx.node, left.file, left.line)
    return Evidence("nginx-config", where, f"not loaded: {unloaded_site_text(left)}")


def unloaded_site_text(left: LeftOut) -> str:
    """Say which names an unloaded site hands to which address."""
    names = " ".join(left.names) or "the default server"
    return f"{names} is handed to {address_text(left.host, left.port, left.unix)} there"
