"""Tests of lab/classroom/class_record.py."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from lab.classroom.class_record import (
    ClassRecord,
    Person,
    class_file,
    class_names,
    delete_class,
    find_class,
    load_class,
    new_class_name,
    save_class,
)
from lab.errors import UsageError

ADA = Person("Ada", "shop-3f2a", "abcd-efgh", 3, 20001, 20002)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClassRecord:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    return ClassRecord("class-3f2a", "wrong-port", "127.0.0.1", 100.0, 7300.0, (ADA,), ("shop-3f2a",), 12)


def test_a_record_is_kept_and_private(record: ClassRecord) -> None:
    save_class(record)
    assert load_class("class-3f2a") == record and list(class_names()) == ["class-3f2a"]
    assert stat.S_IMODE(class_file("class-3f2a").stat().st_mode) == 0o600
    assert stat.S_IMODE(class_file("class-3f2a").parent.stat().st_mode) == 0o700
    delete_class("class-3f2a")
    assert load_class("class-3f2a") is None and list(class_names()) == []


def test_a_person_is_added_or_replaced(record: ClassRecord) -> None:
    known = record.with_person(replace(ADA, host_key="SHA256:x"))
    assert [one.host_key for one in known.people] == ["SHA256:x"]
    assert len(known.with_person(replace(ADA, name="Bob", lab_id="web-1")).people) == 2


def test_the_only_class_needs_no_name(record: ClassRecord) -> None:
    with pytest.raises(UsageError, match="no class is up"):
        find_class("")
    save_class(record)
    assert find_class("") == find_class("class-3f2a") == record
    with pytest.raises(UsageError, match="no class is called 'x'"):
        find_class("x")
    save_class(replace(record, name="class-0001"))
    with pytest.raises(UsageError, match="2 classes are up"):
        find_class("")
    assert new_class_name() not in class_names()
