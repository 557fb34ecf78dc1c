"""The matrix without Docker: what is chosen and drawn, how jobs run side by side, what is written of them."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lab.errors import UsageError
from lab.matrix.progress import Progress, duration_text, time_left
from lab.matrix.result_files import read_results, result_from_json, result_to_json, to_json, to_junit
from lab.matrix.result_table import to_markdown
from lab.matrix.run_matrix import MatrixRequest, write_reports
from lab.matrix.runner import Runner
from lab.matrix.select_cases import (
    all_cases,
    draw_cases,
    draw_key,
    estimate_seconds,
    needs_to_run_alone,
    parse_seeds,
    select_cases,
    select_shard,
    shuffle_cases,
    to_github,
)
from lab.scenario.catalog import scenario_named
from lab.scenario.scenario_file import ExpectedRepair
from lab.trial.trial import Case, CaseResult, TrialStep, _expected_outcome

WELL = Case("healthy", "healthy", "host", 1)
PORT = Case("wrong-port", "wrong-port", "host", 1)
LOAD = Case("overload-saturated", "single-worker-overload", "host", 1)
GOOD = CaseResult(PORT, [TrialStep(name, 1.0) for name in ("up", "diagnose", "repair", "well", "restart", "again", "undo",
                                                  "broken again", "down")], code_digest="abc")
BAD = CaseResult(LOAD, [TrialStep("up", 2.0), TrialStep("diagnose", 1.0, ["found a|b/<c>, \x1b expected d"])], failure_folder="/kept/here")


def test_shards_are_disjoint_and_together_all() -> None:
    chosen = select_cases()
    parts = [select_shard(chosen, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(case.name for part in parts for case in part) == sorted(case.name for case in chosen)
    spent = [sum(map(estimate_seconds, part)) for part in parts]
    assert max(spent) - min(spent) <= max(map(estimate_seconds, chosen))


@pytest.mark.parametrize("words", ["0/3", "4/3", "x", "1/0", "1/99999"])
def test_no_shard(words: str) -> None:
    with pytest.raises(UsageError):
        select_shard(select_cases(), words)


@pytest.mark.parametrize("words", ["", "x", "1-", "1,,2"])
def test_no_seed(words: str) -> None:
    with pytest.raises(UsageError):
        parse_seeds(words)


def test_seeds() -> None:
    assert parse_seeds("1-3, 7,2") == (1, 2, 3, 7)


def test_all_is_each_once_and_a_drawn_part_thrice() -> None:
    every = all_cases(word="one")
    assert len(set(every)) == len(every)
    assert {case for case in every if case.seed == 1 and not case.inside} == set(select_cases())
    thrice = [case for case in every if case.seed == 3]
    assert len(thrice) == min(30, len(select_cases()))
    assert any(case.inside for case in every)
    assert all_cases(word="one") == every


def test_a_draw_fits_its_time_and_prefers_other_variants() -> None:
    pool = select_cases()
    some = draw_cases(pool, "word", 200.0, 2)
    assert 0 < sum(estimate_seconds(case) / (1 if needs_to_run_alone(case) else 2) for case in some) <= 200.0
    assert len({(case.scenario, case.variant) for case in some}) == len(some)
    assert draw_cases(pool, "word", 200.0, 2) == some
    assert draw_cases(pool, "other", 200.0, 2) != some
    assert set(draw_cases(pool, "word", 1e9, 2)) == set(pool)
    assert shuffle_cases(pool, "a") != shuffle_cases(pool, "b")
    assert draw_key()


def test_github_gets_one_job_a_scenario() -> None:
    jobs = json.loads(to_github(select_cases()))["include"]
    assert [job["scenario"] for job in jobs] == sorted({case.scenario for case in select_cases()})
    assert sum(job["cases"] for job in jobs) == len(select_cases())
    assert "\n" not in to_github(select_cases())


def test_the_workflow_uses_what_the_plan_gives() -> None:
    text = (Path(__file__).resolve().parents[3] / ".github" / "workflows" / "scenarios.yml").read_text()
    used = set(re.findall(r"\$\{\{ matrix\.(\w+) \}\}", text))
    assert used == set(json.loads(to_github(select_cases()))["include"][0])
    assert all(0 < job["minutes"] <= 360 for job in json.loads(to_github(select_cases()))["include"])
    assert len(json.loads(to_github(select_cases()))["include"]) <= 256


def test_all_leaves_no_say_on_seeds() -> None:
    with pytest.raises(UsageError):
        MatrixRequest(all=True, seeds="1").chosen()
    assert MatrixRequest(only=["healthy/healthy"], stack="host", noise=0).chosen() == (WELL,)
    assert len(MatrixRequest(shard="1/2").chosen()) < len(MatrixRequest().chosen())


def test_a_report_is_read_back(tmp_path: Path) -> None:
    assert result_from_json(json.loads(json.dumps(result_to_json(BAD)))) == BAD
    path = tmp_path / "deep" / "run.json"
    write_reports(MatrixRequest(json=path, junit=tmp_path / "a.xml", markdown=tmp_path / "a.md"), [GOOD, BAD], [WELL], {})
    assert read_results(path) == {PORT: GOOD, LOAD: BAD}
    assert read_results(tmp_path / "none.json") == {}
    assert (tmp_path / "a.xml").is_file()
    assert (tmp_path / "a.md").is_file()
    for text in ("{}", "[", '{"format": "x", "cases": []}', '{"format": "badgateway-matrix/1", "cases": [{}]}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="is no report"):
            read_results(path)
    assert json.loads(to_json([GOOD, BAD]))["failed"] == 1


def test_a_run_that_goes_on_keeps_its_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new commit would draw other cases for three seeds: such a run never ended."""
    path = tmp_path / "run.json"
    monkeypatch.setattr("lab.matrix.run_matrix.draw_key", lambda: "first")
    began = MatrixRequest(all=True, resume=path)
    chosen = began.chosen()
    write_reports(began, [GOOD], [], {GOOD.case: GOOD})
    monkeypatch.setattr("lab.matrix.run_matrix.draw_key", lambda: "second")
    assert MatrixRequest(all=True, resume=path).chosen() == chosen != MatrixRequest(all=True).chosen()
    write_reports(MatrixRequest(resume=path), [GOOD], [], {GOOD.case: GOOD})      # a run of a few cases leaves it
    assert MatrixRequest(all=True, resume=path).draw() == "first" and MatrixRequest(all=True).draw() == "second" and MatrixRequest().draw() == ""
    path.write_text('["no report"]')
    with pytest.raises(UsageError):
        MatrixRequest(all=True, resume=path).chosen()


def test_junit_holds_failures_and_what_was_not_tried() -> None:
    suite = ElementTree.fromstring(to_junit([GOOD, BAD], [WELL]))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    (failure,) = suite.findall("testcase/failure")
    assert "lab up overload-saturated/single-worker-overload --stack host --seed 1" in (failure.text or "")
    assert "/kept/here" in (failure.text or "")


@pytest.mark.parametrize(("word", "variant", "wanted"), [
    ("healthy", "healthy", "nothing"), ("disk-full", "log-disk-full", "advice"), ("slow-start", "startup-slow", "patience"),
    ("crash-code-error", "start-syntax-error", "person"), ("wrong-port", "wrong-port", "repair"),
])
def test_what_must_become_of_a_case(word: str, variant: str, wanted: str) -> None:
    assert _expected_outcome(scenario_named(word).variant(variant).expect) == wanted


def test_markdown_counts_what_was_wanted() -> None:
    well = CaseResult(WELL, [TrialStep("up"), TrialStep("diagnose"), TrialStep("nothing to do", 1.0, ["changed: /etc/x"])], wanted="nothing")
    manual = CaseResult(Case("nginx-config-invalid", "nginx-config-invalid", "host", 1),
                    [TrialStep("up"), TrialStep("diagnose"), TrialStep("repair")], wanted="person")
    told = CaseResult(Case("disk-full", "log-disk-full", "host", 1), [TrialStep("up"), TrialStep("diagnose"), TrialStep("nothing to do")], wanted="advice")
    text = to_markdown([GOOD, BAD, well, manual, told], [Case("x", "y", "host", 1)], ["Where from."])
    assert text.splitlines()[2] == "Where from."
    assert "3 of 5 cases went as expected; 1 were not tried" in text
    assert "right cause first, with evidence that is there: 4 of 5" in text
    assert "still well after a restart: 1 of 2" in text
    assert "Healthy, and left alone: 0 of 1" in text and "told as advice, and left alone: 1 of 1" in text
    waiting = next(line for line in text.splitlines() if line.startswith("| nginx-config-invalid"))
    assert waiting.split(" | ")[8] == "waits", "what nobody repaired is not called repaired"
    assert "Mended by hand" not in text and "nothing changed: 1 of 1" in text
    row = next(line for line in text.splitlines() if line.startswith("| overload"))
    assert row.split(" | ")[5:7] == ["✔", "✘"]
    assert r"a\|b/&lt;c>" in text
    mended = CaseResult(manual.case, [*manual.steps, *(TrialStep(name) for name in ("by hand", "after it", "restart", "again"))], wanted="person")
    text = to_markdown([mended])
    assert next(line for line in text.splitlines() if line.startswith("| nginx-config-invalid")).split(" | ")[8] == "by hand"
    assert "and after a restart: 1 of 1" in text
    mended.steps[4].problems.append("exit 4, expected 0")
    assert "✘" in to_markdown([mended]) and "after a restart: 0 of 1" in to_markdown([mended])


def test_markdown_counts_what_restarting_everything_does_not_cure() -> None:
    assert "Restarting everything" not in to_markdown([GOOD])
    tried = CaseResult(GOOD.case, [*GOOD.steps, TrialStep("restart everything")])
    text = to_markdown([tried, GOOD])
    assert "until after the next boot: 1 of 1" in text and "| restarts in vain |" in text
    tried.steps[-1].problems.append("restarting everything cures it")
    assert "until after the next boot: 0 of 1" in to_markdown([tried])


@pytest.mark.parametrize(("said", "host", "containers"), [
    ({}, "fails", "fails"), ({"restart": "cures"}, "cures", "cures"), ({"restart": {"host": "hides"}}, "hides", "fails"),
    ({"cleared_by_restart": True}, "cures", "cures"),
])
def test_what_it_helps_to_restart_everything(said: dict[str, Any], host: str, containers: str) -> None:
    repair = ExpectedRepair(risk="safe", exit=0, **said)
    assert (repair.restart_on("host"), repair.restart_on("containers")) == (host, containers)



STAND_IN = """
import json, os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)      # as the real one: also in a background job
order = json.loads(sys.stdin.readline())
log = pathlib.Path(os.environ["JOB_LOG"])
def note(word):
    with log.open("a") as out: out.write(f"{word} {order['case']['scenario']} {time.monotonic()}\\n")
note("began")
print(json.dumps({"step": "up"}), flush=True)
try:
    time.sleep(float(os.environ["JOB_SECONDS"]))
finally:
    note("ended")
if order["case"]["variant"] == "silent":
    sys.exit("nothing to say")
problems = ["was not well"] if order["case"]["variant"] == "bad" else []
steps = [{"name": "up", "seconds": 0.1, "problems": problems}]
print(json.dumps({"result": {**order["case"], "wanted": "repair", "steps": steps}}), flush=True)
"""


class Log:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def began(self, case: Case) -> None:
        self.said.append(f"began {case.scenario}")

    def step(self, case: Case, name: str) -> None:
        self.said.append(f"{name} {case.scenario}")

    def ended(self, result: CaseResult) -> None:
        self.said.append(f"ended {result.case.scenario}")

    def beat(self) -> None:
        self.said.append("beat")


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A runner whose jobs are real processes that only wait."""
    monkeypatch.setenv("JOB_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("JOB_SECONDS", "0.3")
    return Runner(tmp_path / "run", 2, Log(), "abc", command=(sys.executable, "-c", STAND_IN))


def spans(folder: Path) -> dict[str, tuple[float, float]]:
    """When each case began and ended, as the jobs themselves noted."""
    found: dict[str, list[float]] = {}
    for line in (folder / "log").read_text().splitlines():
        _, name, moment = line.split()
        found.setdefault(name, []).append(float(moment))
    return {name: (moments[0], moments[-1]) for name, moments in found.items()}


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


@pytest.mark.slow
def test_two_at_once_and_load_alone(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_SECONDS", "1.5")
    down = Case("backend-down", "backend-not-running", "host", 1)
    chosen = [PORT, down, LOAD, WELL]
    assert runner.run(chosen) == []
    when = spans(tmp_path)
    assert overlap(when["wrong-port"], when["backend-down"])
    assert not any(overlap(when["overload-saturated"], when[name]) for name in ("wrong-port", "backend-down", "healthy"))
    assert {result.case for result in runner.results} == set(chosen)
    assert all(result.ok and result.code_digest == "abc" for result in runner.results)
    assert not (tmp_path / "run").exists()


def test_a_failure_is_kept_with_how_to_repeat_it(runner: Runner) -> None:
    runner.run([Case("healthy", "bad", "host", 4), Case("healthy", "silent", "host", 4)])
    first, second = sorted(runner.results, key=lambda result: result.case.variant)
    assert (first.problems, second.problems) == (
        ["up: was not well"], ["trial: the trial ended with 1: nothing to say"])
    for result in (first, second):
        assert f"lab up healthy/{result.case.variant} --stack host --seed 4" in Path(result.failure_folder, "README.txt").read_text()


@pytest.fixture(autouse=True)
def any_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases of this module need not exist."""
    monkeypatch.setattr("lab.matrix.runner.needs_to_run_alone", lambda case: case.scenario == "overload-saturated")


def test_after_the_clock_only_what_is_always_tried(runner: Runner) -> None:
    runner.until = time.monotonic() - 1
    assert runner.run([PORT, WELL], always=1) == [WELL]
    assert [result.case for result in runner.results] == [PORT]


def test_stopped_it_ends_what_runs(runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOB_SECONDS", "60")
    threading.Timer(2.0, runner.stop.set).start()
    start = time.monotonic()
    assert runner.run([PORT, WELL, LOAD]) == [PORT, WELL, LOAD]
    assert time.monotonic() - start < 30
    assert "ended" in (tmp_path / "log").read_text()
    assert not (tmp_path / "run").exists()


def test_plain_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    progress = Progress(out, [PORT, LOAD], 2, live=False)
    progress.began(PORT)
    progress.step(PORT, "diagnose")
    progress.beat()
    assert out.getvalue() == ""
    progress.ended(GOOD)
    progress.began(LOAD)
    progress.ended(BAD)
    first, second, *rest = out.getvalue().splitlines()
    assert first.startswith("[1/2] ✔ wrong-port/wrong-port host seed 1  9 s, ")
    assert first.endswith(" left")
    assert second == "[2/2] ✘ overload-saturated/single-worker-overload host seed 1  3 s"
    assert any(line.strip() == "kept: /kept/here" for line in rest)
    assert "\033" not in first + second


def test_a_live_table_wipes_itself() -> None:
    out = io.StringIO()
    progress = Progress(out, [PORT, WELL], 2, live=True)
    progress.began(PORT)
    progress.began(WELL)
    progress.step(PORT, "undo")
    assert "0 of 2" in out.getvalue()
    assert "undo" in out.getvalue()
    assert "\033[3A\033[J" in out.getvalue()
    progress.ended(GOOD)
    progress.ended(CaseResult(WELL, [TrialStep("up", 1.0)]))
    assert out.getvalue().count("✔") == 2


def test_time_left() -> None:
    assert time_left([], 2, [], 1.0) == 0.0
    assert time_left([PORT], 2, [], 2.0) == 2 * estimate_seconds(PORT)
    assert time_left([PORT, PORT, LOAD], 2, [], 1.0) == estimate_seconds(LOAD) + estimate_seconds(PORT)
    assert time_left([], 1, [(PORT, 999.0)], 1.0) == 2.0
    assert [duration_text(n) for n in (0.1, 89, 91, 60 * 89, 60 * 135)] == ["1 s", "89 s", "2 min", "89 min", "2 h 15 min"]
