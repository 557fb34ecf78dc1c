"""The matrix: variants on their stacks break, are diagnosed, repaired, stay repaired, and are undone.

The card's four on both stacks always; then as many others as fit two thirds of what that leaves of BADGATEWAY_MINUTES
(8), drawn from the commit, or from BADGATEWAY_DRAW, of those that went well in the last results (proven.txt, which script/results writes; what did not,
or was not tried, stands in docs/results.md). `lab matrix --all` tries them all. BADGATEWAY_ONLY (globs, comma-separated) with BADGATEWAY_SEEDS
(such as 1-3) names them instead.
"""

from __future__ import annotations

import os

import pytest

from lab.matrix.select_cases import (
    INSIDE_SCENARIOS,
    draw_cases,
    draw_key,
    estimate_seconds,
    needs_to_run_alone,
    parse_seeds,
    select_cases,
    shuffle_cases,
)
from lab.scenario.catalog import aliases
from lab.stack.fixer_command import pyz_path
from lab.trial.trial import Case
from tests.scenarios.background_matrix import JOBS, LOAD_JOBS, MINUTES, BackgroundMatrix
from tests.scenarios.proven_cases import read_proven

pytestmark = [pytest.mark.docker, pytest.mark.matrix, pytest.mark.timeout(900)]

WORD = os.environ.get("BADGATEWAY_DRAW") or draw_key()
ONLY = [glob for glob in os.environ.get("BADGATEWAY_ONLY", "").split(",") if glob]
PROVEN = read_proven()
SHARE = 2 / 3   # of the time that the card's cases leave: script/test aims at a quarter of an hour, the rest runs at night
SLOW = 3.0      # times the estimate: a trial that took so long has something in it that the estimate does not know
SEEDS = parse_seeds(os.environ.get("BADGATEWAY_SEEDS", "1"))


def card() -> tuple[Case, ...]:
    """Wrong port, backend down, one crash, overload: on both stacks."""
    found = []
    for names in (["wrong-port"], ["backend-down"], aliases()["crash"], aliases()["overload"]):
        for stack in ("containers", "host"):
            pool = shuffle_cases(select_cases([f"{name}/*" for name in names], (stack,)), WORD)   # type: ignore[arg-type]
            found.append(next((case for case in pool if case.name in PROVEN), pool[0]))
    return tuple(sorted(found, key=lambda case: not needs_to_run_alone(case)))


def others() -> tuple[Case, ...]:
    """All else with seed 1; inside the machine only where there is a one-file build to try."""
    within = select_cases(INSIDE_SCENARIOS, within=True) if pyz_path().is_file() else ()
    return tuple(case for case in (*select_cases(), *within) if case not in CARD and case.name in PROVEN)


def cost(case: Case) -> float:
    """The estimate, made on an idle machine; what a loaded one took where that is another order."""
    took = PROVEN.get(case.name, 0.0)
    return took if took > SLOW * estimate_seconds(case) else estimate_seconds(case)


def seconds(chosen: tuple[Case, ...]) -> float:
    return sum(cost(case) / (LOAD_JOBS if needs_to_run_alone(case) else JOBS) for case in chosen)


CARD = () if ONLY else card()
POOL = select_cases(ONLY, seeds=SEEDS) if ONLY else others()
# the longest first: no core is free while the last one runs
CHOSEN = POOL if ONLY else tuple(sorted(
    draw_cases(POOL, WORD, SHARE * (MINUTES * 60 - seconds(CARD)), JOBS, cost, load_jobs=LOAD_JOBS),
    key=cost, reverse=True))
DRAWN = (f"matrix: {len(CARD)} always, {len(CHOSEN)} of {len(POOL)} others"
         + ("" if ONLY else f" drawn from {WORD}")
         + f", {JOBS} side by side, about {seconds((*CARD, *CHOSEN)) / 60:.0f} minutes")


def name(case: Case) -> str:
    return case.name.replace(" ", "-")


def right(matrix: BackgroundMatrix, case: Case) -> None:
    result = matrix.result(case)
    if result is None:
        pytest.skip(f"no time was left within {MINUTES:g} minutes: lab matrix --only '{case.scenario}/{case.variant}'")
    assert not result.problems, "\n".join([*result.problems, f"again: {case.up_command}", f"kept: {result.failure_folder}"])
    assert result.ok


def marked(case: Case) -> object:
    return pytest.param(case, marks=pytest.mark.load) if needs_to_run_alone(case) else case


@pytest.mark.always
@pytest.mark.parametrize("matrix_case", [marked(case) for case in CARD], ids=name)
def test_the_four(matrix: BackgroundMatrix, matrix_case: Case) -> None:
    right(matrix, matrix_case)


@pytest.mark.parametrize("matrix_case", CHOSEN, ids=name)
def test_drawn(matrix: BackgroundMatrix, matrix_case: Case) -> None:
    right(matrix, matrix_case)
