"""Tests of lab/bench/solver.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench.solver import cause_in, resolve_solver
from lab.errors import UsageError


@pytest.mark.parametrize(("out", "cause"), [
    ("looking\ncause: wrong-port\ndone\n", "wrong-port"), ("nothing said", None), ("", None), ("[1]", None), ("{}", None),
    ('{"cause": "nginx-down"}', "nginx-down"), ('{"cause": 5}', None), ('{"findings": []}', None),
    ('{"findings": [{"cause": "a", "role": "root"}, {"cause": "b", "role": "consequence"}]}', "a"),
    ('{"findings": [{"cause": "a", "role": "advice"}]}', None),
    ('{"before": {"findings": [{"cause": "c", "role": "root"}]}, "after": {"findings": []}}', "c"),
])
def test_the_cause_that_an_output_names(out: str, cause: str | None) -> None:
    assert cause_in(out) == cause


@pytest.mark.parametrize(("word", "within", "said"), [
    ("fix {targt}", False, "{targt} is not a placeholder"), ("fix 'open", False, "No closing quotation"),
    ("", False, "no command"), ("fixer=./mine {target}", False, "fixer is the name of a built-in solver"),
    ("mine=/no/such/solver {target}", False, "/no/such/solver is no program"), ("/no/such/solver --now", True, "/no/such/solver is not a file"),
])
def test_a_solver_that_cannot_be_one(word: str, within: bool, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_solver(word, within=within)
    assert said in caught.value.message


def test_a_command_has_the_name_that_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch(mode=0o755)
    named = [resolve_solver(word, within=False).name for word in ("my.fixer-2=./mine {target}", "./mine a=b", "nothing")]
    assert named == ["my.fixer-2", "./mine a=b", "nothing"]
    assert [resolve_solver(word, within=False).is_yardstick for word in ("nothing", "restart-everything", "fixer", "x=./mine")] == [
        True, True, False, False]
