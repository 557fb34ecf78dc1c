"""Tests of lab/recording/replay.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.recording.cast_file import Event, event_line, header_line
from lab.recording.recorder import recordings_folder
from lab.recording.replay import find_recording, list_text, recordings, replay
from tests.lab.cli_builders import lab as run_lab


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two recordings of one lab, and an older one of another."""
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    recordings_folder().mkdir()
    for age, name in enumerate(("shop-3f2a-2.cast", "shop-3f2a-1.cast", "shop-3f2ab-1.cast")):
        path = recordings_folder() / name
        path.write_text(header_line(80, 24, 0, name) + event_line(Event(1, "o", f"{name}\x1b]0;t\x07")) + event_line(Event(9, "o", "!")))
        os.utime(path, (1e9 - age, 1e9 - age))


def test_the_newest_recording_is_meant() -> None:
    assert find_recording("").name == find_recording("shop-3f2a").name == "shop-3f2a-2.cast"
    assert find_recording("shop-3f2a-1.cast").name == "shop-3f2a-1.cast" and find_recording("shop-3f2ab").name == "shop-3f2ab-1.cast"
    assert [path.name for path in recordings("shop-3f2a")] == ["shop-3f2a-1.cast", "shop-3f2a-2.cast"]
    with pytest.raises(UsageError, match="no shell of web-1 was recorded"):
        find_recording("web-1")


def test_it_is_shown_with_its_pauses() -> None:
    written: list[str] = []
    slept: list[float] = []
    replay(find_recording(""), written.append, slept.append, speed=2.0)
    assert written == ["shop-3f2a-2.cast", "!"] and slept == [0.5, 1.0]


def test_the_commands() -> None:
    assert run_lab("replay").stdout == "shop-3f2a-2.cast!\n"
    assert len(run_lab("replay", "--list").stdout.splitlines()) == 3 == len(list_text().splitlines())
    assert run_lab("replay", "shop-3f2ab", "--cast").stdout == find_recording("shop-3f2ab").read_text()
    missing = run_lab("replay", "web-1")
    assert missing.returncode == 2 and missing.stderr.startswith("lab: no shell of web-1")
