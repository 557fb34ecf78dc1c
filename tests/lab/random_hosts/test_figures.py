"""Tests of lab/random_hosts/figures.py."""

from __future__ import annotations

import pytest

from lab.random_hosts.figures import Share, calibration, figures_text, seconds, share_of, shares
from tests.lab.random_hosts.builders import HEALTHY, fault, look, repaired, result

PORT = fault("port", "wrong-port")
RESULTS = [
    result(1, [PORT], repaired(look("wrong-port"))),
    result(2, [PORT], repaired(look(("nginx-down", "likely")))),
    result(3, [], repaired(HEALTHY, changed_by_repair=())),
    result(4, [PORT], None),
]


@pytest.mark.parametrize(("good", "of", "low", "high"), [
    (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (97, 100, 0.9155, 0.9897), (1, 2, 0.0945, 0.9055),
])
def test_intervals_are_wilsons(good: int, of: int, low: float, high: float) -> None:
    assert Share(good, of).interval == pytest.approx((low, high), abs=0.0002)


def test_nothing_is_known_without_trials() -> None:
    assert Share(0, 0).interval == (0.0, 1.0)
    assert share_of([None, None]) == Share(0, 0)


def test_every_share_counts_what_it_is_about() -> None:
    found = shares(RESULTS)
    assert found["cause_right"] == Share(1, 2)
    assert found["outcome_right"] == Share(2, 2)
    assert found["false_alarms"] == Share(0, 1)
    assert found["generator_failures"] == Share(1, 4)
    assert found["harm"] == Share(0, 3)


def test_confidences_are_counted_by_whether_they_were_right() -> None:
    assert calibration(RESULTS) == {"certain": Share(1, 1), "likely": Share(0, 1), "possible": Share(0, 0)}


def test_several_findings_of_one_fault_are_one_claim_and_each_wrong_one_counts() -> None:
    twice = look("wrong-port", "wrong-port", ("wrong-port", "likely"), ("nginx-down", "likely"), ("nginx-down", "likely"))
    found = calibration([result(1, [PORT], repaired(twice))])
    assert (found["certain"], found["likely"]) == (Share(1, 1), Share(1, 3))
    both = [PORT, fault("again", "wrong-port")]      # two faults that one cause accepts
    for findings, expected in ((("wrong-port",), 1), (("wrong-port",) * 2, 2), (("wrong-port",) * 3, 2)):
        assert calibration([result(1, both, repaired(look(*findings)))])["certain"] == Share(expected, expected)
    assert calibration([result(n, [PORT], repaired(look("wrong-port"))) for n in (1, 2)])["certain"] == Share(2, 2)


def test_figures_are_readable() -> None:
    assert "cause right             1/2, 50 % (9-91)" in figures_text(RESULTS)
    assert seconds(RESULTS) == {"look": 0.5, "repair": 3.0}
