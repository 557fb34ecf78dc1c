"""The fixture that crash tests share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.hosts import files_local
from tests.apply.places import NOW
from tests.crash.ground import Ground

_MEMORY = Path("/dev/shm")


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(files_local.os, "fsync", lambda fd: None)
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr(os, "urandom", lambda size: b"\xab" * size)
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Ground(Path(folder))
