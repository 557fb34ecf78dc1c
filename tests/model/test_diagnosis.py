"""Tests of fixer/model/diagnosis.py."""

from __future__ import annotations

import pytest

from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import UNEXPLAINED, Finding, Role, variable_repair_id
from fixer.model.facts import Evidence


@pytest.mark.parametrize(("cause", "role", "proven"), [
    ("wrong-port", "root", True), ("wrong-port", "contributing", True), ("wrong-port", "consequence", False),
    ("wrong-port", "advice", False), (UNEXPLAINED, "contributing", False),
])
def test_a_failure_without_a_cause_proves_none(cause: str, role: Role, proven: bool) -> None:
    found = Finding(cause, None, role, "possible", "", (), (), None, "local", ())
    assert found.is_proven_fault is proven


def test_findings_of_one_fault_become_one() -> None:
    lines = (Evidence("log", "a:1", "first"), Evidence("log", "a:2", "second"), Evidence("log", "b:1", "third"))
    one = Finding("wrong-port", None, "root", "certain", "one", (), ("r1", "r2"), "shop", "local", lines[:2])
    two = Finding("wrong-port", None, "root", "certain", "two", (), ("r2", "r3"), "shop", "local", lines[1:])
    assert one.with_routes_of(two) == replace(one, routes=("r1", "r2", "r3"))
    assert one.joined_with(two) == replace(one, routes=("r1", "r2", "r3"), evidence=lines)


def test_a_joined_finding_tells_the_details_of_both() -> None:
    """Each address names the pages that need it: those of the first alone would not be all."""
    one, two = (Finding("backend-down", None, "root", "certain", "it is stopped", (f"needed by {page}", "it is disabled"), (page,), None, None, (), ())
                for page in ("/", "/api/"))
    assert one.joined_with(two).detail == one.with_routes_of(two).detail == ("needed by /", "it is disabled", "needed by /api/")


def test_a_variable_names_the_repair_that_sets_it() -> None:
    assert variable_repair_id("DATABASE_URL") == "set-database-url"
