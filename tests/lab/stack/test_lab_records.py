"""Tests of lab/stack/lab_records.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.stack import lab_records
from lab.stack.lab_records import LabRecord, new_id


def test_a_record_is_kept_for_its_owner_alone(record: LabRecord) -> None:
    lab_records.save_record(record)
    assert lab_records.load_record("shop-3f2a") == record
    assert [kept.id for kept in lab_records.all_records()] == ["shop-3f2a"]
    path = next(Path(os.environ["BADGATEWAY_LAB_STATE"]).rglob("shop-3f2a.json"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    lab_records.delete_lab_files("shop-3f2a")
    assert lab_records.load_record("shop-3f2a") is None


def test_ids_are_neutral_and_new(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    made = {new_id("shop") for _ in range(200)}
    assert all(re.fullmatch(r"shop-[0-9a-f]{4}", one) for one in made)
    assert len(made) > 150


def test_a_start_is_claimed_once_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    with lab_records.claim_start("wrong-port host 3") as first, lab_records.claim_start("wrong-port host 3") as second, \
            lab_records.claim_start("wrong-port host 4") as other:
        assert (first, second, other) == (True, False, True)
    with lab_records.claim_start("wrong-port host 3") as again:
        assert again
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_is_killed_claims_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    held = ("import sys, time; from lab.stack.lab_records import claim_start\n"
            "with claim_start('any host '): print('claimed', flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "claimed\n"
        with lab_records.claim_start("any host ") as free:
            assert not free
        other.kill()
    with lab_records.claim_start("any host ") as free:
        assert free
