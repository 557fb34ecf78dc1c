"""The tests of the matrix wait for their cases in the order in which these run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.lab.matrix.select_cases_builders import LOAD, PORT, WELL
from tests.scenarios import conftest


def item(case: object) -> Any:
    return SimpleNamespace(callspec=SimpleNamespace(params={"matrix_case": case}))


def test_overloads_come_first_and_nothing_else_runs_beside_the_matrix() -> None:
    """As the runner sorts them: at night the first test after the card's overloads waited for all others of the draw."""
    other = SimpleNamespace()
    port, load, well, empty = item(PORT), item(LOAD), item(WELL), item("NOTSET")
    items = [port, load, other, well, empty]
    conftest.pytest_collection_modifyitems(items)
    assert items == [other, empty, load, port, well]
