"""A packet filter drops nginx's packets to the backend, or what comes back: there is no refusal, and everybody waits.
nginx logs `upstream timed out` (504), sometimes `connect() failed (110)` (502). Delete the rule that drops them.

By hand
  nft -a list ruleset; nft delete rule FAMILY TABLE CHAIN handle N
  iptables -nvL --line-numbers; iptables -D CHAIN N              # IPv6: ip6tables; also with -t raw and -t mangle
  docker inspect -f '{{.State.Pid}}' CONTAINER                   # PID, for the next line
  nsenter -t PID -n iptables -nvL --line-numbers                 # in a container's network, from the Docker host
  ufw status numbered; firewall-cmd --list-all; fail2ban-client status    # their rules are theirs to change
  grep -rnsi drop /etc/nftables* /etc/iptables /etc/sysconfig    # take the rule out of what loads it at boot

What it is
  A rule of nftables or iptables (or a chain's policy) drops the connection between nginx and the backend: on the
  machine itself, also on the loopback device, on the Docker host between two containers (DOCKER-USER), or in the
  network of one of the two: each container's has a filter of its own.

Why nginx says 504, sometimes 502
  A dropped SYN gets no answer: after proxy_connect_timeout `upstream timed out (110: Connection timed out) while
  connecting to upstream` (504). Where the kernel gives up first (tcp_syn_retries), `connect() failed (110: Connection
  timed out)` (502). Where only data is dropped: `… while reading response header from upstream` (504).

How it is told apart
  The backend listens, nothing waits in its queue, and a rule whose conditions all fit this very connection drops it.
  backend-hung and a full queue look the same to nginx, but there connections wait in the kernel's queue and no rule
  fits. A container that is stopped has no address any more. sandbox-denied: systemd's own filter shows in no ruleset.

The repair and its safety
  remove-rule (disruptive): the rule goes, in the kernel and in the file that loads it at boot, if only this machine
  is let in by that. Undo puts it back at its place.
  allow-connection (disruptive): where the rule also keeps others out, or there is only a policy, one rule before it
  accepts nginx's own connection and opens nothing else. On the Docker host it names the bridge of nginx's network,
  and of addresses only what the rule itself goes by: a container that is recreated may get another one.
  In a container's network both are done from the Docker host, with the addresses of the network that both are on; the
  rule is gone when the container is recreated. A container that may change that filter itself (CAP_NET_ADMIN) would
  put the rule there again at its start: manual.
  Rules of ufw, firewalld and fail2ban are theirs to change: the message names the command.

Variants
  firewall-drop            a rule drops the connection
  firewall-drops-data      the connection opens, and a rule drops what follows
  kernel-syn-timeout       a rule drops the connection, and the kernel gives up before nginx does
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
    """Judge each address that fails silently: does a rule drop its packets?"""
    return judge_filters(case, CAUSE.id, _variant)


def _variant(block: FilterMatch) -> str | None:
    if block.hit.rejects or block.is_length or block.is_icc:
        return None
    if block.node == ENGINE:
        return "docker-host-input-block" if block.is_to_docker_host else "docker-user-chain-block"
    if block.hit.packet.stage == "data":
        return "firewall-drops-data"
    return "kernel-syn-timeout" if block.symptom == "kernel-silent" else "firewall-drop"


CAUSE = Cause(
    id="firewall-drop",
    title="a packet filter drops what nginx sends to the backend",
    family="network, firewall, SELinux",
    variants=("firewall-drop", "firewall-drops-data", "kernel-syn-timeout", "docker-user-chain-block",
              "docker-host-input-block"),
    verdict=judge,
    page=__doc__,
)
