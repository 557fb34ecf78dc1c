"""The shell through which tests look into their containers: each script is as `docker exec` runs it."""

from __future__ import annotations

import subprocess

import pytest

from tests.contract.container_shell import ContainerShell, run_inside, shell_in, succeeds_inside

pytestmark = pytest.mark.docker


def test_each_script_has_its_own_code_output_and_variables(debian: str) -> None:
    shell = ContainerShell(debian)
    try:
        done = shell.run("printf '%s\\0\\377' \"$1\"; echo no >&2; a=1; cd /usr; exit 7", "it's $HOME\n")
        assert (done.returncode, done.stdout, done.stderr) == (7, b"it's $HOME\n\0\xff", b"no\n")
        assert shell.run("echo ${a-none}; pwd").stdout == b"none\n/\n"
        assert shell.run("false; echo on").returncode == 1 and shell.run("false; echo on", shell="sh -c").stdout == b"on\n"
        assert shell.run("cat", data=bytes(range(256)) * 300).stdout == bytes(range(256)) * 300
        assert (shell.run("cat").stdout, shell.run("echo $BASH_VERSION", shell="bash -ec").stdout[:2]) == (b"", b"5.")
        assert shell.run("sleep 300 & echo $!").stdout.strip().isdigit()      # it holds both outputs, as one that is stopped may
        assert shell.run("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; echo").stderr == bytes(300_000)
    finally:
        shell.close()


def test_it_is_one_process_and_starts_again_after_a_restart(debian: str) -> None:
    shell = shell_in(debian)
    mine = "cut -d' ' -f4 /proc/$PPID/stat"
    first = run_inside(debian, mine)
    assert run_inside(debian, mine) == first
    subprocess.run(["docker", "restart", "-t", "0", debian], check=True, capture_output=True)
    assert shell_in(debian) is shell and run_inside(debian, "echo again") == "again"
    with pytest.raises(AssertionError, match="not well"):
        run_inside(debian, "echo not well >&2; exit 1")
    with pytest.raises(AssertionError, match="o such container"):
        run_inside("no-such-container", "true")
    assert succeeds_inside(debian, "true") and not succeeds_inside(debian, "false") and not succeeds_inside("no-such-container", "true")
