"""Tests of fixer/model/unit_event.py."""

from __future__ import annotations

from fixer.model.unit_event import UnitEvent


def test_jobs_of_a_unit() -> None:
    assert UnitEvent("starting").is_start and UnitEvent("started").is_start and not UnitEvent("start-failed").is_start
    assert UnitEvent("stopping").is_stop and UnitEvent("stopped").is_stop and not UnitEvent("stop-timeout").is_stop
