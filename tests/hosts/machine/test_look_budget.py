"""The seconds and bytes of one look: shared, and without effect outside of it."""

from __future__ import annotations

import threading
import time
from math import inf
from pathlib import Path

import pytest

from fixer.hosts.machine import look_budget, run_process
from fixer.hosts.machine.look_budget import bytes_within, cleanup, is_over, one_look, seconds_within
from fixer.hosts.machine.run_process import InteractiveProcess


def test_outside_of_a_look_nothing_is_cut() -> None:
    assert (seconds_within(40.0), bytes_within(1 << 40), is_over()) == (40.0, 1 << 40, False)


def test_all_threads_of_a_look_share_what_is_left_and_an_inner_look_is_the_same() -> None:
    with one_look() as outer, one_look() as inner:
        assert outer is inner
        assert seconds_within(1.0) == 1.0 and 1.0 < seconds_within(40.0) <= look_budget.LOOK_SECONDS
        outer.extend(30.0)
        assert 30.0 < seconds_within(inf) <= 30.0 + look_budget.LOOK_SECONDS
        taken: list[int] = []
        threads = [threading.Thread(target=lambda: taken.append(bytes_within(3 << 20))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(taken) == look_budget.LOOK_BYTES and not outer.has_bytes() and bytes_within(1) == 0
        outer.extend(-60.0)
        assert is_over() and seconds_within(5.0) == 0.0
        with cleanup():
            assert seconds_within(5.0) == look_budget.CLEANUP_SECONDS
    assert not is_over() and seconds_within(5.0) == 5.0


def test_a_slow_command_ends_with_the_look_and_none_starts_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_budget, "LOOK_SECONDS", 0.3)
    started = time.monotonic()
    with one_look():
        talk = InteractiveProcess(["cat"])
        first = run_process.run(["sh", "-c", "trap '' TERM; echo early; sleep 60; sleep 60"], timeout=30.0)
        second = run_process.run(["touch", str(tmp_path / "ran")], timeout=30.0)
        assert talk.exchange(b"", b"never", 30.0) is None
    talk.close()
    assert time.monotonic() - started < 5.0
    assert (first.timed_out, first.stdout) == (True, b"early\n")
    assert second.timed_out and not (tmp_path / "ran").exists()
    assert run_process.run(["touch", str(tmp_path / "ran")]).returncode == 0


def test_what_serves_a_look_ends_with_it_all_at_the_same_time_even_if_it_fails() -> None:
    said: list[str] = []

    class Serving:
        def __init__(self, name: str) -> None:
            self.name = name

        def end_input(self) -> None:
            said.append(f"end {self.name}")

        def close(self) -> None:
            assert look_budget.is_under_way()
            said.append(f"close {self.name}")

    with pytest.raises(KeyError), one_look(), one_look():
        for name in "ab":
            look_budget.lasts_with_look(Serving(name))
        raise KeyError
    assert said == ["end a", "end b", "close a", "close b"] and not look_budget.is_under_way()
