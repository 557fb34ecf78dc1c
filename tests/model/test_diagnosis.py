"""Tests of fixer/model/diagnosis.py."""

from __future__ import annotations

import pytest

from fixer.model.diagnosis import UNEXPLAINED, Finding, Role


@pytest.mark.parametrize(("cause", "role", "proven"), [
    ("wrong-port", "root", True), ("wrong-port", "contributing", True), ("wrong-port", "consequence", False),
    ("wrong-port", "advice", False), (UNEXPLAINED, "contributing", False),
])
def test_a_failure_without_a_cause_proves_none(cause: str, role: Role, proven: bool) -> None:
    found = Finding(cause, None, role, "possible", "", (), (), None, "local", ())
    assert found.is_proven_fault is proven
