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

The repair and its safety
  remove-rule, allow-connection (disruptive): as for firewall-drop.

Variants
  firewall-reject          a rule rejects the connection: connection refused
  firewall-reject-113      a rule rejects the connection: no route to host
  docker-user-chain-block  a rule in the Docker host's chain DOCKER-USER
  docker-host-input-block  a rule of the Docker host for what reaches the host itself, from nginx's container
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause
from fixer.analysis.evidence import ENGINE
from fixer.analysis.packet_filter.matching_rules import FilterMatch
from fixer.findings.filter_rule import judge_filters
from fixer.model.diagnosis import Verdict


def judge(case: Case) -> Verdict:
    """Judge each address that refuses although something listens: does a rule reject it?"""
    return judge_filters(case, CAUSE.id, _variant)


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
