"""Tests of lab/course/attempts.py."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lab.course.attempts import add_attempt, attempts_file, attempts_of, save_attempt
from lab.errors import LabError
from tests.lab.course.course_builders import attempt


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path / "state"))


def test_attempts_are_kept_apart_by_person() -> None:
    assert attempts_of() == () and not attempts_file().exists()      # reading makes nothing
    first = add_attempt(attempt(0, ended=0.0))
    second = add_attempt(attempt(0, person="Ben'; DROP TABLE attempts"))
    assert (first.number, second.number) == (1, 2) and first.is_open
    save_attempt(replace(first, ended=1400.0, points=7))
    assert attempts_of("Ada") == (replace(first, ended=1400.0, points=7),) and attempts_of()[1] == second
    assert stat.S_IMODE(attempts_file().stat().st_mode) == 0o600


def test_a_file_of_a_newer_version_is_left_alone() -> None:
    add_attempt(attempt(0))
    with closing(sqlite3.connect(attempts_file())) as base:
        base.execute("PRAGMA user_version = 99")
    with pytest.raises(LabError, match="newer version"):
        attempts_of()


def test_a_damaged_file_is_named() -> None:
    add_attempt(attempt(0))
    attempts_file().write_bytes(b"no database at all" * 100)
    with pytest.raises(LabError, match="cannot be used"):
        attempts_of()
