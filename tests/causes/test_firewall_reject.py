"""firewall-reject: refused although something listens, by a rule that says so."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Unknown
from tests.causes.packet_filter_builders import (
    dropping_scene,
    nft_chain,
    port_match,
    rejecting_scene,
    rule,
    saved_firewall,
)
from tests.causes.snapshot_builders import Scene, healthy_scene, roots, verdict_of, wrong_port_scene

REJECT = "firewall-reject"
REFUSE = "INPUT -p tcp -m tcp --dport 8000 -j REJECT --reject-with {}"


@pytest.mark.parametrize("filters", [
    saved_firewall(REFUSE.format("tcp-reset")), saved_firewall(REFUSE.format("icmp-port-unreachable")),
    nft_chain(rule("reject", port_match(), reject="reset"), hook="output"),
])
def test_hit_refused(filters: object) -> None:
    diagnosis = diagnose(rejecting_scene(filters).snapshot())
    assert roots(diagnosis) == [REJECT] and diagnosis.findings[0].variant == REJECT
    assert [r.id for r in diagnosis.findings[0].repairs] == ["remove-rule", "allow-connection"]


def test_the_port_is_the_right_one() -> None:
    """So a repair that has just pointed the route there has done its part."""
    diagnosis = diagnose(rejecting_scene(nft_chain(rule("reject", port_match()))).snapshot())
    assert isinstance(verdict_of(diagnosis, "wrong-port"), RuledOut)


def test_hit_prohibited() -> None:
    for how, errno in (("icmp-admin-prohibited", 113), ("icmp-host-prohibited", 113), ("icmp-net-unreachable", 101)):
        diagnosis = diagnose(rejecting_scene(saved_firewall(REFUSE.format(how)), "unreachable", errno).snapshot())
        assert roots(diagnosis) == [REJECT] and diagnosis.findings[0].variant == "firewall-reject-113"


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), rejecting_scene(saved_firewall()), rejecting_scene(saved_firewall("INPUT -p tcp --dport 8000 -j DROP")),
    rejecting_scene(saved_firewall(REFUSE.format("icmp-admin-prohibited"))),      # that would not look like a refusal
    dropping_scene(saved_firewall(REFUSE.format("tcp-reset"))),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), REJECT), RuledOut)


def test_what_was_logged_before_the_last_refusal_is_over() -> None:
    scene = rejecting_scene(saved_firewall(REFUSE.format("icmp-admin-prohibited")))
    scene.logs("connect() failed (113: No route to host)", 113, "connecting to upstream", ago=20.0)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), REJECT), RuledOut)
    scene.logs("connect() failed (113: No route to host)", 113, "connecting to upstream", ago=1.0)     # nginx alone still meets it
    assert roots(diagnose(scene.snapshot())) == [REJECT]


def test_miss_where_nothing_listens() -> None:
    scene = wrong_port_scene()
    scene.node_changes["local"] = {"firewall": saved_firewall("INPUT -p tcp --dport 8001 -j REJECT")}
    assert roots(diagnose(scene.snapshot())) == ["wrong-port"]


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(rejecting_scene(Unknown("not root")).snapshot()), REJECT), Undetermined)
