"""A package that names the entry-point group adds its cause; one of ours is never replaced."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fixer.app.cause_catalogue import all_causes, cause_page, known_cause
from fixer.causes import load_causes
from fixer.errors import UsageError

MODULE = '''
from fixer.causes import Cause
from fixer.model.diagnosis import RuledOut

def judge(case):
    return RuledOut(())

NEW = Cause("moon-phase", "the moon", "elsewhere", ("full",), judge)
OURS = Cause("wrong-port", "not ours", "elsewhere", (), judge)
'''


@pytest.fixture(autouse=True)
def _fresh() -> object:
    all_causes.cache_clear()
    yield
    all_causes.cache_clear()


def test_without_a_package_there_are_only_ours() -> None:
    assert all_causes() == load_causes()


def test_a_package_adds_a_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "moon-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moon\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[badgateway.causes]\nmoon = moon_cause:NEW\nwrong = moon_cause:OURS\n")
    (tmp_path / "moon_cause.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "gone")])
    found = {cause.id: cause for cause in all_causes()}
    assert found["moon-phase"].title == "the moon"
    assert found["wrong-port"] in load_causes()


def test_a_variant_is_named_on_top_and_marked() -> None:
    page = cause_page("stop-timeout-sigkill")
    assert page.startswith("stop-timeout-sigkill is a variant of unit-misconfigured. The page describes all ")
    assert "\n> stop-timeout-sigkill: something restarts" in page
    assert "start-217-user, " in page and "> stop-timeout-sigkill <" in page
    assert ">" not in cause_page("backend-down").split("Variants:")[1]
    assert cause_page("wrong-port").startswith("wrong-port · ")     # also the name of a variant


def test_a_failure_without_a_cause_has_no_page() -> None:
    with pytest.raises(UsageError, match="unexplained is no cause"):
        known_cause("unexplained")
    assert "unexplained" not in [cause.id for cause in all_causes()], "the name is reserved"
