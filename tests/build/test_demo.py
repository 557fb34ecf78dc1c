"""The demo: what it draws is broken and repaired without a question; its lanes run side by side and stay readable."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UsageError
from lab.scenario.catalog import all_scenarios, choose
from lab.scenario.scenario_file import Stack

DEMO = runpy.run_path(str(Path(__file__).parents[2] / "script/demo.py"))


@pytest.mark.parametrize("stack", DEMO["STACKS"])
@pytest.mark.parametrize("way", DEMO["WAYS"])
def test_each_way_is_one_that_ends_repaired(way: str, stack: Stack) -> None:
    chosen = choose(DEMO["PLAIN"].get((way, stack), way), stack, DEMO["SEED"])
    expect = chosen.variant.expect
    assert expect.cause and expect.repair.exit == 0, chosen.variant.name
    assert not any(symptom.get("healthy") for symptom in chosen.variant.symptoms), f"{chosen.variant.name} answers well"


def test_the_longest_runs_start_first_and_a_stack_or_a_way_selects() -> None:
    runs = DEMO["plan_runs"]([])
    assert len(runs) == 8 and [run.way for run in runs[:2]] == ["overload", "overload"]
    assert [(run.way, run.stack) for run in DEMO["plan_runs"](["crash", "host"])] == [("crash", "host")]


def test_a_way_runs_once_and_only_where_the_demo_can_show_it() -> None:
    """Of two runs of one lab at a time the second is refused; a run that cannot end well fails after the whole set-up."""
    plan = DEMO["plan_runs"]
    assert [(run.way, run.stack) for run in plan(["crash", "crash", "host", "host"])] == [("crash", "host")]
    assert [run.stack for run in plan(["container-wrong-port"])] == ["containers"]
    shown, refused = set(), set()
    for found in all_scenarios().values():
        for one in found.variants:
            for stack in DEMO["STACKS"]:
                try:
                    DEMO["check_words"]([f"{found.name}/{one.name}", stack])
                    shown.add((found.name, one.name))
                except UsageError as error:
                    refused.add((found.name, one.name))
                    assert error.hint
                    assert stack not in one.stacks or not one.expect.cause or one.expect.repair.exit or \
                        one.expect.repair.heals_by_waiting or one.expect.repair.cleared_by_restart
    assert ("wrong-port", "wrong-port") in shown & refused and len(shown) > len(refused) / 2


def test_time_left_is_known_from_the_start_and_follows_the_pace() -> None:
    left, runs = DEMO["seconds_left"], DEMO["plan_runs"]([])
    total = left(runs, 0.0)
    assert 0 < total < 120     # on a machine that is set up
    for run in runs[:4]:
        run.ended = True
    assert left(runs, 30.0) < total
    assert left(runs, 300.0) > left(runs, 30.0)     # a slow machine so far
    assert "4 of 8 done, about " in DEMO["progress_line"](runs, 30.0)
    for run in runs:
        run.ended = True
    assert left(runs, 100.0) == 0.0


def test_only_the_images_that_the_runs_need_are_built() -> None:
    needed, plan = DEMO["needed_image_names"], DEMO["plan_runs"]
    assert needed(plan(["wrong-port", "host"])) == {"machine"}
    assert needed(plan(["wrong-port", "containers"])) >= {"web", "app"}


def test_lanes_run_side_by_side() -> None:
    runs = DEMO["plan_runs"](["down", "crash"])
    together = threading.Barrier(len(runs))
    screen = DEMO["Screen"](runs, live=False)
    DEMO["run_lanes"](runs, lambda run: together.wait(30), screen)     # a lane alone would wait in vain


def test_a_block_wipes_the_line_of_progress_and_draws_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    screen = DEMO["Screen"](DEMO["plan_runs"](["down", "host"]), live=True)
    screen.block("one\n")
    screen.end()
    screen.block("two")
    assert capsys.readouterr().out.split("\r\033[K")[1:] == ["one\n0 of 1 done, about 30 s left  ", "two\n"]


def test_one_run_is_called_so_and_several_name_their_lanes() -> None:
    plan, first = DEMO["plan_runs"], DEMO["first_line"]
    assert first(plan(["crash", "host"])).startswith("1 run, about 30 s; ")
    assert first(plan([])).startswith("8 runs, 4 at a time, about ")


def test_a_run_takes_the_lab_that_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second demo beside it may start the same one in the same moment."""
    (run,) = DEMO["plan_runs"](["wrong-port", "host"])
    demo = DEMO["Demo"](DEMO["Screen"]([run], live=False))
    typed: list[str] = []

    def command(run: Any, *words: str, **how: Any) -> str:
        typed.append(" ".join(words))
        run.said = 'Lab shop-3f2a: "Nobody can log in."'
        return ""

    monkeypatch.setattr(demo, "command", command)
    monkeypatch.setitem(DEMO["Demo"].try_way.__globals__, "lab_ids", lambda word, stack: ["crew-91c0", "shop-3f2a"])
    assert demo.try_way(run) == ""
    assert typed[-1] == "lab down shop-3f2a" and not any("crew" in line for line in typed)


def test_a_command_that_the_signal_ends_counts_as_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """`lab up` ends with 130 then: no failure of its own."""
    (run,) = DEMO["plan_runs"](["crash", "host"])
    demo = DEMO["Demo"](DEMO["Screen"]([run], live=False))
    monkeypatch.setattr(demo, "try_way", lambda run: demo.stopped.set() or "`lab up crash` ended with 130, expected 0")
    demo.work(run)
    assert run.problem == "interrupted" and run.ended
