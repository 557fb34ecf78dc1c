"""firewall-reject: refused although something listens, by a rule that says so."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from tests.causes.packet_filter_builders import (
    dropping_scene,
    nft_chain,
    port_match,
    rejecting_scene,
    rule,
    saved_firewall,
)
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    Scene,
    healthy_scene,
    probe,
    roots,
    verdict_of,
    wrong_port_scene,
)

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
    healthy_scene(), rejecting_scene(saved_firewall()), rejecting_scene(saved_firewall("INPUT -p tcp --dport 8000 -j DROP")),
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


@pytest.mark.parametrize("filters", [Unknown("not asked"), saved_firewall("INPUT -p tcp --dport 8001 -j REJECT")])
def test_where_nothing_listens_no_word_is_said_of_rules_that_nobody_read(filters: object) -> None:
    """On a random host a rule rejected the port of a program that had ended: "no rule matches", said the report."""
    scene = wrong_port_scene()
    scene.node_changes["local"] = {"firewall": filters}
    diagnosis = diagnose(scene.snapshot())
    assert isinstance(verdict_of(diagnosis, REJECT), Undetermined)      # such a rule shows once something listens
    verdict = verdict_of(diagnosis, "firewall-drop")
    assert isinstance(verdict, RuledOut) and verdict.evidence           # packets that are refused arrive
    assert not any("rule" in shown.text for shown in verdict.evidence)
    assert any("listens" in shown.text for shown in verdict.evidence)


@pytest.mark.parametrize("rules", [(), ("INPUT -p tcp --dport 8002 -j REJECT", "INPUT -p tcp --dport 8001 -j DROP")])
def test_where_nothing_listens_rules_that_were_read_and_reject_nothing_rule_it_out(rules: tuple[str, ...]) -> None:
    scene = wrong_port_scene()
    scene.node_changes["local"] = {"firewall": saved_firewall(*rules)}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), REJECT), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(rejecting_scene(Unknown("not root")).snapshot()), REJECT), Undetermined)


WAYS = (("0.0.0.0/0", "UNICAST"), ("10.0.0.0/24", "UNICAST"), ("10.0.0.5/32", "LOCAL"))


def elsewhere(ms: float = 3.0, **node: Any) -> Scene:
    """The backend is on a machine that nobody observes, and a connect to it gets 113."""
    scene = Scene("10.0.0.9:8000").answers(BAD_GATEWAY)
    told = Known(probe(error="unreachable", errno=113, ms=ms))
    scene.endpoint(node=None, listener=Unknown("not observed"), tcp=told, http=told)
    scene.node_changes["local"] = {"firewall": saved_firewall(), "ip_routes": Known(WAYS), "addresses": ("127.0.0.1", "10.0.0.5"), **node}
    return scene.logs("connect() failed (113: No route to host)", 113, "connecting to upstream")


def test_hit_on_another_machine() -> None:
    """113 at once is an answer of the network: who is silent costs three seconds."""
    diagnosis = diagnose(elsewhere().snapshot())
    (found,) = diagnosis.findings
    assert (found.cause, found.variant, found.confidence) == (REJECT, "firewall-reject-113", "likely")
    assert found.repairs[0].risk == "manual" and "firewall-cmd --permanent --add-port=8000/tcp" in found.repairs[0].manual
    assert any("after 3 ms" in evidence.text for evidence in found.evidence)


@pytest.mark.parametrize("scene", [
    elsewhere(ms=3050.0), elsewhere(unanswered_addresses=("10.0.0.9",)), elsewhere(addresses=("127.0.0.1", "10.0.0.9")),
    elsewhere(ip_routes=Known((*WAYS, ("10.0.0.9/32", "UNREACHABLE")))), elsewhere(ip_routes=Known(WAYS[2:])),
    elsewhere(ip_routes=Unknown("not asked")), elsewhere(kind="container").endpoint(node="local"),
])
def test_miss_on_another_machine(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), REJECT), RuledOut)


def test_unknown_on_another_machine() -> None:
    assert isinstance(verdict_of(diagnose(elsewhere(firewall=Unknown("not root")).snapshot()), REJECT), Undetermined)
