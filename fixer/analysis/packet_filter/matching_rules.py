"""Packet filter rules between nginx and a backend: which rule stops which packets, as seen at the address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import ENGINE, container_of, endpoint_text, find_node, listener_at, processes_of
from fixer.analysis.route_verdict import recent_events
from fixer.formats.docker_conventions import is_docker_host
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.firewall import Chain, Firewall, Rule
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import Container, Endpoint, Snapshot
from fixer.nginx.error_kinds import CONNECTING

with lazy_imports():  # not needed in most looks
    from fixer.analysis.packet_filter.packet_path import Hit, hits_of, is_in_network, request_packets

Symptom: TypeAlias = Literal["silent", "kernel-silent", "refused", "prohibited", "mute"]
_LOGGED_SYMPTOMS: Mapping[ErrorKind, Symptom] = {
    "timeout-connect": "silent", "connect-timeout-kernel": "kernel-silent", "refused": "refused",
    "connect-denied": "prohibited", "connect-not-permitted": "prohibited", "net-unreachable": "prohibited",
    "host-unreachable": "prohibited", "timeout-read": "mute", "timeout-body": "mute",
}



@dataclass(frozen=True, slots=True)
class FilterMatch:
    """A rule on a node that stops nginx's packets to an address in exactly the way that is seen there."""

    failing_address: FailingAddress
    node: str
    hit: Hit
    symptom: Symptom
    is_to_docker_host: bool = False     # a container's packets to its own machine: its filter of input decides

    @property
    def is_icc(self) -> bool:
        """True for Docker's own rule that keeps the containers of a network apart (enable_icc=false)."""
        matches = () if self.hit.rule is None else self.hit.rule.matches
        return {m.key for m in matches} == {"iif", "oif"} and len({m.values for m in matches}) == 1

    @property
    def is_length(self) -> bool:
        """True if the rule stops packets by their size."""
        return self.hit.rule is not None and any(m.key == "length" for m in self.hit.rule.matches)


def symptoms_of(case: Case, trouble: FailingAddress) -> frozenset[Symptom]:
    """Return how the address fails, by the result of our connect and by nginx's recent log lines."""
    endpoint, found = trouble.endpoint, set[Symptom]()
    tcp, http = endpoint.tcp, endpoint.http
    if isinstance(tcp, Known):
        match tcp.value.error, tcp.value.errno:
            case "slow", _:
                found.add("silent")
            case "refused", _:
                found.add("refused")
            case "unreachable" | "permission", _:
                found.add("prohibited")
            case None, _ if isinstance(http, Known) and http.value.error == "slow":
                found.add("mute")
            case _:
                pass
    events = recent_events(trouble.nginx, trouble.routes[:20], case.snapshot)
    newest = max((e for e in events if e.kind in CONNECTING), key=lambda event: event.at, default=None)
    # our connect now, and nginx's last one, outweigh lines from before a repair
    over = found == {"refused"} and newest is not None and newest.kind == "refused"
    for event in events:
        symptom = _LOGGED_SYMPTOMS.get(event.kind)
        if symptom is not None and not (over and event.kind in CONNECTING and event.kind != "refused"):
            found.add(symptom)
    return frozenset(found)


def is_refused_by_empty_port(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the address refuses and nothing listens there: no rule is needed for that, and none is read."""
    return trouble.endpoint.node is not None and listener_at(trouble.endpoint) is None and (
        symptoms_of(case, trouble) == {"refused"})


def waits_for_listener(case: Case, trouble: FailingAddress) -> bool:
    """Return whether a rule may reject the connections of an empty port, too: it shows only once something listens."""
    return is_refused_by_empty_port(case, trouble) and any(
        isinstance(firewall, Unknown) or bool(firewall.value.unread)
        or any(hit.rejects and not _is_docker_chain(hit.chain) for hit in hits)
        for _, firewall, hits in _filters_on_path(case, trouble))


def certain_filter_matches(case: Case, trouble: FailingAddress) -> tuple[tuple[FilterMatch, ...], str]:
    """Return the rules that explain the failure, only the certain ones; and what could not be read, if it matters."""
    found, missing = _filter_matches(case, trouble)
    return tuple(block for block in found if _is_certain(block.hit)), missing


def uncertain_filter_matches(case: Case, trouble: FailingAddress) -> tuple[FilterMatch, ...]:
    """Return the rules that would explain it, if it is unknown whether they match these packets (a rate, a mark)."""
    return tuple(block for block in _filter_matches(case, trouble)[0] if not _is_certain(block.hit))


def _is_certain(hit: Hit) -> bool:
    return hit.sure or _is_by_length(hit.rule)


def _filter_matches(case: Case, trouble: FailingAddress) -> tuple[list[FilterMatch], str]:
    endpoint = trouble.endpoint
    if endpoint.unix is not None or not endpoint.port or isinstance(endpoint.addresses, Unknown):
        return [], ""
    seen = symptoms_of(case, trouble)
    if not seen or is_refused_by_empty_port(case, trouble):
        return [], ""
    found: list[FilterMatch] = []
    missing = ""
    for node, firewall, hits in _filters_on_path(case, trouble):
        if isinstance(firewall, Unknown):
            missing = missing or f"the packet filter of {node}: {firewall.reason}"
            continue
        if firewall.value.unread:
            missing = missing or f"the packet filter of {node}: {firewall.value.unread}"
        for hit in hits:
            symptom = _explained_symptom(hit, seen)
            if symptom is not None and not _is_docker_chain(hit.chain):
                to_host = node == ENGINE and leads_to_docker_host(case.snapshot, trouble)
                found.append(FilterMatch(trouble, node, hit, symptom, to_host))
    return found, "" if any(_is_certain(block.hit) for block in found) else missing


def _is_docker_chain(chain: Chain) -> bool:
    """Return whether the chain is Docker's own: it keeps networks apart, so the container's network decides there."""
    return chain.name.startswith("DOCKER") and chain.name != "DOCKER-USER"


def _is_by_length(rule: Rule | None) -> bool:
    return rule is not None and any(m.key == "length" for m in rule.matches) and not any(
        m.key == "other" for m in rule.matches)


def _explained_symptom(hit: Hit, seen: frozenset[Symptom]) -> Symptom | None:
    if hit.packet.stage == "data":
        return "mute" if "mute" in seen and not hit.rejects else None
    if not hit.rejects:
        return "kernel-silent" if "kernel-silent" in seen else "silent" if "silent" in seen else None
    if hit.rule is not None and hit.rule.reject in ("port", "reset"):
        return "refused" if "refused" in seen else None
    return "prohibited" if "prohibited" in seen else None


def _filters_on_path(case: Case, trouble: FailingAddress) -> Iterator[tuple[str, Fact[Firewall], tuple[Hit, ...]]]:
    """Yield every packet filter on the path, with the rules that stop the packets."""
    snapshot, endpoint, nginx = case.snapshot, trouble.endpoint, trouble.nginx
    addresses = endpoint.addresses.or_else(())
    own, there = find_node(snapshot, nginx.node), find_node(snapshot, endpoint.node)
    workers = processes_of(snapshot, nginx.node, nginx.worker_pids)
    uid = workers[0].uid if workers else None
    # a published port is an address of the host itself
    loop = endpoint.node == nginx.node or bool(endpoint.container_port)
    source = _source_address(snapshot, nginx.node, endpoint)

    def hits(firewall: Fact[Firewall], ways: tuple[str, str], address: str, bridge: str = "",
             device: str = "") -> tuple[Hit, ...]:
        if isinstance(firewall, Unknown):
            return ()
        start = address if loop else source
        packets = request_packets(start, address, endpoint.port, ways, loop=loop, uid=uid, bridge=bridge, device=device)
        return hits_of(firewall.value, packets)

    for address in addresses[:1]:
        if own is not None:
            ways = ("out+in", "out+in") if loop else ("out", "in")
            yield own.name, own.firewall, hits(own.firewall, ways, address, device=_outgoing_device(snapshot, own.name))
        if not loop and there is not None and not isinstance(there.firewall, Unknown):
            yield there.name, there.firewall, hits(there.firewall, ("in", "out"), address,
                                                   device=_outgoing_device(snapshot, there.name))
        box = container_of(snapshot, nginx.node)
        engine = snapshot.engine_firewall
        if leads_to_docker_host(snapshot, trouble) and box is not None:
            source, device = _way_to_docker_host(box, address)
            yield ENGINE, engine, hits(engine, ("in", "out"), address, device=device)
        elif not loop and box is not None and not box.is_machine and endpoint.node is not None:
            bridge = _shared_bridge(snapshot, nginx.node, endpoint)
            yield ENGINE, engine, hits(engine, ("through", "through"), address, bridge)


def leads_to_docker_host(snapshot: Snapshot, trouble: FailingAddress) -> bool:
    """Return whether nginx is in a container with a network of its own and asks a program of the Docker host itself.
    A port that Docker publishes is passed on to its container before the host's own input filter."""
    endpoint, box = trouble.endpoint, container_of(snapshot, trouble.nginx.node)
    if box is None or box.is_machine or box.has_shared_network or endpoint.container_port:
        return False
    boxes = (service.container for service in snapshot.services if service.container is not None)
    addresses = endpoint.addresses.or_else(())
    return bool(addresses) and is_docker_host(endpoint.host, addresses, (box, *boxes))


def _way_to_docker_host(box: Container, address: str) -> tuple[str, str]:
    """Return the address and the bridge by which a container reaches the Docker host: of the network whose gateway the
    address is, or of its only one; empty for what is unknown."""
    own = [(name, ip) for name, ip, _ in box.networks if ip]
    if len(own) > 1:
        nets = dict(box.subnets)
        own = [(name, ip) for name, ip in own if name in nets and is_in_network(nets[name], address)]
    if len(own) != 1:
        return "", ""
    (name, ip), = own
    return ip, dict(box.bridges).get(name, "")


def _source_address(snapshot: Snapshot, node: str, endpoint: Endpoint) -> str:
    """Return nginx's own address on a network that it shares with a container."""
    mine, theirs = container_of(snapshot, node), container_of(snapshot, endpoint.node or "")
    if mine is None or theirs is None:
        return ""
    shared = {name for name, _, _ in theirs.networks}
    return next((ip for name, ip, _ in mine.networks if name in shared and ip), "")


def _outgoing_device(snapshot: Snapshot, node: str) -> str:
    """Return the outgoing device of a container on a single network, by Docker's name; empty for others."""
    box = container_of(snapshot, node)
    own = box is not None and not box.is_machine and not box.has_shared_network
    return "eth0" if own and box is not None and len(box.networks) == 1 else ""


def _shared_bridge(snapshot: Snapshot, node: str, endpoint: Endpoint) -> str:
    """Return the bridge of the network that both containers share."""
    mine, theirs = container_of(snapshot, node), container_of(snapshot, endpoint.node or "")
    if mine is None or theirs is None:
        return ""
    shared = {name for name, _, _ in theirs.networks}
    return next((device for name, device in mine.bridges if name in shared), "")


def filter_match_evidence(block: FilterMatch) -> tuple[Evidence, ...]:
    """Return the rule with its counter as evidence."""
    rule, chain = block.hit.rule, block.hit.chain
    place = block.hit.where if block.node == block.failing_address.nginx.node else f"{block.node}: {block.hit.where}"
    if rule is None:
        return (Evidence("kernel", place, f"policy {chain.policy}, and no rule accepts it"),)
    count = "" if rule.packets is None else f" (matched {rule.packets} packets)"
    return (Evidence("kernel", place, rule.text + count),)


def filter_match_text(block: FilterMatch) -> str:
    """Return what the rule does to which packets, for a summary."""
    packet = block.hit.packet
    verb = "rejects" if block.hit.rejects else "drops"
    there = "dport" in packet.fields
    if packet.stage == "data":
        what = "what nginx sends to" if there else "what comes back from"
    else:
        what = "nginx's connections to" if there else "the answers to nginx's connections from"
    return f"a packet filter {verb} {what} {endpoint_text(block.failing_address.endpoint)} ({block.hit.where})"
