"""Rules in the Docker host's own chain for containers, DOCKER-USER. Each is about one lab's own bridge or addresses
only and carries the lab's id in its comment, so that it is found and taken away whatever else is left of the lab.

A container of the lab that has the host's network and CAP_NET_ADMIN writes them: the lab itself needs no root, and the
engine may be anywhere.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from lab.errors import NotBroken
from lab.paths import state_label
from lab.stack import images
from lab.stack.docker_command import LABEL, STATE_LABEL, docker, labelled
from lab.stack.lab_records import Record, save
from lab.stack.running_lab import Lab

CHAIN = "DOCKER-USER"
BEFORE = "engine_rules"         # in a record: what stood in the chain before the lab's first rule
BRIDGED = "/proc/sys/net/bridge/bridge-nf-call-iptables"
_REPOSITORY = "badgateway/machine"


@dataclass(frozen=True, slots=True)
class Own:
    """What is only one lab's: its mark, the subnets and the bridges of its networks."""

    mark: str
    subnets: tuple[ipaddress.IPv4Network, ...] = ()
    bridges: tuple[str, ...] = ()

    def holds(self, words: list[str]) -> bool:
        """Whether a rule carries the mark, or is about nothing but this lab's bridge or addresses."""
        if _after(words, "--comment") == self.mark:
            return True
        if any(_after(words, option) in self.bridges for option in ("-i", "-o")):
            return True
        return any(self._covers(_after(words, option)) for option in ("-s", "-d"))

    def _covers(self, address: str) -> bool:
        try:
            network = ipaddress.IPv4Network(address)
        except ValueError:
            return False
        return any(network.subnet_of(subnet) for subnet in self.subnets)


def mark_of(lab_id: str) -> str:
    """The comment of a lab's rules."""
    return f"{LABEL}={lab_id}"


def own_rules(rules: Iterable[str], own: Own, before: Iterable[str] = ()) -> list[str]:
    """Those of the chain that go with a lab: never one that stood there before it."""
    kept = set(before)
    return [rule for rule in rules if rule not in kept and own.holds(shlex.split(rule))]


def ids_in(rules: Iterable[str]) -> set[str]:
    """The labs whose mark a rule carries."""
    marks = (_after(shlex.split(rule), "--comment") for rule in rules)
    return {mark.removeprefix(f"{LABEL}=") for mark in marks if mark.startswith(f"{LABEL}=")}


def _after(words: list[str], option: str) -> str:
    """The argument of an option that is not negated; empty where there is none."""
    if option not in words[:-1]:
        return ""
    at = words.index(option)
    return "" if at and words[at - 1] == "!" else words[at + 1]


def put_rule(lab: Lab, verdict: str, port: str, limit: str) -> None:
    """A rule in front of the others: about both parts' addresses, about the backend's, or about the bridge."""
    if _ask(lab.id, "cat", BRIDGED).strip() == "0":
        raise NotBroken(f"{lab.id}: this engine's host filters no packets between containers ({BRIDGED} is 0)")
    present = _listed(lab.id)
    if present is None:
        raise NotBroken(f"{lab.id}: this engine keeps no chain {CHAIN} that iptables shows")
    lab.record.extra.setdefault(BEFORE, present)
    save(lab.record)
    source, target, bridge = _places(lab)
    about = {"pair": ["-s", source, "-d", target], "target": ["-d", target], "bridge": ["-i", bridge, "-o", bridge]}
    words = [*about[limit], "-p", "tcp", "-m", "tcp", "--dport", port,
             "-m", "comment", "--comment", mark_of(lab.id), "-j", verdict]
    _ask(lab.id, "iptables", "-w", "5", "-I", CHAIN, *words)


def take_rules_away(lab_id: str, record: Record | None) -> None:
    """Every rule of a lab; nothing where its record says that it made none."""
    if record is not None and BEFORE not in record.extra:
        return
    if record is not None:
        before, own = record.extra[BEFORE], _own(lab_id)
    else:
        before, own = (), Own(mark_of(lab_id))
    for rule in own_rules(rules_now(lab_id), own, before):
        _ask(lab_id, "iptables", "-w", "5", "-D", CHAIN, *shlex.split(rule), check=False)
    left = own_rules(rules_now(lab_id), own, before) if record is not None else []
    if left:
        raise NotBroken(f"{lab_id}: these rules of {CHAIN} stayed: {'; '.join(left)}")


def rules_now(lab_id: str = "") -> list[str]:
    """The chain's rules; none where it does not exist, or where no image is left that could have made one."""
    return (_listed(lab_id) or []) if _image() else []


def _listed(lab_id: str) -> list[str] | None:
    text = _ask(lab_id, "iptables", "-w", "5", "-S", CHAIN, check=False)
    start = f"-A {CHAIN} "
    lines = text.splitlines()
    return [line[len(start):] for line in lines if line.startswith(start)] if f"-N {CHAIN}" in lines else None


def _ask(lab_id: str, *argv: str, check: bool = True) -> str:
    """Run a command in the Docker host's network; it may change the packet filter and nothing else."""
    labels = [f"{LABEL}={lab_id}", f"{STATE_LABEL}={state_label()}"] if lab_id else [f"{LABEL}.helper=filter"]
    words = [word for label in labels for word in ("--label", label)]
    return docker("run", "--rm", "--network", "host", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--read-only",
                  "--pull", "never", *words, "--entrypoint", argv[0], _image(), *argv[1:], check=check).text


def _image() -> str:
    """The machine's image, which has the tools; else an older one of that name."""
    there = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", _REPOSITORY).text.split()
    wanted = images.tags()["machine"]
    return wanted if wanted in there else next(iter(there), "")


def _places(lab: Lab) -> tuple[str, str, str]:
    """The addresses of nginx's and the backend's containers on their network, and its bridge."""
    shape = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.NetworkID}}{{end}}"
    web, backend = (docker("inspect", "-f", shape, lab.container(role)).text for role in ("web", "backend"))
    return both_on_one(web, backend, lab.id)


def both_on_one(web: str, backend: str, lab_id: str) -> tuple[str, str, str]:
    """The same from `ADDRESS NETWORK` of each; NotBroken where one has no network of its own (the host's)."""
    found = [text.split() for text in (web, backend)]
    if any(len(words) != 2 for words in found):
        raise NotBroken(f"{lab_id}: such a rule needs a network of the lab, and nginx and backend are not both on one")
    return found[0][0], found[1][0], _bridge(found[0][1])


def _bridge(network: str) -> str:
    return f"br-{network[:12]}"


def _own(lab_id: str) -> Own:
    """What the networks that are left of a lab say."""
    ids = labelled("network", lab_id)
    shape = "{{.Id}}{{range .IPAM.Config}} {{.Subnet}}{{end}}"
    found = [docker("network", "inspect", "-f", shape, one, check=False).text.split() for one in ids]
    subnets = [ipaddress.IPv4Network(word) for words in found for word in words[1:] if ":" not in word]
    return Own(mark_of(lab_id), tuple(subnets), tuple(_bridge(words[0]) for words in found if words))
