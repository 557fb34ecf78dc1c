"""Tests of fixer/hosts/machine/local_files.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixer.hosts.machine.local_files import LocalFiles


def test_an_in_place_write_follows_no_link_and_waits_for_nobody(tmp_path: Path) -> None:
    """Between the look and the write the file may have become something else."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "link").symlink_to(victim)
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(OSError):
            LocalFiles().overwrite(str(tmp_path / name), b"new")
    assert victim.read_text() == "kept"
