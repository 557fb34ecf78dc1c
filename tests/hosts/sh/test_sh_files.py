"""Tests of fixer/hosts/sh/sh_files.py."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest

from fixer.errors import Unreachable
from fixer.hosts.sh.sh_files import ShFiles, _os_error
from fixer.model.plan import FileMeta

# A disk that takes nothing in the middle of the way back: no hand edit, so the journal stays open until it does
# again.


@pytest.mark.parametrize(("said", "code"), [
    ("sh: 99: printf: printf: I/O error", errno.EIO), ("mv: cannot move 'a': Read-only file system", errno.EROFS),
    ("cat: write error: Disk quota exceeded", errno.EDQUOT), ("rm: something nobody knows", errno.EPROTO),
])
def test_what_a_shell_complains_about(said: str, code: int) -> None:
    assert _os_error(said, "/etc/x").errno == code


def test_what_a_login_says_is_not_why_a_shell_ended() -> None:
    files = ShFiles(lambda words: ("sh", "-c", 'echo "authorised use only" >&2; exec "$@"', "sh", *words))
    assert files.state("/").kind == "other"
    assert files._talk is not None
    os.kill(files._talk._child.pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (files._talk._child.pid, signal.SIGKILL)).start()
    with pytest.raises(Unreachable, match=r"^the shell on the node ended: no answer$"):
        files.state("/")


# Extended attributes: by getfattr if it is installed, else by python3. Without both nobody can tell.
TOOLS = ("env", "sh", "cat", "readlink", "chmod", "chown", "stat", "ls", "sed", "sync", "rm")


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are set")
@pytest.mark.parametrize("tools", [("getfattr", "setfattr"), ("python3",), ()], ids=["attr", "python", "none"])
def test_attributes_by_whatever_tool_is_there(tmp_path: Path, tools: tuple[str, ...]) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for name in (*TOOLS, *tools):
        if (found := sys.executable if name == "python3" else shutil.which(name)) is None:
            pytest.skip(f"no {name} on this machine")
        (path / name).symlink_to(os.path.realpath(found))
    files = ShFiles(lambda words: ("/usr/bin/env", f"PATH={path}", *words))
    for name in ("shop", ".badgateway-1"):
        files.create(f"{tmp_path}/{name}", b"x", FileMeta(0o640, 0, 0))
    kept = {"user.note": b"a \0 value\n", "trusted.odd": b"\xff"}
    for name, value in kept.items():
        os.setxattr(tmp_path / "shop", name, value)
    os.setxattr(tmp_path / "shop", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    assert files.lost_attributes(f"{tmp_path}/shop") == (
        "security.capability" if tools else "no python3 and no getfattr there: nobody can tell")
    files.copy_attributes(f"{tmp_path}/shop", f"{tmp_path}/.badgateway-1")
    copy = tmp_path / ".badgateway-1"
    found = {name: os.getxattr(copy, name) for name in os.listxattr(copy) if name != "security.selinux"}
    assert found == (kept if tools else {})
    files.close()
