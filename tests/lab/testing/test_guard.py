"""Tests of lab/testing/guard.py; tests/lab/test_pytest_plugin.py kills what it guards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.testing.guard import guarded_state, labs_of_this_state

pytestmark = pytest.mark.docker


def test_labs_are_apart_meanwhile_and_the_state_is_as_before_afterwards(tmp_path: Path) -> None:
    before = os.environ["BADGATEWAY_LAB_STATE"]
    with guarded_state(tmp_path):
        assert os.environ["BADGATEWAY_LAB_STATE"] == str(tmp_path)
        (tmp_path / "records").mkdir()
        (tmp_path / "records" / "shop-3f2a.json").touch()       # a lab that was recorded, and never started
        assert labs_of_this_state() == ("shop-3f2a",)
    assert os.environ["BADGATEWAY_LAB_STATE"] == before
    assert not list((tmp_path / "records").iterdir())
