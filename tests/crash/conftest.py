"""The fixture that crash tests share, and the draw of those on real places."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.hosts.machine import local_files
from tests.apply.folder_target import NOW
from tests.crash import crash_draw
from tests.crash.crash_site import CrashSite

_MEMORY_FOLDER = Path("/dev/shm")
_DRAW_TEXT = pytest.StashKey[str]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where no names were given, of the crashes on real places only what is drawn."""
    here = Path(__file__).parent
    real = [item for item in items if here in item.path.parents and item.get_closest_marker("docker")]
    if not real or crash_draw.ALL or config.option.keyword or any("::" in word for word in config.args):
        return
    kept = crash_draw.draw_tests(real)
    out = [item for item in real if item not in kept]
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)
    config.stash[_DRAW_TEXT] = f"crashes on real places: {len(kept)} of {len(real)} drawn from {crash_draw.DRAW_KEY}"


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    """What was drawn, and from what."""
    return config.stash.get(_DRAW_TEXT, "")


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[CrashSite]:
    monkeypatch.setattr(local_files.os, "fsync", lambda fd: None)
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr(os, "urandom", lambda size: b"\xab" * size)
    with tempfile.TemporaryDirectory(dir=_MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() else None) as folder:
        yield CrashSite(Path(folder))
