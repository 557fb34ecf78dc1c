"""Tests of lab/stack/disk.py."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

from lab.scenario.render import File, Link
from lab.stack.disk import tar_of, write_folder


def test_a_machine_gets_owners_and_modes() -> None:
    entries = [File("/etc/x", b"abc", 0o640, (0, 2003)), Link("/etc/y", "/etc/x")]
    with tarfile.open(fileobj=BytesIO(tar_of(entries, 1000.0))) as tar:
        first, second = tar.getmembers()
    assert (first.name, first.mode, first.uid, first.gid, first.mtime) == ("etc/x", 0o640, 0, 2003, 1000)
    assert (second.issym(), second.linkname) == (True, "/etc/x")


def test_a_file_in_the_folder_stays_the_same_inode(tmp_path: Path) -> None:
    write_folder(tmp_path, [File("a/site.conf", b"one")])
    inode = (tmp_path / "a/site.conf").stat().st_ino
    write_folder(tmp_path, [File("a/site.conf", b"two"), Link("a/link", "site.conf")])
    assert (tmp_path / "a/site.conf").stat().st_ino == inode
    assert (tmp_path / "a/link").read_bytes() == b"two"
    write_folder(tmp_path, [File("a/site.conf", b"three")], rename=True)
    assert (tmp_path / "a/site.conf").stat().st_ino != inode
    assert [path.name for path in sorted((tmp_path / "a").iterdir())] == ["link", "site.conf"]
