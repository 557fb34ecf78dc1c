"""What speaks against leading an address to the only listener that is left: a removed service, a second listener."""

from __future__ import annotations

import re

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import address_text, bindings_of, config_evidence, shorten
from fixer.analysis.ownership.container_network import is_sole_network_candidate
from fixer.analysis.ownership.tie_break import moved_services
from fixer.analysis.route_verdict import RouteVerdict
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint
from fixer.repairs.upstream_address import ReachableListener


@dataclass(frozen=True, slots=True)
class SecondListener:
    """What speaks for a second listener: a sentence, and its evidence. Without evidence only the first one does, to
    which another location leads."""

    text: str
    evidence: tuple[Evidence, ...]


def missing_listener(case: Case, trouble: FailingAddress, option: ReachableListener) -> SecondListener | None:
    """Return what speaks for a second listener at this address; None if nothing does, or if the service is configured
    there."""
    service, port = option.owner.service, trouble.endpoint.port
    first = _route_to_first_listener(case, trouble, option)
    if first is None or port in [b.port for b in bindings_of(service)]:
        return None
    judged, endpoint = first
    signs = tuple(_signs(case, trouble, option, judged, endpoint))
    box = service.container
    if not signs and (box is None or box.is_machine):
        return None
    said = "".join(f"; {text}" for text, _ in signs)
    text = (f"nginx already hands {judged.facts.route.location} to {option.text}{said}: if {service.name} should "
            f"listen on {port} as well (a second listener), let it do that instead")
    return SecondListener(text, tuple(dict.fromkeys(shown for _, shown in signs)))


def _signs(case: Case, trouble: FailingAddress, option: ReachableListener, first: RouteVerdict,
           endpoint: Endpoint) -> list[tuple[str, Evidence]]:
    """Return why the address is no slip for the first listener's, each with its evidence."""
    service, port = option.owner.service, trouble.endpoint.port_on_node
    box, found = service.container, []
    if box is not None and port in box.exposes:
        found.append((f"its image exposes {port}", Evidence("container", box.name, f"exposes {port}")))
    if any(re.search(rf"(?<![\d.]){port}(?![\d.])", word) for word in service.argv):
        found.append((f"its command names {port}",
                      Evidence("process", service.name, shorten(" ".join(service.argv), 120))))
    here, there = [facts.route for facts in trouble.routes], first.facts.route
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if here and all(route.upgrades for route in here) and not there.upgrades:
        found.append(("only the one without a listener passes on upgrades (WebSocket)", shown))
    elif here and there.upstream and all(route.upstream not in ("", there.upstream) for route in here):
        found.append((f"the upstream blocks {there.upstream} and {here[0].upstream} tell two addresses apart", shown))
    elif here and there.server_names and all(set(there.server_names).isdisjoint(route.server_names) for route in here):
        found.append((f"that is the page of {there.server_names[0]}, another site", shown))
    return found


def _route_to_first_listener(case: Case, trouble: FailingAddress,
                             option: ReachableListener) -> tuple[RouteVerdict, Endpoint] | None:
    """Return the location that leads to that listener and answers, and the address that it asks."""
    for judged in case.verdicts.values():
        if judged.state != "ok" or not trouble.nginx.serves(judged.facts):
            continue
        for endpoint in (case.endpoints[name] for name in judged.facts.endpoints):
            if (endpoint.node, endpoint.port, endpoint.host) == (
                    option.owner.service.node, option.listener.port, trouble.endpoint.host):
                return judged, endpoint
    return None


def only_left_text(case: Case, trouble: FailingAddress, options: tuple[ReachableListener, ...]) -> tuple[str, ...]:
    """Explain why the operator must confirm the only candidate."""
    left = [o.owner.service for o in options if is_sole_network_candidate(case, trouble, o.owner.service)]
    names = dict.fromkeys(s.container.service or s.container.name for s in left if s.container is not None)
    shared = (f"{name} shares that network, but nothing names it there: the service of port "
              f"{trouble.endpoint.port} may have been removed from the project" for name in names)
    moved = {service.name: bindings_of(service)[0] for o in options
             for service in moved_services(case, trouble, o.owner.service)}
    return (*shared, *(f"{name} listens on {address_text(told.host, told.port, told.unix)}, which no route names: it "
                       "may have moved there" for name, told in moved.items()))
