"""Rules of a lab in the Docker host's packet filter.

The chain DOCKER-USER decides on what goes to a container, INPUT on what reaches the host itself.

Each rule matches only one lab's bridge or addresses. Its comment has the lab's id: so it is found and removed, whatever
else is left of the lab. A container of the lab with the host's network and CAP_NET_ADMIN writes them:
the lab itself needs no root, and the engine may be anywhere."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.errors import UnexpectedState
from lab.paths import state_label
from lab.stack import images
from lab.stack.docker_command import LABEL, STATE_LABEL, labelled_ids
from lab.stack.docker_engine import image_names, network_ranges, networks_of, run_once
from lab.stack.lab_records import LabRecord, save_record
from lab.stack.running_lab import Lab

CHAIN = "DOCKER-USER"
_HOST_CHAIN = "INPUT"
_CHAINS = (CHAIN, _HOST_CHAIN)
RULES_BEFORE_KEY = "engine_rules"  # in a record: the rules of each chain before the lab's first one there
BRIDGE_FILTER_FILE = "/proc/sys/net/bridge/bridge-nf-call-iptables"
_REPOSITORY = "badgateway/machine"


@dataclass(frozen=True, slots=True)
class LabNetworks:
    """What belongs to one lab only: its mark, the subnets and the bridges of its networks."""

    mark: str
    subnets: tuple[ipaddress.IPv4Network, ...] = ()
    bridges: tuple[str, ...] = ()

    def owns_rule(self, words: list[str]) -> bool:
        """Return whether a rule has the mark, or matches only this lab's bridge or addresses."""
        if _option_value(words, "--comment") == self.mark:
            return True
        if any(_option_value(words, option) in self.bridges for option in ("-i", "-o")):
            return True
        return any(self._covers(_option_value(words, option)) for option in ("-s", "-d"))

    def _covers(self, address: str) -> bool:
        try:
            network = ipaddress.IPv4Network(address)
        except ValueError:
            return False
        return any(network.subnet_of(subnet) for subnet in self.subnets)


def mark_of(lab_id: str) -> str:
    """Return the comment of a lab's rules."""
    return f"{LABEL}={lab_id}"


def rules_of_lab(rules: Iterable[str], own: LabNetworks, before: Iterable[str] = ()) -> list[str]:
    """Return the chain's rules of a lab, never one that existed before it."""
    kept = set(before)
    return [rule for rule in rules if rule not in kept and own.owns_rule(shlex.split(rule))]


def lab_ids_in(rules: Iterable[str]) -> set[str]:
    """Return the labs whose mark a rule has."""
    marks = (_option_value(shlex.split(rule), "--comment") for rule in rules)
    return {mark.removeprefix(f"{LABEL}=") for mark in marks if mark.startswith(f"{LABEL}=")}


def _option_value(words: list[str], option: str) -> str:
    """Return the argument of an option that is not negated; empty for none."""
    if option not in words[:-1]:
        return ""
    at = words.index(option)
    return "" if at and words[at - 1] == "!" else words[at + 1]


def insert_rule(lab: Lab, verdict: str, port: str, limit: str) -> None:
    """Insert a rule before the others: for both parts' addresses, the backend's, or the bridge; or in INPUT for what
    comes from the bridge (`host`)."""
    to_host = limit == "host"
    chain = _HOST_CHAIN if to_host else CHAIN
    if not to_host and _run_in_host_network(lab.id, "cat", BRIDGE_FILTER_FILE).strip() == "0":
        raise UnexpectedState(f"{lab.id}: the host of this engine does not filter packets between containers "
                              f"({BRIDGE_FILTER_FILE} is 0)")
    present = _read_chain(lab.id, chain)
    if present is None:
        raise UnexpectedState(f"{lab.id}: iptables shows no chain {chain} of this engine")
    lab.record.extra.setdefault(RULES_BEFORE_KEY, {}).setdefault(chain, present)
    save_record(lab.record)
    if to_host:
        about = {"host": ["-i", _bridge_name(_only_network(lab)[1])]}
    else:
        source, target, bridge = _lab_addresses(lab)
        about = {"pair": ["-s", source, "-d", target], "target": ["-d", target], "bridge": ["-i", bridge, "-o", bridge]}
    words = [*about[limit], "-p", "tcp", "-m", "tcp", "--dport", port,
             "-m", "comment", "--comment", mark_of(lab.id), "-j", verdict]
    _run_in_host_network(lab.id, "iptables", "-w", "5", "-I", chain, *words)


def remove_rules(lab_id: str, record: LabRecord | None) -> None:
    """Remove every rule of a lab; do nothing if its record says that it made none."""
    if record is not None and RULES_BEFORE_KEY not in record.extra:
        return
    own = LabNetworks(mark_of(lab_id)) if record is None else _read_lab_networks(lab_id)
    for chain in _CHAINS if record is None else record.extra[RULES_BEFORE_KEY]:
        before = () if record is None else record.extra[RULES_BEFORE_KEY][chain]
        for rule in rules_of_lab(read_rules(lab_id, chain), own, before):
            _run_in_host_network(lab_id, "iptables", "-w", "5", "-D", chain, *shlex.split(rule), check=False)
        left = rules_of_lab(read_rules(lab_id, chain), own, before) if record is not None else []
        if left:
            raise UnexpectedState(f"{lab_id}: these rules of {chain} could not be removed: {'; '.join(left)}")


def read_all_rules() -> list[str]:
    """Return the rules of all chains that a lab may write to."""
    return [rule for chain in _CHAINS for rule in read_rules(chain=chain)]


def read_rules(lab_id: str = "", chain: str = CHAIN) -> list[str]:
    """Return a chain's rules; empty if the chain, or an image that could have created it, does not exist."""
    return (_read_chain(lab_id, chain) or []) if _find_image() else []


def _read_chain(lab_id: str, chain: str) -> list[str] | None:
    text = _run_in_host_network(lab_id, "iptables", "-w", "5", "-S", chain, check=False)
    start = f"-A {chain} "
    lines = text.splitlines()
    exists = any(line.split()[:2] in (["-N", chain], ["-P", chain]) for line in lines)
    return [line[len(start):] for line in lines if line.startswith(start)] if exists else None


def _run_in_host_network(lab_id: str, *argv: str, check: bool = True) -> str:
    """Run a command in the Docker host's network, with only the right to change the packet filter."""
    labels = {LABEL: lab_id, STATE_LABEL: state_label()} if lab_id else {f"{LABEL}.helper": "filter"}
    return run_once(_find_image(), argv[1:], entrypoint=argv[0], network="host", only_rights=["NET_ADMIN"],
                    labels=labels, check=check)


def _find_image() -> str:
    """Return the machine's image, which has the tools; else an older one of that name."""
    there = image_names(_REPOSITORY)
    wanted = images.tags()["machine"]
    return wanted if wanted in there else min(there, default="")


def _lab_addresses(lab: Lab) -> tuple[str, str, str]:
    """Return the addresses of nginx's and the backend's containers on their network, and its bridge."""
    return pair_addresses(_addresses_of(lab, "web"), _addresses_of(lab, "backend"), lab.id)


def _addresses_of(lab: Lab, role: Literal["web", "backend"]) -> list[tuple[str, str]]:
    """Return (address, network id) of a part's container on each of its networks."""
    return [(str(joined["IPAddress"]), str(joined["NetworkID"])) for joined in networks_of(lab.container(role)).values()
            if joined["IPAddress"]]


def _only_network(lab: Lab) -> tuple[str, str]:
    web = _addresses_of(lab, "web")
    if len(web) != 1:
        raise UnexpectedState(f"{lab.id}: such a rule needs one network of nginx's container, which has {len(web)}")
    return web[0]


def pair_addresses(
    web: Sequence[tuple[str, str]], backend: Sequence[tuple[str, str]], lab_id: str,
) -> tuple[str, str, str]:
    """Return both addresses and the bridge, from (address, network) of each.
    Raise UnexpectedState if one of them is not on exactly one network with addresses."""
    if len(web) != 1 or len(backend) != 1:
        raise UnexpectedState(f"{lab_id}: such a rule needs a network of the lab, and nginx and backend share none")
    return web[0][0], backend[0][0], _bridge_name(web[0][1])


def _bridge_name(network: str) -> str:
    return f"br-{network[:12]}"


def _read_lab_networks(lab_id: str) -> LabNetworks:
    """Return the subnets and bridges of a lab's remaining networks."""
    ids = labelled_ids("network", lab_id)
    subnets = [ipaddress.IPv4Network(addresses["Subnet"]) for network in ids for addresses in network_ranges(network)
               if ":" not in addresses["Subnet"]]
    return LabNetworks(mark_of(lab_id), tuple(subnets), tuple(_bridge_name(network) for network in ids))
