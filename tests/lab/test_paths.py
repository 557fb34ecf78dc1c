"""Tests of lab/paths.py."""

from __future__ import annotations

import pytest

from lab.paths import state_root


def test_labs_of_tests_are_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert state_root().is_relative_to(tmp_path_factory.getbasetemp())
