"""What a walk sees of a path, and what it leaves out."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from lab.trial.walk import read_entry, walk_roots


def test_a_file_is_its_mode_owner_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"text")
    path.chmod(0o640)
    assert read_entry(path) == (0o100640, os.getuid(), os.getgid(), hashlib.sha256(b"text").hexdigest())


def test_a_link_is_its_target_even_where_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone")
    mode, _, _, content = read_entry(tmp_path / "link")
    assert (stat.S_ISLNK(mode), content) == (True, "gone")


def test_a_folder_and_a_pipe_have_no_content(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert (read_entry(tmp_path / "pipe")[3], read_entry(tmp_path)[3]) == ("", "")     # reading a pipe would wait for ever


def test_everything_below_a_root_is_found_but_caches_and_missing_roots(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / "a" / "__pycache__").mkdir()
    (tmp_path / "a" / "__pycache__" / "c.pyc").write_text("x")
    (tmp_path / "a" / "up").symlink_to(tmp_path)            # not followed
    found = walk_roots([str(tmp_path), str(tmp_path / "gone")])
    assert set(found) == {str(tmp_path), *(f"{tmp_path}/{name}" for name in ("a", "a/b", "a/b/file", "a/up"))}
