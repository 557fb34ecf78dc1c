"""Tests of fixer/hosts/machine/trusted_files.py: shims of tools in folders that others can change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixer.hosts.machine import run_process, trusted_files
from fixer.hosts.machine.trusted_files import is_trusted, search_path

TOOLS = ("nginx", "systemctl", "docker", "ss", "nft")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root's PATH is limited")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in the root folder's own: nothing above it lets others in."""
    import shutil
    import tempfile

    made = Path(tempfile.mkdtemp(dir="/root" if os.geteuid() == 0 else None, prefix="badgateway-shims-"))
    yield made
    shutil.rmtree(made)


def _plant(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOOLS:
        (folder / name).write_text("#!/bin/sh\necho shim\n")
        (folder / name).chmod(0o755)


def _is_run(path: str, tool: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("PATH", path)
    return b"shim" in run_process.run([tool, "--version"]).stdout


@as_root
@pytest.mark.parametrize("spoil", [
    lambda shims: os.chown(shims, 65534, 65534),
    lambda shims: shims.chmod(0o777),
    lambda shims: shims.chmod(0o1777),
    lambda shims: shims.chmod(0o775),
    lambda shims: os.chown(shims.parent, 65534, 65534),
], ids=["another user's", "anybody's", "sticky", "a group's", "below another user's"])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_shim_that_others_could_write_is_not_run(
    folder: Path, tool: str, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch,
) -> None:
    shims = folder / "user" / "bin"
    _plant(shims)
    assert _is_run(f"{shims}:/usr/bin:/bin", tool, monkeypatch), "the operator's own folder counts"
    spoil(shims)
    trusted_files._known_paths.clear()  # which lasts as long as a command of fixer
    assert not _is_run(f"{shims}:/usr/bin:/bin", tool, monkeypatch)


@as_root
def test_a_link_is_followed_once_and_a_relative_folder_never(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(folder / "real")
    (folder / "link").symlink_to("real")
    monkeypatch.chdir(folder / "real")
    found = search_path(f":.:bin:{folder}/link:{folder}/none:/usr/bin")
    assert found.split(":")[:2] == [f"{folder}/real", os.path.realpath("/usr/bin")]


@as_root
def test_what_is_trusted_is_seen_anew_for_another_path(folder: Path) -> None:
    _plant(folder / "a")
    assert search_path(f"{folder}/a").startswith(f"{folder}/a")
    assert is_trusted(f"{folder}/a/nginx") and is_trusted(f"{folder}/missing")
    os.chown(folder / "a", 65534, 65534)
    assert not is_trusted(f"{folder}/a/nginx")
