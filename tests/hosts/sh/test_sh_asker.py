"""A node behind a shell: a round that broke off is no answer where half of one could mislead."""

from __future__ import annotations

import subprocess

import pytest

from fixer.errors import Unreachable
from fixer.hosts.sh.sh_asker import ShAsker
from fixer.model.host import CommandResult
from fixer.model.query import ReadFile

QUERY = ReadFile("/etc/passwd")


def run(script: bytes, timeout: float, *, keep: float = 1.0) -> CommandResult:
    done = subprocess.run(["/bin/sh", "-s"], input=script, capture_output=True, timeout=timeout, check=False)
    return CommandResult(("sh",), done.returncode, done.stdout[: int(len(done.stdout) * keep)], done.stderr)


@pytest.mark.parametrize("whole", [True, False])
def test_a_whole_round(whole: bool) -> None:
    asker = ShAsker("here", "machine", run, whole=whole)
    assert asker.ask([QUERY])[QUERY].status == "ok"


def test_a_round_that_broke_off() -> None:
    def broken(script: bytes, timeout: float) -> CommandResult:
        return run(script, timeout, keep=0.9)

    assert ShAsker("here", "machine", broken).ask([QUERY])
    with pytest.raises(Unreachable, match="ended during the observation"):
        ShAsker("here", "container", broken, whole=True).ask([QUERY])
