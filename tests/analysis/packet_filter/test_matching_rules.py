"""How an address fails, and which rules of a packet filter explain just that."""

from __future__ import annotations

import pytest

from fixer.analysis.case import Case, FailingAddress, open_case
from fixer.analysis.packet_filter.matching_rules import (
    certain_filter_matches,
    filter_match_evidence,
    filter_match_text,
    symptoms_of,
    uncertain_filter_matches,
)
from fixer.model.facts import Unknown
from tests.causes.packet_filter_builders import dropping_scene, rejecting_scene, saved_firewall
from tests.causes.snapshot_builders import Scene

DROP = "INPUT -p tcp -m tcp --dport 8000 -j DROP"
REJECT = "INPUT -p tcp -m tcp --dport 8000 -j REJECT --reject-with tcp-reset"
LIMITED = "INPUT -p tcp -m tcp --dport 8000 -m limit --limit 1/sec -j DROP"


def first(scene: Scene) -> tuple[Case, FailingAddress]:
    case = open_case(scene.snapshot(), {})
    return case, case.failing_addresses[0]


@pytest.mark.parametrize(("scene", "symptoms"), [
    (dropping_scene(saved_firewall()), {"silent"}), (rejecting_scene(saved_firewall()), {"refused"}),
    (rejecting_scene(saved_firewall(), "unreachable", 113), {"prohibited"}),
])
def test_how_an_address_fails(scene: Scene, symptoms: set[str]) -> None:
    assert symptoms_of(*first(scene)) == symptoms


@pytest.mark.parametrize(("scene", "found"), [
    (dropping_scene(saved_firewall(DROP)), ["silent"]), (rejecting_scene(saved_firewall(REJECT)), ["refused"]),
    (dropping_scene(saved_firewall(REJECT)), []), (rejecting_scene(saved_firewall(DROP)), []),      # another symptom
    (dropping_scene(saved_firewall(DROP.replace("8000", "9000"))), []), (dropping_scene(saved_firewall(LIMITED)), []),
])
def test_a_rule_explains_only_what_it_would_look_like(scene: Scene, found: list[str]) -> None:
    matches, missing = certain_filter_matches(*first(scene))
    assert ([match.symptom for match in matches], missing) == (found, "")


def test_a_rule_that_may_not_match_is_uncertain() -> None:
    (match,) = uncertain_filter_matches(*first(dropping_scene(saved_firewall(LIMITED))))
    assert (match.symptom, match.is_length, match.is_icc) == ("silent", False, False)
    assert uncertain_filter_matches(*first(dropping_scene(saved_firewall(DROP)))) == ()


def test_a_filter_that_was_not_read_is_named() -> None:
    assert certain_filter_matches(*first(dropping_scene(Unknown("not root")))) == ((), "the packet filter of local: not root")


def test_what_a_rule_does_is_told_with_its_counter() -> None:
    (match, *_), _ = certain_filter_matches(*first(dropping_scene(saved_firewall(DROP))))
    (evidence,) = filter_match_evidence(match)
    assert evidence.text.endswith("-j DROP (matched 7 packets)") and evidence.where == "iptables filter INPUT rule 1"
    assert filter_match_text(match) == (
        "a packet filter drops nginx's connections to 127.0.0.1:8000 (iptables filter INPUT rule 1)")
