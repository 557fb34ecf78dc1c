"""A node that did not see its holder of the lock die, as after a lost connection: the next fixer from the same place lets
go of that lock, and of no other. And what is said of such an end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.apply.target_lock import hold_lock
from fixer.errors import Locked
from fixer.hosts.machine.local_files import LocalFiles
from fixer.hosts.sh.sh_files import ShFiles

# Takes the lock through a shell and says the pid of a copy of itself, which keeps the shell's input open for ever.
HOLDER = """
import os, sys, time
from fixer.apply.target_lock import hold_lock
from fixer.hosts.sh.sh_files import ShFiles
with hold_lock(ShFiles(tuple), sys.argv[1], "a repair"):
    copy = os.fork()
    if copy == 0:
        os.close(1)
        time.sleep(100)
        os._exit(0)
    print(copy, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "state")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        copy = int(child.stdout.readline())
        yield child
        os.kill(copy, signal.SIGKILL)
        child.kill()


def lost(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()


def taken(tmp_path: Path) -> bool:
    try:
        with hold_lock(ShFiles(tuple), str(tmp_path / "state"), "an undo"):
            return True
    except Locked as error:
        assert "a repair is running on this target (pid " in error.message
        told = json.loads((tmp_path / "state" / "lock").read_text()).get("holder", "").partition(" ")[0]
        assert (f"end process {told} on the node to release the lock" in error.hint) is told.isdecimal()
        return False


def rewritten(tmp_path: Path, **fields: object) -> None:
    path = tmp_path / "state" / "lock"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_lock_whose_holder_is_dead_goes(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert not taken(tmp_path)
    lost(holder)
    with pytest.raises(Locked), LocalFiles().lock(str(tmp_path / "state" / "lock")):
        pass
    assert taken(tmp_path) and taken(tmp_path)


@pytest.mark.parametrize("fields", [
    {"kernel": "another's pid:[1]"}, {"kernel": ""}, {"start": 0}, {"pid": "x"},      # of another place, or not known
    {"holder": "1 1"}, {"holder": f"{os.getpid()} 1"}, {"holder": ""}, {"holder": "$(reboot) 1"},
])
def test_a_lock_that_may_be_held_stays(tmp_path: Path, holder: subprocess.Popen[str], fields: dict[str, object]) -> None:
    lost(holder)
    rewritten(tmp_path, **fields)
    assert not taken(tmp_path)


def test_a_lock_of_a_machine_of_its_own_names_no_holder(tmp_path: Path) -> None:
    """It goes with its process."""
    with hold_lock(LocalFiles(), str(tmp_path / "state"), "a repair"):
        assert "holder" not in json.loads((tmp_path / "state" / "lock").read_text())
        assert not taken(tmp_path)
    assert taken(tmp_path)
