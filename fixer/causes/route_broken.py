"""The machine's own routes lead packets for the backend nowhere.
nginx's connect() fails at once with `113`, `13`, `22` or `101` (502). Delete the route, or add the missing one.

By hand
  ip route get ADDRESS; ip route show table all; ip rule    # IPv6: ip -6 route …
  ip route del unreachable NETWORK                          # or prohibit, blackhole; not in table main: … table NAME
  ip route add NETWORK via GATEWAY                          # 101: there is no route at all
  ip link set lo up                                         # if `ip link show lo` says DOWN
  grep -rnE 'unreachable|prohibit|blackhole' /etc/network /etc/netplan /etc/systemd/network  # does a boot add it again?

What it is
  A route of type unreachable, prohibit or blackhole covers the backend's address, or no route does. Or the machine's
  loopback device is down: then nothing reaches 127.0.0.1, though all programs run and listen.

Why nginx says 502
  connect() fails at once, without a packet sent: `connect() to ADDRESS failed (113: No route to host)` for
  unreachable, `(13: Permission denied)` for prohibit, `(22: Invalid argument)` for blackhole, `(101: Network is
  unreachable)` where there is no route. While the loopback is down it waits for its timeout (504).

How it is told apart
  The kernel's own table names the route. A dead neighbour says 113 as well, but after seconds; a packet filter that
  rejects says 113 at once, and its rule is shown; SELinux says 13 to nginx and to nobody else. Errno 13 on a TCP
  upstream is no proof of SELinux.
  Where only large packets vanish, small answers pass and every quick test is green: nginx's recent lines about answers
  that did not come to their end (`upstream timed out (110: …) while reading …`) and a rule that looks at the size of
  packets tell it together; without such a rule nothing is claimed.

The repair and its safety
  remove-route (disruptive): exactly that route goes; undo adds it again. A route that a file or a daemon adds at boot
  must go there too: fixer changes the kernel's table only. Where a network has no route at all, a person must know the
  way to it; but where that is a network which Docker has given nginx's own container, restart-nginx-container
  (disruptive) has Docker lay the route again. remove-rule (disruptive): the rule that looks at sizes goes, as in
  firewall-drop.

Variants
  route-unreachable  a route of type unreachable covers the address
  route-prohibit     a route or rule of type prohibit covers the address
  route-blackhole    a route of type blackhole covers the address
  route-missing      no route leads to the network
  loopback-down      the loopback device is down
  mtu-blackhole      a rule drops large packets; small answers pass
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fixer.analysis.case import Case, FailingAddress, unique_route_id
from fixer.analysis.cause import Cause, add_finding, conclude, for_each_failing_address, join_by
from fixer.analysis.evidence import config_evidence, container_of, endpoint_text, find_node
from fixer.analysis.nginx_errors import events_for, routes_text, symptom_evidence
from fixer.analysis.packet_filter.matching_rules import certain_filter_matches
from fixer.analysis.route_verdict import recent_events
from fixer.findings.filter_rule import filter_finding
from fixer.formats.addresses import is_loopback
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import RemoveRoute
from fixer.model.snapshot import Nginx
from fixer.nginx.error_kinds import CONNECTING, READ_TIMEOUT

with lazy_imports():
    import ipaddress  # only after a connect error that a route explains

    from fixer.repairs.start_nginx import restart_nginx_repair

_ROUTE_TYPES: dict[str, tuple[int, Literal["unreachable", "prohibit", "blackhole", "throw"], str]] = {
    "UNREACHABLE": (113, "unreachable", "route-unreachable"), "PROHIBIT": (13, "prohibit", "route-prohibit"),
    "BLACKHOLE": (22, "blackhole", "route-blackhole"), "THROW": (101, "throw", "route-missing"),
}
_NO_ROUTE = 101
_REFUSED = 111
_ERRNOS = frozenset({13, 22, 101, 113})


def judge(case: Case) -> Verdict:
    """Judge each address with connects that fail at once: what does the kernel's routing table say?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    unique = join_by(findings, lambda found: f"{found.node}/{found.evidence[0].text}")
    return conclude([*unique, *_size_filter_findings(case)], missing, ruled)


def _size_filter_findings(case: Case) -> tuple[Finding, ...]:
    """Find packet filter rules that match by size: long answers are lost, as with an MTU that is too small."""
    late = [n for n in case.snapshot.nginxes if isinstance(n.errors, Known)
            and any(event.kind in READ_TIMEOUT for event in n.errors.value)]
    if not late:
        return ()
    found: dict[str, Finding] = {}
    for trouble in (*case.failing_addresses, *_cut_short_addresses(case, late)):
        for block in certain_filter_matches(case, trouble)[0]:
            if block.is_length:
                add_finding(found, block.hit.where, filter_finding(case, CAUSE.id, "mtu-blackhole", block))
    return tuple(found.values())


def _cut_short_addresses(case: Case, nginxes: list[Nginx]) -> Iterator[FailingAddress]:
    """Return endpoints of routes that answer our probe while recent answers to clients stalled."""
    for nginx in nginxes:
        for key, judged in case.verdicts.items():
            facts = judged.facts
            if not nginx.serves(facts) or judged.state != "ok" or key != unique_route_id(facts):
                continue
            if any(e.kind in READ_TIMEOUT for e in recent_events(nginx, (facts,), case.snapshot)):
                for name in facts.endpoints:
                    yield FailingAddress(nginx, (case.endpoints[name],), (facts,), (judged,))


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint, nginx = trouble.endpoint, trouble.nginx
    seen = _connect_errnos(case, trouble)
    known = endpoint.addresses.or_else(())
    address = next((a for a in known if ":" not in a), "")
    node = find_node(case.snapshot, nginx.node)
    if node is not None and node.is_loopback_down and known and all(map(is_loopback, known)):
        return _loopback_finding(case, trouble)
    unasked = isinstance(endpoint.tcp, Unknown) and not seen     # then only the kernel's table decides
    if not (seen or unasked) or not address or node is None or (unasked and isinstance(node.ip_routes, Unknown)):
        return config_evidence(case.snapshot, nginx, endpoint)
    if isinstance(node.ip_routes, Unknown):
        return f"the routing table of {nginx.node}: {node.ip_routes.reason}"
    way = best_route(node.ip_routes.value, address)
    if way is None:
        return _no_route_finding(case, trouble, address) if _NO_ROUTE in seen else _route_evidence(address, "no route",
                                                                                                   "")
    network, kind = way
    if kind not in _ROUTE_TYPES or not ((unasked and kind != "THROW") or _ROUTE_TYPES[kind][0] in seen):
        return _route_evidence(address, kind.lower(), network)
    found = _bad_route_finding(case, trouble, network, kind)
    return replace(found, confidence="likely") if unasked else found


def _connect_errnos(case: Case, trouble: FailingAddress) -> frozenset[int]:
    """Return the errnos of failed connects, from the probe and nginx's log."""
    tcp = trouble.endpoint.tcp
    seen = {event.errno for event in events_for(case, trouble, CONNECTING)}
    if isinstance(tcp, Known):
        if tcp.value.error is None or tcp.value.errno == _REFUSED:
            return frozenset()           # packets arrive: routing works, whatever nginx logged before
        seen.add(tcp.value.errno)
    return frozenset(errno for errno in seen if errno in _ERRNOS)


def best_route(ways: tuple[tuple[str, str], ...], address: str) -> tuple[str, str] | None:
    """Return the route with the longest prefix for the address, as the kernel selects it."""
    found: tuple[int, tuple[str, str]] | None = None
    wanted = ipaddress.ip_address(address)
    for network, kind in ways:
        held = ipaddress.ip_network(network, strict=False)
        if wanted in held and (found is None or held.prefixlen >= found[0]):
            found = held.prefixlen, (network, kind)
    return None if found is None else found[1]


def _route_evidence(address: str, kind: str, network: str) -> Evidence:
    return Evidence("kernel", "/proc/net/fib_trie", f"{address}: {kind} {network}".strip())


def _no_route_finding(case: Case, trouble: FailingAddress, address: str) -> Finding:
    written = config_evidence(case.snapshot, trouble.nginx, trouble.endpoint).where
    manual = (f"add a route to the machine: no route covers {address}, not even a default route (ip route add … via …)."
              f" If the backend is not at {address}, correct the address at {written}")
    repair = Repair("add-route", "manual", f"add a route to {address}", (), manual=manual)
    again = _restart_container_repair(case, trouble, address)
    repair = repair if again is None else again
    shown = Evidence("kernel", "/proc/net/fib_trie", f"no route covers {address}")
    summary = f"no route leads to {endpoint_text(trouble.endpoint)}"
    return _make_finding(case, trouble, ("route-missing", summary), repair, shown)


def _restart_container_repair(case: Case, trouble: FailingAddress, address: str) -> Repair | None:
    """Return a restart of nginx's container if Docker gave it the network of the address: the routes of its networks
    are set at its start."""
    box = container_of(case.snapshot, trouble.nginx.node)
    if box is None or box.is_machine:
        return None
    own = {name for name, ip, _ in box.networks if ip}
    others = (service.container for service in case.snapshot.services if service.container is not None)
    shared = next((name for c in others for name, ip, _ in c.networks if ip == address and name in own), None)
    if shared is None:
        return None
    return restart_nginx_repair(case, trouble.nginx, box, f": Docker then sets its route into {shared} again")


def _bad_route_finding(case: Case, trouble: FailingAddress, network: str, kind: str) -> Finding:
    _, word, variant = _ROUTE_TYPES[kind]
    nginx = trouble.nginx
    box = container_of(case.snapshot, nginx.node)
    inside = (box.name, box.id) if box is not None and not box.is_machine else ()
    step = RemoveRoute(nginx.node, word, network, *inside)
    repair = Repair("remove-route", "disruptive", f"delete the {word} route to {network} on {nginx.node}", (step,))
    words = (variant, f"a route of type {word} to {network} covers {endpoint_text(trouble.endpoint)}")
    return _make_finding(case, trouble, words, repair, Evidence("kernel", "/proc/net/fib_trie", f"{word} {network}"))


def _loopback_finding(case: Case, trouble: FailingAddress) -> Finding | Evidence:
    """Return the finding if nothing that nginx sends reaches an address of the loopback."""
    down = Evidence("kernel", "/sys/class/net/lo/operstate", "down")
    tcp = trouble.endpoint.tcp
    if isinstance(tcp, Known) and tcp.value.error is None:
        return down
    manual = ("ip link set lo up. Then find out what took it down (a script, a network manager's profile): `ip link "
              "show lo` after the next boot shows whether it stays up")
    repair = Repair("raise-loopback", "manual", "bring the loopback device up", (), manual=manual)
    words = ("loopback-down", f"the loopback device of {trouble.nginx.node} is down")
    return _make_finding(case, trouble, words, repair, down)


def _make_finding(case: Case, trouble: FailingAddress, words: tuple[str, str], repair: Repair,
                  shown: Evidence) -> Finding:
    return Finding(
        cause=CAUSE.id, variant=words[0], role="root", confidence="certain",
        summary=f"{words[1]}: nginx cannot connect for {routes_text(trouble)}", detail=(), routes=trouble.route_ids,
        service=None, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            shown, config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, CONNECTING),
        ))),
        repairs=(repair,),
    )


CAUSE = Cause(
    id="route-broken",
    title="the machine has no working route to the backend",
    family="network, firewall, SELinux",
    variants=(
        "route-unreachable", "route-prohibit", "route-blackhole", "route-missing", "loopback-down", "mtu-blackhole",
    ),
    verdict=judge,
    page=__doc__,
)
