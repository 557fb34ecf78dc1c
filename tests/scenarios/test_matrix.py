"""The matrix: every variant on every stack breaks, is diagnosed, repaired, stays repaired, and is undone.

BADGATEWAY_SEEDS (such as 1-3) says which seeds, BADGATEWAY_ONLY (globs, comma-separated) which scenarios.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.fixing import pyz_path
from lab.matrix import INSIDE, cases, seeds_of
from lab.trial import Case, try_case

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SEEDS = seeds_of(os.environ.get("BADGATEWAY_SEEDS", "1"))
ONLY = [glob for glob in os.environ.get("BADGATEWAY_ONLY", "").split(",") if glob]


@pytest.mark.parametrize("case", cases(ONLY, seeds=SEEDS), ids=lambda case: case.name.replace(" ", "-"))
def test_case(case: Case, tmp_path: Path) -> None:
    result = try_case(case, tmp_path)
    assert not result.problems, "\n".join([*result.problems, f"again: {case.again}", f"kept: {tmp_path}"])
    assert result.ok


@pytest.mark.parametrize("case", cases(INSIDE, seeds=SEEDS, within=True), ids=lambda case: case.name.replace(" ", "-"))
def test_inside_the_machine(case: Case, tmp_path: Path) -> None:
    if not pyz_path().is_file():
        pytest.skip("dist/fixer.pyz is not built: script/build")
    result = try_case(case, tmp_path)
    assert not result.problems, "\n".join([*result.problems, f"again: {case.again}", f"kept: {tmp_path}"])
