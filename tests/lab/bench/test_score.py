"""The bench: what counts as harm and as solved, which cause an output names, what a solver is told, the table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.bench.score import Score, harm_done, hide_record
from lab.bench.score_table import score_line, score_table, to_json
from lab.bench.solver import cause_in, resolve_solver
from lab.errors import UsageError
from lab.oracle import Check, Verdict
from lab.stack import lab_records
from lab.stack.find_lab import _is_unrecorded
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.trial.trial import Case

CASE = Case("wrong-port", "wrong-port", "host", 3)
LAB = str(Path(sys.executable).with_name("lab"))


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
    ("fix {targt}", False, "{targt} stands for nothing"), ("fix 'open", False, "No closing quotation"),
    ("", False, "no command"), ("/no/such/solver --now", True, "no file /no/such/solver"),
])
def test_a_solver_that_cannot_be_one(word: str, within: bool, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_solver(word, within=within)
    assert said in caught.value.message


def test_a_bench_without_a_solver_is_wrong_usage() -> None:
    done = subprocess.run([LAB, "bench"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "restart-everything" in done.stderr


def test_harm_is_what_went_well_before() -> None:
    before = Verdict((Check("page a", True), Check("page b", False, "HTTP 502")))
    after = Verdict((Check("page a", False, "HTTP 404"), Check("page b", False, "HTTP 502")))
    assert harm_done(before, after, frozenset(("relay.service",))) == ["page a: HTTP 404", "relay.service no longer runs"]
    assert harm_done(after, before, frozenset()) == []


def test_what_a_lab_is_stands_nowhere_while_a_solver_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    record = LabRecord("shop-1a2b", "wrong-port", "wrong-port", "wrong-port", "host", 1, {})
    lab_records.save_record(record)
    with pytest.raises(RuntimeError), hide_record(Lab(record)):
        found = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
        assert not any("wrong-port" in text for text in found)
        assert lab_records.load_record("shop-1a2b") is None and list(lab_records.all_records()) == [] and list(lab_records.record_ids()) == ["shop-1a2b"]
        assert not _is_unrecorded("shop-1a2b", str(tmp_path)), "anybody's `lab down --all` would take it away meanwhile"
        raise RuntimeError
    assert lab_records.load_record("shop-1a2b") == record
    assert lab_records.record_file("shop-1a2b").stat().st_mode & 0o777 == 0o600


def test_the_table_has_a_row_for_each_solver() -> None:
    scores = [
        Score("fixer", CASE, True, True, True, [], True, 2.0), Score("fixer", CASE, False, None, None, [], True, 4.0),
        Score("nothing", CASE, None, False, None, ["page a: HTTP 404"], False, 0.0),
        Score("x" * 50, CASE, error="did not come up"),
    ]
    rows = [re.split(r"\s{2,}", line.strip()) for line in score_table(scores).splitlines()]
    assert rows[1] == ["fixer", "2", "1 of 2", "1 of 1", "1 of 1", "0", "2 of 2", "3.0"]
    assert rows[2] == ["nothing", "1", "-", "0 of 1", "-", "1", "0 of 1", "0.0"]
    assert rows[3] == ["x" * 37 + "...", "1", "-", "-", "-", "0", "0 of 1", "-"]
    assert [score_line(score) for score in scores] == [
        "✔ 2.0 s, cause right, repaired", "✔ 4.0 s, cause not named", "✘ 0.0 s, not repaired, page a: HTTP 404",
        "could not be judged: did not come up",
    ]
    document = json.loads(to_json(scores))
    assert [entry["solved"] for entry in document["solvers"]] == [2, 0, 0] and document["scores"][2]["harm"]


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_solvers_side_by_side_on_a_real_machine(tmp_path: Path) -> None:
    """Ours repairs it; a restart of everything does not, and neither does nothing. On a healthy stack nothing wins."""
    report = tmp_path / "scores.json"
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab")}

    def bench(scenario: str, *solvers: str) -> tuple[int, list[dict[str, object]]]:
        words = [word for solver in solvers for word in ("--solver", solver)]
        done = subprocess.run([LAB, "bench", "--only", scenario, "--stack", "host", "--json", str(report), *words],
                              capture_output=True, text=True, check=False, env=env)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(report.read_text())["scores"]

    told = "sh -c 'env | grep -q BADGATEWAY || echo cause: wrong-port; test -n {target} -a -n {url}'"
    code, scores = bench("wrong-port/wrong-port", "fixer", "restart-everything", told)
    assert [(s["cause_right"], s["repaired"], s["survived_restart"], s["solved"]) for s in scores] == [
        (True, True, True, True), (None, False, None, False), (True, False, None, False)]
    assert code == 1 and not any(s["harm"] for s in scores)
    code, scores = bench("healthy/healthy", "nothing", "docker exec {container} rm /etc/nginx/nginx.conf")
    assert [s["solved"] for s in scores] == [True, False] and code == 1
    assert "/etc/nginx/nginx.conf: gone" in str(scores[1]["harm"])


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_a_solver_inside_the_machine(tmp_path: Path) -> None:
    """Its file is copied in and run as root, with its words and without a word about the lab."""
    solver, report = tmp_path / "mine", tmp_path / "scores.json"
    solver.write_text('#!/bin/sh\ntest "$(id -u)" = 0 || exit 1\necho "cause: $1"\nenv | grep -q BADGATEWAY && exit 1\n'
                      "systemctl enable -q --now $(cd /etc/systemd/system && grep -l ^WorkingDirectory= *.service)\n")
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab")}
    done = subprocess.run([LAB, "bench", "--only", "backend-down/unit-disabled*", "--inside", "--json", str(report),
                           "--solver", f"{solver} backend-down"], capture_output=True, text=True, check=False, env=env)
    (score,) = json.loads(report.read_text())["scores"]
    assert (score["cause_right"], score["repaired"], score["survived_restart"], score["harm"]) == (True, True, True, [])
    assert done.returncode == 0 and "1 of 1" in done.stdout
