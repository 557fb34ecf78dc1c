"""Root's own nginx is reloaded; one that runs as somebody else is not, also where the planned number is stale."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from fixer.apply.steps.nginx_step import ConfigRefused, check_config
from fixer.errors import StepFailed
from fixer.hosts.machine import run_process
from fixer.model.host import CommandResult
from fixer.model.plan import ReloadNginx

STEP = ReloadNginx("local", 50, "/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/etc/nginx", "/var/log/nginx/error.log")


class Machine:
    """`masters` are the processes called nginx below process 1, `owners` whose a process is."""

    def __init__(self, masters: Sequence[int], owners: Mapping[int, int]) -> None:
        self.masters, self.owners, self.tested = masters, owners, False

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        out = ""
        if argv[0] == "stat":
            asked = [0 if path == "/proc/self/." else int(path.rpartition("/")[2]) for path in argv[3:]]
            out = "".join(f"{self.owners[pid]}\n" for pid in asked if pid in self.owners)
        elif argv[0] == "sh":
            out = "".join(f"{pid} (nginx) S 1{' 0' * 17} 99\n" for pid in self.masters)
        self.tested |= "-t" in argv
        return CommandResult(tuple(argv), 0, out.encode(), b"")


@pytest.mark.parametrize(("masters", "owners"), [
    ((50,), {50: 0}),
    ((60,), {50: 1000, 60: 0}),      # that number is somebody's program now, and root's nginx has another
    ((), {50: 1000}),                # no nginx runs: the test is of the file alone
])
def test_roots_own_is_tested(masters: Sequence[int], owners: Mapping[int, int]) -> None:
    machine = Machine(masters, {0: 0, 1: 0, **owners})
    check_config(STEP, machine)
    assert machine.tested


@pytest.mark.parametrize(("masters", "owners", "said"), [
    ((50,), {50: 1000}, "uid 1000"),
    ((60,), {50: 1000, 60: 1001}, "uid 1001"),
    ((60,), {50: 1000}, "uid unknown"),
])
def test_anothers_is_refused_by_the_owner_it_has_now(masters: Sequence[int], owners: Mapping[int, int], said: str) -> None:
    machine = Machine(masters, {0: 0, 1: 0, **owners})
    with pytest.raises(StepFailed, match=said):
        check_config(STEP, machine)
    assert not machine.tested


class Ordinary:
    """Commands as a user without any right run them."""

    WORDS = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return run_process.run((*self.WORDS, *argv), stdin=stdin, timeout=timeout)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root may become another user")
def test_a_user_may_reload_an_nginx_of_their_own() -> None:
    with subprocess.Popen([*Ordinary.WORDS, "sleep", "60"]) as master:
        try:
            with pytest.raises(ConfigRefused):       # asked, by its own words: `sleep` knows no -t
                check_config(replace(STEP, master_pid=master.pid, binary="/bin/sleep"), Ordinary())
        finally:
            master.kill()
