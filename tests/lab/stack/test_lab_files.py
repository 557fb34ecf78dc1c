"""Tests of lab/stack/lab_files.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.errors import ScenarioError
from lab.stack import lab_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lab's folder with links to a folder and a file of the Docker host."""
    outside, made = tmp_path / "host", tmp_path / "lab"
    for place in (outside, made / "web"):
        place.mkdir(parents=True)
    (outside / "victim").write_text("kept")
    (made / "out").symlink_to(outside)
    (made / "web" / "up").symlink_to("../../host")
    (made / "file").symlink_to(outside / "victim")
    return made


def _outside(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder.parent / "host").iterdir()}


@pytest.mark.parametrize("path", [
    "../host/victim", "web/../../host/victim", "out/victim", "web/up/victim", "file", "/etc/hostname", "", "out/new",
])
def test_nothing_outside_is_read_written_or_removed(folder: Path, path: str) -> None:
    for act in (lambda: lab_files.read_bytes(folder, path), lambda: lab_files.write_bytes(folder, path, b"x"),
                lambda: lab_files.write_bytes(folder, path, b"x", 0o600)):
        with pytest.raises(ScenarioError, match="lab"):
            act()
    if path != "file":  # the link itself is the lab's
        with pytest.raises(ScenarioError):
            lab_files.remove(folder, path)
        with pytest.raises(ScenarioError):
            lab_files.link(folder, path, "web")
    assert _outside(folder) == {"victim": "kept"}


def test_a_link_of_the_folder_is_replaced_and_removed_as_itself(folder: Path) -> None:
    lab_files.write_bytes(folder, "file", b"own", 0o640, rename=True)
    assert not (folder / "file").is_symlink() and (folder / "file").stat().st_mode & 0o777 == 0o640
    lab_files.remove(folder, "out")
    lab_files.remove(folder, "out")
    assert not os.path.lexists(folder / "out") and _outside(folder) == {"victim": "kept"}


@pytest.mark.parametrize("target", ["/etc", "../host", "web/../../host"])
def test_a_link_leads_to_a_path_of_the_folder(folder: Path, target: str) -> None:
    with pytest.raises(ScenarioError, match="leads out of the lab's folder"):
        lab_files.link(folder, "new", target)
    lab_files.link(folder, "new", "web")
    lab_files.link(folder, "new", "web/x", replace=True)
    assert (folder / "new").readlink() == Path("web/x")


def test_a_file_is_written_in_place_below_new_folders(folder: Path) -> None:
    lab_files.write_bytes(folder, "a/b/c", b"long", 0o600)
    inode = (folder / "a/b/c").stat().st_ino
    lab_files.write_bytes(folder, "a/b/c", b"2")
    assert lab_files.read_bytes(folder, "a/b/c") == b"2"
    assert ((folder / "a/b/c").stat().st_ino, (folder / "a/b/c").stat().st_mode & 0o777) == (inode, 0o600)
    with pytest.raises(FileNotFoundError):
        lab_files.read_bytes(folder, "a/none")
    assert lab_files.remove(folder, "none/none") is None
