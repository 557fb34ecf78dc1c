"""A packet filter rejects nginx's connections to the backend at once, although the backend listens.
nginx logs `111: Connection refused` or `113: No route to host` (502). Delete the rule that rejects them.

By hand
  nft -a list ruleset; nft delete rule FAMILY TABLE CHAIN handle N
  iptables -nvL --line-numbers; iptables -D CHAIN N                # IPv6: ip6tables
  docker inspect -f '{{.State.Pid}}' CONTAINER                     # PID, for the next line
  nsenter -t PID -n iptables -nvL --line-numbers                   # in a container's network, from the Docker host
  ufw status numbered; firewall-cmd --list-all; fail2ban-client status    # their rules are theirs to change
  grep -rnsi reject /etc/nftables* /etc/iptables /etc/sysconfig    # take the rule out of what loads it at boot

What it is
  A rule of nftables or iptables answers in the backend's place: with a TCP reset or "port unreachable", or with
  "administratively prohibited", as firewalld does by default.

Why nginx says 502
  To whoever connects, a reset or "port unreachable" is a refusal like any other: `connect() failed (111: Connection
  refused) while connecting to upstream`. "Prohibited" and "host unreachable" give `connect() failed (113: No route to
  host)`, in less than a millisecond and to an address that is alive.

How it is told apart
  backend-down and wrong-port log the very same line, but there nothing listens. Here the kernel's table shows the
  listener, and a rule whose conditions all fit this very connection rejects it. No route at all is route-broken.
  If the backend is on another machine, only its own rules can tell. 113 within milliseconds, while no rule and no route
  of nginx's machine gives it, is an answer of the network: a machine that is silent costs seconds.

The repair and its safety
  remove-rule, allow-connection (disruptive): as for firewall-drop.
  change-firewall (manual): the rule is a firewall tool's, or on another machine; the message names the command.

Variants
  firewall-reject          a rule rejects the connection: connection refused
  firewall-reject-113      a rule rejects the connection: no route to host
  docker-user-chain-block  a rule in the Docker host's chain DOCKER-USER
  docker-host-input-block  a rule of the Docker host for what reaches the host itself, from nginx's container
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause
from fixer.analysis.evidence import ENGINE, config_evidence, container_of, endpoint_text, find_node
from fixer.analysis.nginx_errors import routes_text, symptom_evidence
from fixer.analysis.packet_filter.matching_rules import FilterMatch, waits_for_listener
from fixer.findings.filter_rule import judge_filters
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Found, Repair, RuledOut, Undetermined, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Node

with lazy_imports():
    import ipaddress  # only for an address of another machine

_HOST_UNREACHABLE = 113
_PROMPT_MS = 500.0      # an address that does not answer ARP gets the same error, after three seconds
_SHOWN_LATER = "whether a rule rejects connections, too: it shows once something listens"


def judge(case: Case) -> Verdict:
    """Judge each address that refuses although something listens: does a rule reject it? Else another machine may."""
    verdict = judge_filters(case, CAUSE.id, _variant)
    if not isinstance(verdict, RuledOut):
        return verdict
    elsewhere = tuple(_rejected_elsewhere(case, trouble, node) for trouble in case.failing_addresses
                      if (node := find_node(case.snapshot, trouble.nginx.node)) is not None
                      and _is_rejected_elsewhere(case, trouble, node))
    if elsewhere:
        return Found(elsewhere)
    is_waiting = any(waits_for_listener(case, trouble) for trouble in case.failing_addresses)
    return Undetermined((_SHOWN_LATER,)) if is_waiting else verdict


def _is_rejected_elsewhere(case: Case, trouble: FailingAddress, node: Node) -> bool:
    """Return whether the network answers at once that the address is unreachable, and this machine does not say so."""
    endpoint, box, tcp = trouble.endpoint, container_of(case.snapshot, node.name), trouble.endpoint.tcp
    prompt = isinstance(tcp, Known) and tcp.value.errno == _HOST_UNREACHABLE and tcp.value.ms < _PROMPT_MS
    addresses = endpoint.addresses.or_else(())
    if not prompt or endpoint.node is not None or (box is not None and not box.is_machine) or not addresses:
        return False
    read = isinstance(node.firewall, Known) and not node.firewall.value.unread and isinstance(node.ip_routes, Known)
    own = set(addresses) & {*node.addresses, *node.unanswered_addresses}
    return read and not own and not any(_has_special_route(address, node) for address in addresses)


def _has_special_route(address: str, node: Node) -> bool:
    """Return whether a route that leads nowhere covers the address, or none does: then the kernel itself says 113."""
    wanted = ipaddress.ip_address(address)
    ways = ((ipaddress.ip_network(network, strict=False), kind) for network, kind in node.ip_routes.or_else(()))
    kinds = [kind for network, kind in ways if wanted in network]
    return not kinds or any(kind != "UNICAST" for kind in kinds)


def _rejected_elsewhere(case: Case, trouble: FailingAddress, node: Node) -> Finding:
    endpoint, tcp = trouble.endpoint, trouble.endpoint.tcp
    assert isinstance(tcp, Known)
    where = endpoint_text(endpoint)
    port = f"{endpoint.port}/tcp"
    manual = (f"on the machine with {endpoint.host}, which fixer does not observe, let port {port} in for "
              f"nginx's machine: firewall-cmd --permanent --add-port={port} && firewall-cmd --reload; "
              f"ufw allow {port}; or look with nft list ruleset. A router on the way may reject it, too")
    allow = Repair("change-firewall", "manual", f"allow port {port} on {endpoint.host}", (), manual=manual)
    return Finding(
        cause=CAUSE.id, variant="firewall-reject-113", role="root", confidence="likely",
        summary=f"another machine rejects nginx's connections to {where}: no rule and no route of {node.name} does",
        detail=(f"needed by {routes_text(trouble)}",), routes=trouble.route_ids, service=None, node=node.name,
        evidence=tuple(dict.fromkeys((
            Evidence("probe", where, f"connect: no route to host (113) after {tcp.value.ms:.0f} ms"),
            Evidence("kernel", f"{node.name} /proc/net/fib_trie", f"an ordinary route leads to {endpoint.host}"),
            config_evidence(case.snapshot, trouble.nginx, endpoint), *symptom_evidence(case, trouble),
        ))),
        repairs=(allow,),
    )


def _variant(block: FilterMatch) -> str | None:
    if not block.hit.rejects or block.is_length or block.is_icc:
        return None
    if block.node == ENGINE:
        return "docker-host-input-block" if block.is_to_docker_host else "docker-user-chain-block"
    return "firewall-reject" if block.symptom == "refused" else "firewall-reject-113"


CAUSE = Cause(
    id="firewall-reject",
    title="a packet filter rejects nginx's connections to the backend",
    family="network, firewall, SELinux",
    variants=("firewall-reject", "firewall-reject-113", "docker-user-chain-block",
              "docker-host-input-block"),
    verdict=judge,
    page=__doc__,
)
