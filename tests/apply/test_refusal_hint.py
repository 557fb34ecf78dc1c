"""Tests of fixer/apply/refusal_hint.py."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixer.apply.refusal_hint import refusal_hint
from fixer.apply.repair_run import undo
from fixer.apply.steps.node_access import Nodes
from fixer.errors import StepFailed
from fixer.model.plan import DaemonReload
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, read_tree, write_step
from tests.apply.repair_run_builders import open_run


@contextmanager
def flagged(path: Path, flag: str) -> Iterator[None]:
    """Set a flag that stops root too, or skip the test."""
    if shutil.which("chattr") is None or subprocess.run(["chattr", f"+{flag}", path], capture_output=True, check=False).returncode:
        pytest.skip("needs root and a file system with chattr")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)


@pytest.mark.parametrize(("place", "flag", "words"), [
    (".", "i", "the folder is immutable: chattr -i {} allows changes"),
    (".", "a", "the folder is append-only: chattr -a {} allows changes"),
    ("shop", "i", "the file is immutable: chattr -i {} allows changes"),
    ("shop", "a", "the file is append-only: chattr -a {} allows changes"),
])
def test_the_hint_names_what_is_flagged(site: Path, target: FolderTarget, place: str, flag: str, words: str) -> None:
    before = read_tree(site)
    with flagged(site / place, flag), open_run(target) as run, pytest.raises(StepFailed) as raised:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert words.format(site / place) in raised.value.message
    assert undo(target, None).conflicts == () and read_tree(site) == before


def test_an_undo_that_is_refused_says_so_and_goes_on_later(site: Path, target: FolderTarget) -> None:
    before = read_tree(site)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    with flagged(site, "i"):
        for _ in range(2):
            (conflict,) = undo(target, None).conflicts
            assert conflict.endswith(f"Operation not permitted; the folder is immutable: chattr -i {site} allows changes")
    assert undo(target, None).restored == (f"restored {site}/shop",) and read_tree(site) == before


def test_without_lsattr_both_are_named(site: Path, target: FolderTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, _ = target.journal_location()
    nodes = Nodes(target, writer, "local")
    monkeypatch.setenv("PATH", str(site))
    monkeypatch.setattr("fixer.hosts.machine.run_process.command_environment", lambda extra=None: dict(os.environ))
    step = write_step(site / "shop", OLD, NEW)
    assert f"if lsattr -d {site} {site}/shop shows an i or a" in refusal_hint(step, os.strerror(1), nodes)
    assert "findmnt -T" in refusal_hint(step, "x: Read-only file system", nodes)
    assert refusal_hint(step, "Permission denied", nodes) == ""
    assert refusal_hint(DaemonReload("local"), os.strerror(1), nodes) == ""
