"""Packet filters for samples, written as iptables-save prints them, or rule by rule."""

from __future__ import annotations

from typing import Any

from fixer.model.facts import Known
from fixer.model.firewall import Chain, Firewall, Match, Rule
from fixer.observe.kernel.packet_filters import parse_saved
from tests.causes.snapshot_builders import SLOW, TIMED_OUT, Scene, healthy_scene, listener, service


def saved_firewall(*rules: str, policy: str = "ACCEPT") -> Known[Firewall]:
    """A filter table of iptables with these rules (`INPUT -p tcp … -j DROP`)."""
    own = {rule.split()[0] for rule in rules} - {"INPUT", "OUTPUT", "FORWARD"}
    lines = ["*filter", f":INPUT {policy} [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
             *(f":{name} - [0:0]" for name in own), *(f"[7:420] -A {rule}" for rule in rules), "COMMIT"]
    return Known(Firewall(tuple(parse_saved("\n".join(lines), "iptables"))))


def nft_chain(*rules: Rule, hook: str = "input", **changes: Any) -> Known[Firewall]:
    """One base chain of nft."""
    made = Chain("nft", "inet", changes.pop("table", "filter"), changes.pop("name", "input"), hook, 0,
                 changes.pop("policy", "accept"), rules)
    return Known(Firewall((made, *changes.pop("more", ()))))


def rule(verdict: str, *matches: Match, text: str = "", index: int = 0, **changes: Any) -> Rule:
    return Rule(index + 7, index, text or f"{verdict} {index}", matches, verdict, **changes)  # type: ignore[arg-type]


def port_match(number: int = 8000) -> Match:
    return Match("dport", (str(number),))


def dropping_scene(filters: object, *, address: str = "127.0.0.1", queued: int = 0, **changes: Any) -> Scene:
    """The unit listens, and a connect gets no answer."""
    scene = Scene().with_service(service(), listener(8000, 200, address, queued=queued))
    scene.endpoint(tcp=Known(SLOW), http=Known(SLOW), **changes).answers(TIMED_OUT)
    scene.node_changes["local"] = {"firewall": filters}
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "connecting to upstream", count=3)


def rejecting_scene(filters: object, error: str = "refused", errno: int = 111) -> Scene:
    """The unit listens, and a connect is refused."""
    from tests.causes.snapshot_builders import BAD_GATEWAY, probe

    scene = healthy_scene()
    told = Known(probe(error=error, errno=errno))
    scene.endpoint(tcp=told, http=told).answers(BAD_GATEWAY)
    scene.node_changes["local"] = {"firewall": filters}
    return scene.logs(f"connect() failed ({errno}: x)", errno, "connecting to upstream")
