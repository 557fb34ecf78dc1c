"""The matrix runs in the background, its cases side by side, while each test waits for the result of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from lab.matrix.select_cases import needs_to_run_alone
from lab.stack import images
from lab.trial.trial import Case
from tests.scenarios.background_matrix import BackgroundMatrix


def case_of(item: pytest.Item) -> Case | None:
    """The case of a test of the matrix; an empty draw leaves one skipped test without a case."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    found = parameters.get("matrix_case")
    return found if isinstance(found, Case) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The matrix comes last: nothing else runs beside it. Its tests are in the order in which its cases run, those under
    load first: at night they take an hour, and no test waits so long for its own."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    case = case_of(item)
    return 0 if case is None else 1 if needs_to_run_alone(case) else 2


def pytest_report_collectionfinish(items: Sequence[pytest.Item]) -> str:
    """What was drawn, and from what: the draw itself takes a second, and most runs try none of it."""
    if not any(case_of(item) for item in items):
        return ""
    from tests.scenarios.test_matrix import DRAWN
    return DRAWN


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundMatrix]:
    """The cases of all the tests that were selected, those that are always tried first."""
    cases = {case: bool(item.get_closest_marker("always")) for item in request.session.items
             if (case := case_of(item)) is not None}
    images.ensure(lambda _: None)
    waiting = BackgroundMatrix(tmp_path_factory.mktemp("matrix"), list(cases), sum(cases.values()))
    try:
        yield waiting
    finally:
        waiting.end()
