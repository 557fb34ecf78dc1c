"""Tests of lab/classroom/class_down.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.classroom.class_down import class_down, over, sweep
from lab.classroom.class_record import ClassRecord, class_names, save_class


def test_what_is_over_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a reboot of the host, when no keeper is left."""
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    ended, lasting = (ClassRecord(name, "any", "127.0.0.1", 0.0, until) for name, until in (("class-1", 9.0), ("class-2", 4e9)))
    save_class(ended)
    save_class(lasting)
    assert list(over(10.0)) == [ended]
    said: list[str] = []
    sweep(said.append)
    assert list(class_names()) == ["class-2"] and said == ["the time of class-1 is over"]
    class_down(lasting)
    assert list(class_names()) == []
