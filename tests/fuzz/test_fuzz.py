"""A short run of the fuzz with a fixed seed, and every input that ever failed. `python -m tests.fuzz` runs long ones."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.fuzz_run import FuzzResult, run_inputs, run_once, time_limit
from tests.fuzz.fuzz_targets import BY_NAME, CORPUS, TARGETS

ONCE_FAILED = sorted(path for path in CORPUS.iterdir() if path.suffix != ".gz")


def test_a_slice_of_mutated_inputs_harms_nothing() -> None:
    figures = run_inputs(iter(range(100_000)), 7, FuzzResult(), seconds=2.0)
    assert figures.found == {}
    assert sum(figures.tried.values()) > 20


@pytest.mark.parametrize("path", ONCE_FAILED, ids=lambda path: path.name)
def test_what_once_failed_never_fails_again(path) -> None:  # type: ignore[no-untyped-def]
    target = BY_NAME[path.name.rpartition("-")[0]]
    with time_limit():
        run_once(target, path.read_bytes(), Random(1))


def test_the_corpus_is_small_and_every_target_has_seeds() -> None:
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 300_000
    assert all(target.seeds() for target in TARGETS)
    assert sum(target.share for target in TARGETS) > 0
