"""The bench: what counts as harm and as solved, which cause an output names, what a solver is told, the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench.score import harm_done, hide_record
from lab.oracle import Check, Verdict
from lab.stack import lab_records
from lab.stack.find_lab import _is_unrecorded
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab


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
