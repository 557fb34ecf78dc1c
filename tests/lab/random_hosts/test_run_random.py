"""Tests of lab/random_hosts/run_random.py that need no Docker."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UnexpectedState, UsageError
from lab.random_hosts import run_random as module
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.figures import HostResult
from lab.random_hosts.host_document import read_host, write_host
from lab.random_hosts.host_spec import HostSpec
from lab.random_hosts.ledger import SeedRange, append_run, ledger_line
from lab.random_hosts.run_random import RandomRequest, is_passed, random_request, result_line, run_random
from lab.random_hosts.shrink import extras_of
from tests.lab.random_hosts.builders import fault, look, repaired, result

PORT = fault("port", "wrong-port")
OPTIONS = {"publish": False, "keep": False, "coverage": False, "spec": None, "shrink": False, "parts": (), "others": {}}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[int, HostResult]:
    """The results by seed, instead of real hosts; the folder of each host is made as a real one makes it."""
    known: dict[int, HostResult] = {}

    def judged(spec: HostSpec, solver: object, image: str, folder: Path, *, keep: bool = False) -> HostResult:
        folder.mkdir(parents=True)
        (folder / "host.json").write_text("{}")
        return known.get(spec.seed, result(spec.seed, [PORT], repaired(look("wrong-port"))))

    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(module, "judged_host", judged)
    monkeypatch.setattr(module, "require_docker", lambda: None)
    monkeypatch.setattr(module, "remove_own_containers", lambda: None)
    monkeypatch.setattr(module, "ensure_images", lambda say, hosts: None)
    monkeypatch.setattr(module, "ledger_path", lambda: tmp_path / "random.jsonl")
    monkeypatch.setattr(module, "current_commit", lambda option: "abcd")
    return known


def test_a_plain_run_prints_figures_and_writes_no_ledger(answers: dict[int, HostResult], tmp_path: Path) -> None:
    text = run_random(RandomRequest(3, 10))
    assert "cause right             3/3" in text
    assert "pairs of choices covered" in text
    assert not (tmp_path / "random.jsonl").exists()
    assert not list((tmp_path / "state").rglob("host.json"))


def test_failures_are_kept_and_named_with_the_command_that_makes_one_again(
    answers: dict[int, HostResult], tmp_path: Path,
) -> None:
    answers[11] = result(11, [PORT], repaired(look("nginx-down")))
    answers[12] = result(12, [PORT], None)
    with pytest.raises(UnexpectedState, match="2 of 3 hosts not passed") as caught:
        run_random(RandomRequest(3, 10, jobs=2))
    assert caught.value.hint == "make one again: lab bench --random 1 --seed 11 --keep, or reduce it: --shrink"
    assert {path.parent.name for path in (tmp_path / "state").rglob("host.json")} == {"seed-11", "seed-12"}


def test_a_yardstick_that_loses_fails_nothing(answers: dict[int, HostResult]) -> None:
    answers[10] = result(10, [PORT], repaired(look("nginx-down")))
    assert "cause right             0/1" in run_random(RandomRequest(1, 10, solver="restart-everything"))


def test_a_published_run_is_appended_good_or_bad_and_its_seeds_are_used(
    answers: dict[int, HostResult], tmp_path: Path,
) -> None:
    answers[2] = result(2, [PORT], None)
    with pytest.raises(UnexpectedState):
        run_random(RandomRequest(2, 1, publish=True))
    assert len((tmp_path / "random.jsonl").read_text().splitlines()) == 1
    assert {path.parent.name for path in (tmp_path / "state").rglob("host.json")} == {"seed-1", "seed-2"}, "for people"
    with pytest.raises(UsageError, match="overlap"):
        run_random(RandomRequest(5, 2, publish=True))
    run_random(RandomRequest(5, 3))     # a plain run may use any seed


def test_a_published_run_that_is_ended_keeps_the_hosts_that_were_judged_in_a_row(
    answers: dict[int, HostResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who does not like what a run shows cannot make it unseen: its seeds are used."""
    judged, over = module.judged_host, threading.Event()

    def slow(spec: HostSpec, *given: Any, **named: Any) -> HostResult:
        assert spec.seed < 4 or over.wait(30)
        return judged(spec, *given, **named)

    def told(line: str) -> None:
        if line.startswith("[3/9]"):
            raise KeyboardInterrupt     # as Ctrl-C does, while the fourth host is made

    monkeypatch.setattr(module, "judged_host", slow)
    monkeypatch.setattr(module, "_write", told)
    answers[2] = result(2, [PORT], repaired(look("nginx-down")))
    with pytest.raises(KeyboardInterrupt):
        run_random(RandomRequest(9, 1, publish=True))
    over.set()
    (line,) = map(json.loads, (tmp_path / "random.jsonl").read_text().splitlines())
    assert (line["seeds"], line["not_passed"]) == ({"first": 1, "count": 3}, [2])


def test_a_used_range_is_refused_before_any_host_is_made(answers: dict[int, HostResult], tmp_path: Path) -> None:
    append_run(tmp_path / "random.jsonl", ledger_line("fixer", SeedRange(1, 9), "x", "y", []))
    with pytest.raises(UsageError, match="overlap with 1-9"):
        run_random(RandomRequest(1, 9, publish=True))
    assert not (tmp_path / "state").exists()


def test_no_module_of_random_hosts_loads_a_scenario_or_fixer() -> None:
    program = ("import pkgutil, sys, importlib, lab.random_hosts as package\n"
               "for found in pkgutil.iter_modules(package.__path__, 'lab.random_hosts.'):\n"
               "    importlib.import_module(found.name)\n"
               "print([name for name in sys.modules if name.split('.')[0] == 'fixer' or name.startswith('lab.scenario')])")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_coverage_needs_no_docker() -> None:
    assert "server" in run_random(RandomRequest(3, 1, coverage=True))


@pytest.mark.parametrize(("seeds", "solvers", "given", "problem"), [
    ("1-3", (), {}, "--seed 1-3: random hosts take one number"), ("x", (), {}, "--seed x"),
    ("1", ("a", "b"), {}, "--random judges one solver"), ("1", (), {"keep": True}, "--keep is for one host"),
    ("1", (), {"shrink": True}, "--shrink is for one host"), ("1", (), {"spec": Path("x")}, "--spec is for one host"),
    ("1", (), {"others": {"--only": ["x"]}}, "--only does not go with --random"),
])
def test_options_that_do_not_go_together_are_refused(
    seeds: str, solvers: tuple[str, ...], given: dict[str, object], problem: str,
) -> None:
    with pytest.raises(UsageError, match=problem):
        random_request(2, seeds, solvers, 1, None, **{**OPTIONS, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "problem"), [
    ({"shrink": True, "publish": True}, "--shrink does not go with --publish"),
    ({"shrink": True, "keep": True}, "--shrink leaves no host up"),
])
def test_options_of_one_host_that_do_not_go_together_are_refused(given: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        random_request(1, "1", (), 1, None, **{**OPTIONS, **given})  # type: ignore[arg-type]


def test_the_host_of_a_document_is_judged_instead_of_a_drawn_one(answers: dict[int, HostResult], tmp_path: Path) -> None:
    write_host(tmp_path / "host.json", draw_host(77))
    answers[77] = result(77, [PORT], repaired(look("nginx-down")))
    with pytest.raises(UnexpectedState, match="1 of 1 hosts not passed"):
        run_random(RandomRequest(1, 1, spec=tmp_path / "host.json"))


def test_a_host_that_was_passed_is_not_reduced(answers: dict[int, HostResult], tmp_path: Path) -> None:
    assert run_random(RandomRequest(1, 10, shrink=True)) == "seed 10 was passed: there is nothing to shrink"
    assert not list((tmp_path / "state").rglob("host.json"))


def test_a_host_that_was_not_is_reduced_and_named(answers: dict[int, HostResult], tmp_path: Path) -> None:
    answers[11] = result(11, [PORT], repaired(look("nginx-down")))
    with pytest.raises(UnexpectedState, match="seed 11 not passed: cause: nginx-down; outputs are in") as caught:
        run_random(RandomRequest(1, 11, shrink=True))
    command = re.fullmatch(r"make the reduced host: lab bench --random 1 --spec (\S+) --keep", caught.value.hint)
    assert command is not None
    assert len(extras_of(read_host(Path(command[1])))) <= 1


def test_the_request_holds_the_options() -> None:
    assert random_request(2, "7", (), 3, None, **OPTIONS) == RandomRequest(2, 7, "fixer", 3)  # type: ignore[arg-type]


def test_a_line_names_each_problem() -> None:
    wrong = result(1, [PORT], repaired(look("nginx-down")))
    assert not is_passed(wrong)
    assert result_line(wrong).startswith("seed 1 (port): not passed, repaired\n    cause: nginx-down (certain)")
    assert result_line(result(2, [], None)) == "seed 2 (no fault): generator failure: not well before"


@pytest.mark.parametrize(("about", "said"), [
    ({"parts": ("uwsgi",)}, "--parts uwsgi is not AXIS=NAME"), ({"parts": ("server=",)}, "is not AXIS=NAME"),
    ({"parts": ("server=uwsgi",), "publish": True}, "--parts does not go with --publish"),
    ({"parts": ("server=uwsgi",), "spec": Path("host.json")}, "--parts does not go with --spec"),
])
def test_parts_that_cannot_be_asked_for(about: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        random_request(1, "1", (), 1, None, **{**OPTIONS, **about})   # type: ignore[arg-type]


@pytest.mark.parametrize(("part", "said", "hint"), [
    ("server=iis", "the axis server has no part iis", "its parts: .*uvicorn"), ("colour=red", "axis colour", "the axes: .*server"),
    ("fault=bad-luck", "no fault is called bad-luck", ""),
])
def test_a_part_that_no_host_has_is_told_with_those_that_there_are(part: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        run_random(RandomRequest(1, 1, parts=(part,)))
    assert re.search(hint, caught.value.hint)


def test_hosts_with_the_parts_that_were_asked_for_are_made_again_with_them(answers: dict[int, HostResult]) -> None:
    answers[10] = result(10, [PORT], repaired(look("nginx-down")))
    with pytest.raises(UnexpectedState) as caught:
        run_random(RandomRequest(2, 10, parts=("kind=all-in-one", "server=uwsgi")))
    assert "lab bench --random 1 --seed 10 --parts kind=all-in-one --parts server=uwsgi --keep" in caught.value.hint
