"""A package that names the entry-point group adds its cause; one of ours is never replaced."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fixer.app.cause_catalogue import all_causes
from fixer.causes import load_causes

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
