"""Tests of lab/course/play.py: the prompt with what is typed; a whole lesson on a real lab."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixer.languages.choose_language import LANGUAGES, VARIABLE
from lab.course import play
from lab.course.attempts import add_attempt, attempts_of
from lab.course.lesson import Attempt
from lab.errors import UsageError
from lab.scenario.catalog import scenario_named
from lab.stack import lab_records
from lab.stack.docker_command import labelled_ids
from lab.stack.fixer_command import Fixer, fixer_outside, input_options
from lab.stack.lab_records import LabRecord, save_record
from lab.verbs.down import lab_down
from tests.lab.cli_builders import lab as run_lab
from tests.lab.course.course_builders import attempt


@pytest.fixture
def running(record: LabRecord) -> Attempt:
    """A lesson on a lab without containers."""
    save_record(record)
    return add_attempt(attempt(0, lab_id=record.id, ended=0.0, cause="", cause_right=False, fixed=False, points=0))


def test_the_prompt_carries_out_what_is_typed(running: Attempt) -> None:
    typed = iter(["hint", "time", "cause wrong-prt", "cause wrong-port", "dance", "", "quit"])
    shown: list[str] = []
    play.prompt_loop(running, lambda prompt: next(typed), shown.append, shown.append)
    assert shown[1].startswith("hint 1 of 3") and shown[2] == "the time is over: points count half"
    assert shown[3] == "no cause is called 'wrong-prt'\n  did you mean wrong-port?"
    assert shown[4] == shown[5] == f"Type: {play.WORDS}" and shown[6].startswith("The lesson waits")
    assert attempts_of()[0].cause == "wrong-port" and play.open_attempt("Ada") == attempts_of()[0]


def test_the_prompt_speaks_the_readers_language(running: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh-TW")
    typed, shown, asked = iter(["dance", "time", "done", "", "quit"]), list[str](), list[str]()

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return next(typed)

    play.prompt_loop(running, ask, shown.append, shown.append)
    english = ("Type:", "the time is over", "The lesson waits", "Which cause was it?")
    assert [text for text in (*shown, *asked) if any(one in text for one in english)] == []


def test_the_end_of_input_leaves_the_lesson(running: Attempt) -> None:
    def ask(prompt: str) -> str:
        raise EOFError

    shown: list[str] = []
    play.prompt_loop(running, ask, shown.append, shown.append)
    assert shown[-1].startswith("The lesson waits")


def test_a_lesson_whose_lab_was_removed_is_given_up(running: Attempt) -> None:
    lab_records.delete_lab_files(running.lab_id)
    assert play.open_attempt("Ada") is None
    assert attempts_of()[0].gave_up and not attempts_of()[0].is_open


@pytest.mark.parametrize("named", ["", "nonsense", "wrong-port\n"])
def test_only_causes_and_variants_can_be_named(running: Attempt, named: str) -> None:
    with pytest.raises(UsageError, match="no cause is called"):
        play.name_cause(running, named)
    assert play.name_cause(running, "container-wrong-port").cause == "container-wrong-port"


def test_repair_and_cause_have_a_verdict_each() -> None:
    variant = scenario_named("wrong-port").variant("wrong-port")
    text = play.result_text(attempt(cause="backend-down", cause_right=False), variant, "What it was: x", "view")
    assert text.startswith("✔ the repair: the page is well\n✘ the cause: you named backend-down; it was wrong-port\n")
    assert "1 hint: 90 points" in text and "view" in text
    right = play.result_text(attempt(fixed=False, gave_up=True, ended=3000.0), variant, "", "")
    assert "✘ the repair: the page is broken\n✔ the cause: you named wrong-port\n" in right
    assert "after the clock" in right and "(given up)" in right


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lesson_that_has_ended_names_no_lab_to_remove(
        running: Attempt, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LANG", language)
    monkeypatch.setattr(play, "ask_oracle", lambda lab: SimpleNamespace(is_well=True))
    monkeypatch.setattr(play, "lab_down", lambda lab_id: None)
    _, text = play.finish(play.name_cause(running, "wrong-port"))
    assert "lab down" not in text and "lab scores" in text
    assert ("the repair" in text) == (language == "en")


def test_without_a_lesson_nothing_ends(tmp_path: Path) -> None:
    ended = run_lab("scores", BADGATEWAY_LAB_STATE=str(tmp_path))
    assert (ended.returncode, ended.stdout) == (0, "nobody has tried yet; begin: lab play\n")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    yield tmp_path
    for kept in list(lab_records.all_records()):
        lab_down(kept.id)


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
def test_a_lesson(state: Path) -> None:
    """It names nothing; a wrong cause and a right repair are judged apart; the debrief has fixer's view from before."""
    began = run_lab("play", "--person", "Ada", "--difficulty", "1", "--stack", "host", "--seed", "1")
    (lesson,) = attempts_of("Ada")
    assert began.returncode == 0 and "Lesson 1 of Ada, difficulty 1" in began.stdout, began.stderr
    assert f"/{lesson.variant}" not in began.stdout and not lesson.cause
    assert f"{lesson.lab_id} waits" in run_lab("play", "--person", "Ada").stdout      # one lesson at a time
    assert run_lab("hint", lesson.lab_id).returncode == 0
    wrong = "keepalive-race"
    broken = run_lab("play", "--person", "Ada", "--cause", wrong)
    assert broken.returncode == 1 and broken.stdout.startswith("✘ broken") and lesson.variant not in broken.stdout
    fixer: Fixer = fixer_outside(play.lab_of(lesson), state / "fixer")
    options = input_options(play.lab_of(lesson))
    subprocess.run(fixer.argv("repair", "--yes", "--max-risk", "disruptive", *options), check=True, capture_output=True,
                   env={**os.environ, **fixer.environment})
    ended = run_lab("play", "--person", "Ada", "--cause", wrong)
    expect = scenario_named(lesson.scenario).variant(lesson.variant).expect
    assert ended.returncode == 0 and "✔ the repair" in ended.stdout, ended.stdout
    assert f"✘ the cause: you named {wrong}; it was {expect.cause}" in ended.stdout
    assert "What it was: " in ended.stdout and f"  {expect.cause} · " in ended.stdout and "What it would have done" in ended.stdout
    (done,) = attempts_of("Ada")
    assert (done.fixed, done.cause_right, done.hints, done.points) == (True, False, 1, 50)
    assert labelled_ids("container", lesson.lab_id) == ()
    assert f"{lesson.scenario}/{lesson.variant}" in run_lab("scores").stdout
