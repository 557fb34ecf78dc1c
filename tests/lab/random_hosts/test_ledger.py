"""Tests of lab/random_hosts/ledger.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError, UsageError
from lab.random_hosts.ledger import (
    LEDGER_HEAD,
    SeedRange,
    append_run,
    ledger_line,
    ledger_table,
    read_ledger,
    refuse_used_seeds,
)
from tests.lab.random_hosts.builders import fault, look, repaired, result

PORT = fault("port", "wrong-port")


def published(path: Path, first: int, count: int) -> None:
    results = [result(first, [PORT], repaired(look("wrong-port"))), result(first + 1, [PORT], None)]
    append_run(path, ledger_line("fixer", SeedRange(first, count), "0123", "abcd", results))


def test_a_run_is_one_line_and_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks" / "random.jsonl"
    published(path, 1, 2)
    published(path, 3, 2)
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    first = json.loads(lines[0])
    assert first["seeds"] == {"first": 1, "count": 2}
    assert first["shares"]["cause_right"] == {"good": 1, "of": 1, "interval": [0.2065, 1.0]}
    assert first["not_passed"] == [2]


@pytest.mark.parametrize("wanted", [SeedRange(1, 1), SeedRange(10, 5), SeedRange(5, 100), SeedRange(20, 1)])
def test_a_used_range_is_refused(tmp_path: Path, wanted: SeedRange) -> None:
    published(tmp_path / "random.jsonl", 1, 20)
    with pytest.raises(UsageError, match="overlap with 1-20") as caught:
        refuse_used_seeds(tmp_path / "random.jsonl", wanted)
    assert caught.value.hint == "the next unused range starts with --seed 21"


def test_an_unused_range_is_accepted(tmp_path: Path) -> None:
    refuse_used_seeds(tmp_path / "random.jsonl", SeedRange(1, 5))
    published(tmp_path / "random.jsonl", 1, 20)
    refuse_used_seeds(tmp_path / "random.jsonl", SeedRange(21, 5))


def test_a_broken_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "random.jsonl").write_text("{}\nno json\n")
    with pytest.raises(LabError, match=r"random\.jsonl: line 2 is no JSON"):
        read_ledger(tmp_path / "random.jsonl")


def test_a_figure_without_hosts_is_no_share() -> None:
    run = {"commit": "c" * 40, "solver": "mine", "seeds": {"first": 1, "count": 1}, "seconds": {"look": 1.25},
           "shares": {"harm": {"good": 0, "of": 0, "interval": [0.0, 1.0]}}, "calibration": {}}
    row = dict(zip(LEDGER_HEAD, ledger_table([run])[0], strict=True))
    assert (row["harm"], row["falsely ruled out"]) == ("0 of 0", "not counted"), "a run of before this figure was counted"
