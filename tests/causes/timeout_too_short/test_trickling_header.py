"""Tests of fixer/causes/timeout_too_short/trickling_header.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known
from tests.causes.snapshot_builders import SLOW, TIMED_OUT, Scene, healthy_scene, probe, roots, verdict_of

CAUSE = "timeout-too-short"
READING = "reading response header from upstream"
TIMEOUT = "upstream timed out (110: Connection timed out)"


def begun(growing: float | None = 1600.0, arrived: int = 6, count: int = 2) -> Scene:
    """Asked directly, a header begins and does not end; nginx gives it up."""
    scene = healthy_scene().answers(TIMED_OUT).logs(TIMEOUT, 110, READING, count=count, path="/")
    scene.route[0] = {"read_timeout": 2.0}
    return scene.endpoint(http=Known(replace(SLOW, arrived=arrived, growing=growing, phase="head", ms=2001.0)))


@pytest.mark.parametrize(("growing", "confidence", "said"), [
    (1600.0, "certain", "6 bytes of a header arrived within 2.0 s, in small parts over 1.6 s"),
    (None, "likely", "6 bytes of a header arrived within 2.0 s, but not its end"),
    (0.0, "likely", "6 bytes of a header arrived within 2.0 s, but not its end"),
])
def test_a_header_that_does_not_end_in_time(growing: float | None, confidence: str, said: str) -> None:
    diagnosis = diagnose(begun(growing).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("header-trickle-timeout", confidence)
    assert said in first.evidence[0].text and first.repairs[0].risk == "manual" and "at once" in first.repairs[0].manual
    assert isinstance(verdict_of(diagnosis, "backend-hung"), RuledOut)


def test_a_page_behind_an_address_that_begins_its_answer_fails_with_nginx_own_words_too() -> None:
    scene = begun(count=0).answers(probe(504, ms=2003.0))
    assert diagnose(scene.snapshot()).findings[0].variant == "header-trickle-timeout"


def test_miss_nothing_came_at_all() -> None:
    diagnosis = diagnose(begun(arrived=0).snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut) and CAUSE not in roots(diagnosis)


def test_unknown_whether_the_header_would_have_ended_in_time() -> None:
    patient = begun(count=0).answers(SLOW)
    verdict = verdict_of(diagnose(patient.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and any("--wait 60" in fact for fact in verdict.missing)
    assert not diagnose(patient.snapshot()).findings
