"""Tests of fixer/model/fleet.py."""

from __future__ import annotations

import pytest

from fixer.model.fleet import FleetReport


@pytest.mark.parametrize(("verdict", "code"), [("healthy", 0), ("not-healthy", 1), ("incomplete", 3)])
def test_the_exit_code_follows_the_verdict(verdict: str, code: int) -> None:
    report = FleetReport(1, verdict, 1, (), (), (), ())  # type: ignore[arg-type]
    assert report.exit_code == code
