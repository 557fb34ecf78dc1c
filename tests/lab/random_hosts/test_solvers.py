"""Tests of lab/random_hosts/solvers.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.random_hosts.running_machine import RunningMachine
from lab.random_hosts.solvers import Looks, resolve_random_solver, said_in
from tests.lab.random_hosts.builders import host_of_kind

HOST = RunningMachine(host_of_kind("machine"), "ledger-1")


def test_fixer_looks_repairs_and_undoes_and_a_yardstick_only_acts() -> None:
    assert resolve_random_solver("fixer").undo is not None
    assert resolve_random_solver("nothing").undo is None
    assert resolve_random_solver("restart-everything").look(HOST, Path()) == Looks()


def test_a_command_gets_the_target_and_may_have_a_name(tmp_path: Path) -> None:
    solver = resolve_random_solver("mine=echo {target} {container}")
    ran = solver.repair(HOST, tmp_path)
    assert (solver.name, ran.code, ran.out) == ("mine", 0, "docker://ledger-1 ledger-1\n")


@pytest.mark.parametrize(("word", "problem"), [
    ("no-such-program x", "is no program"), ("echo {lab}", "is no placeholder"), ("echo 'x", "No closing quotation"),
    ("nothing=echo", "name of a built-in solver"),
])
def test_a_solver_that_cannot_run_is_a_usage_error(word: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        resolve_random_solver(word)


@pytest.mark.parametrize(("out", "cause"), [
    ("looked\ncause: wrong-port\n", "wrong-port"), ('{"findings": [{"cause": "nginx-down"}]}', "nginx-down"),
    ('{"before": {"findings": [{"cause": "nginx-down"}]}}', "nginx-down"),
])
def test_a_command_may_name_its_cause(out: str, cause: str) -> None:
    assert said_in(out)["findings"][0]["cause"] == cause


def test_other_output_says_nothing() -> None:
    assert said_in("because of nginx\n") == said_in("[]") == said_in('{"x": 1}') == {}
