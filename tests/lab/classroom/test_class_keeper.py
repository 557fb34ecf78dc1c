"""Tests of lab/classroom/class_keeper.py; a class that ends by itself: test_class_up.py."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.languages.choose_language import VARIABLE
from lab.classroom.class_keeper import is_kept, keep, start_keeper
from lab.classroom.class_record import ClassRecord, class_names, delete_class, save_class
from lab.languages import translate
from tests.lab.classroom.class_builders import wait_until


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClassRecord:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    made = ClassRecord("class-3f2a", "wrong-port", "127.0.0.1", 0.0, 4e9)
    save_class(made)
    return made


def test_it_goes_on_apart_and_ends_with_the_record(record: ClassRecord) -> None:
    kept = replace(record, keeper=start_keeper(record))
    wait_until(lambda: is_kept(kept))
    assert os.getsid(kept.keeper) == kept.keeper      # no terminal of ours ends it
    os.kill(kept.keeper, signal.SIGHUP)
    assert is_kept(kept) and not is_kept(replace(kept, keeper=os.getpid()))
    delete_class(record.name)
    wait_until(lambda: not is_kept(kept))


def test_it_keeps_the_language_of_the_trainers_terminal(record: ClassRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(translate, "language_of", lambda stream: "zh-TW")
    kept = replace(record, keeper=start_keeper(record))
    wait_until(lambda: is_kept(kept))
    assert f"{VARIABLE}=zh-TW".encode() in Path(f"/proc/{kept.keeper}/environ").read_bytes().split(b"\0")
    delete_class(record.name)
    wait_until(lambda: not is_kept(kept))


def test_a_class_whose_time_is_over_is_removed(record: ClassRecord) -> None:
    save_class(replace(record, until=1.0))
    assert keep(record.name) == 0 and list(class_names()) == []
