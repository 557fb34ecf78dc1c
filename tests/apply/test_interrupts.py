"""Tests of fixer/apply/interrupts.py."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.apply.interrupts import Interrupts
from fixer.apply.repair_run import forget, history, undo, unfinished_run
from fixer.errors import Interrupted, UsageError
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, read_tree, write_step
from tests.apply.repair_run_builders import Interrupting, open_run


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """A run of the tests in the background ignores Ctrl-C, and so would what it tests."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def test_the_first_interrupt_ends_the_step_and_goes_back(site: Path, tmp_path: Path) -> None:
    before = read_tree(site)
    target = FolderTarget(tmp_path / "state", Interrupting("shop"))
    with pytest.raises(Interrupted, match="was rolled back"), open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW), write_step(site / "b", None, b"x")))
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"
    assert history(target)[0].steps == (f"edit {site}/shop",)


def test_an_interrupt_after_the_last_step_counts_too(site: Path, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "state", Interrupting("shop"))
    with pytest.raises(Interrupted), open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert (site / "shop").read_bytes() == OLD


def test_the_second_interrupt_stops_at_once_and_the_journal_knows(site: Path, tmp_path: Path) -> None:
    before = read_tree(site)
    target = FolderTarget(tmp_path / "state", Interrupting("shop", "shop"))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="at once") as raised, open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert "fixer undo" in raised.value.hint and signal.getsignal(signal.SIGINT) is handler
    assert (site / "shop").read_bytes() == NEW
    broken = unfinished_run(target)
    assert broken is not None and broken.id == run.id
    with pytest.raises(UsageError, match="interrupted"):
        forget(target, broken.id)
    assert undo(FolderTarget(tmp_path / "state"), None).restored == (f"restored {site}/shop",)
    assert read_tree(site) == before and unfinished_run(target) is None


def test_a_signal_after_an_interrupted_run_still_lets_it_say_how_it_ended() -> None:
    """A second TERM, or the HUP of a terminal that closes after its Ctrl-C, ended the process without a word."""
    with Interrupts() as interrupts, interrupts.busy():
        signal.raise_signal(signal.SIGTERM)
    assert interrupts.asked
    for number in (signal.SIGTERM, signal.SIGHUP):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_without_an_interrupt_all_is_as_before() -> None:
    with Interrupts():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_was_started_to_ignore_a_signal_ignores_it() -> None:
    """`nohup fixer repair --yes`: the terminal is closed, and the repair goes on."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts() as interrupts, interrupts.busy():
        signal.raise_signal(signal.SIGHUP)
    assert not interrupts.asked and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
