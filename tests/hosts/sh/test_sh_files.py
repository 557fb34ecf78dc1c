"""Tests of fixer/hosts/sh/sh_files.py."""

from __future__ import annotations

import errno
import os
import signal
import threading

import pytest

from fixer.errors import Unreachable
from fixer.hosts.sh.sh_files import ShFiles, _os_error

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
