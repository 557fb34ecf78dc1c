"""Running commands in a container: their own codes, told apart from docker's, and nothing left behind."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.apply.repair_run import RepairRun, undo
from fixer.errors import FixerError, NeedsPerson, Unreachable
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.nodes.container_node import ContainerWriter, docker_exec_prefix
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.hosts.sh.sh_files import ShFiles
from tests.apply.folder_target import NOW, FolderTarget, make_plan, write_step
from tests.contract.transports import script_runner
from tests.crash.crash_draw import draw_by_day
from tests.hosts.machine.test_run_process import wait_until

pytestmark = pytest.mark.docker


@pytest.fixture(params=["local", "docker"])
def any_writer(request: pytest.FixtureRequest):
    return LocalWriter() if request.param == "local" else request.getfixturevalue("writer")


@pytest.mark.parametrize("code", [0, 1, 125, 126, 127, 255])
def test_codes_are_the_commands_own(any_writer, code: int) -> None:
    result = any_writer.run(["sh", "-c", f"exit {code}"])
    assert (result.returncode, result.stdout, result.stderr, result.missing) == (code, b"", b"", False)


def test_arguments_and_output_are_exact(any_writer) -> None:
    words = ["$HOME", "a b", "'\"", "new\nline", "%s", "`id`", ";id", "*", ""]
    result = any_writer.run(["printf", "<%s>", *words])
    assert result.stdout == "".join(f"<{w}>" for w in words).encode()
    result = any_writer.run(["sh", "-c", r"printf 'a\377\0'; printf 'no end' >&2"])
    assert (result.stdout, result.stderr) == (b"a\xff\0", b"no end")


def test_a_missing_tool(any_writer) -> None:
    result = any_writer.run(["no-such-tool", "x"])
    assert (result.missing, result.returncode) == (True, None)


def test_stdin_and_much_output(any_writer) -> None:
    data = bytes(range(256)) * 40_000
    assert any_writer.run(["cat"], stdin=data).stdout == data
    assert any_writer.run(["cat"]).stdout == b""


def test_a_timeout_leaves_no_process(any_writer) -> None:
    started, long = time.monotonic(), str(10**6 + uuid.uuid4().int % 10**6)     # this machine sees other tests' containers
    result = any_writer.run(["sh", "-c", f"trap '' TERM; echo part; sleep {long} & sleep {long}"], timeout=2)
    assert (result.timed_out, result.returncode, result.stdout) == (True, None, b"part\n")
    assert time.monotonic() - started < 20
    script = f"for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null | grep '^sleep {long}' | wc -l"
    assert any_writer.run(["sh", "-c", script]).stdout.strip() == b"0"


def test_a_container_that_is_gone_is_unreachable_not_a_failed_command(writer: ContainerWriter) -> None:
    lost = ContainerWriter("x", {"Name": "/no-such-container-here", "Path": "/sbin/init"})
    with pytest.raises(Unreachable):
        lost.run(["true"])
    with pytest.raises(Unreachable):
        lost.files.read("/etc/passwd")


_SHELLS = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null | grep -c '^sh -s' || :"


def shells_in(container: str) -> int:
    """The shells that wait for commands there, as a program that is none of them sees it."""
    return int(subprocess.run(("docker", "exec", container, "sh", "-c", _SHELLS), capture_output=True, check=True).stdout)


@pytest.fixture
def own_container(debian: str) -> Iterator[str]:
    """Another container of that image, which a test may pause and restart."""
    image = docker_cli.inspect_one(debian)["Config"]["Image"]
    name = f"badgateway-test-{uuid.uuid4().hex[:8]}"
    subprocess.run(("docker", "run", "-d", "--rm", "--label", "badgateway.test=contract", "--name", name, image, "sleep", "600"),
                   capture_output=True, check=True)
    yield name
    subprocess.run(("docker", "rm", "-f", name), capture_output=True, check=False)


@pytest.mark.timeout(200)
def test_one_shell_runs_all_commands_and_is_gone_at_the_end(own_container: str) -> None:
    """After a limit, after a restart, in a pause and at the close."""
    writer = ContainerWriter("x", docker_cli.inspect_one(own_container))
    for _ in range(3):
        assert writer.run(["echo", "a"]).stdout == b"a\n"
    assert shells_in(own_container) == 1
    assert writer.run(["sleep", "4321"], timeout=3).timed_out
    assert wait_until(lambda: shells_in(own_container) == 0, 20.0)
    assert writer.run(["echo", "b"]).stdout == b"b\n"
    subprocess.run(("docker", "restart", "-t", "1", own_container), capture_output=True, check=True)
    assert writer.run(["echo", "c"]).stdout == b"c\n"
    subprocess.run(("docker", "pause", own_container), capture_output=True, check=True)
    with pytest.raises(Unreachable, match="paused"):
        writer.run(["echo", "d"])
    subprocess.run(("docker", "unpause", own_container), capture_output=True, check=True)
    assert writer.run(["echo", "e"]).stdout == b"e\n"
    writer.close()
    assert wait_until(lambda: shells_in(own_container) == 0, 20.0)


_SWAPS_FOLDERS = """cd /dev/shm/u
while :; do sleep 0.0$((n = (n + 1) % 9)); mv site aside; ln -s /dev/shm/etc site; sleep 0.03; rm site; mv aside site; done
"""
_SWAPS_NAMES = """cd /dev/shm/u/site
while :; do for f in .badgateway-*; do [ ! -e "$f" ] || ln -sf /dev/shm/etc/a.conf "$f"; done; done 2>/dev/null
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("script", "in_place"), draw_by_day([
    pytest.param(script, in_place, id=f"{name}-{in_place}")
    for name, script in (("folders", _SWAPS_FOLDERS), ("names", _SWAPS_NAMES)) for in_place in (False, True)], "swaps", 2))
def test_a_user_who_swaps_folders_and_names_all_the_time_has_no_file_of_roots_written(
    debian: str, script: str, in_place: bool,
) -> None:
    """As root through a shell, in the home of somebody who does all they can meanwhile; in memory, to be often there.
    By day two of the four ways, drawn from the commit."""
    sh, old, new = script_runner(docker_exec_prefix(debian)), b"listen 80;\n", b"listen 8080;\n"
    sh("""rm -rf /dev/shm/u /dev/shm/etc /dev/shm/state; mkdir -p /dev/shm/u/site /dev/shm/etc /dev/shm/state; chmod 700 /dev/shm/state
          for d in /dev/shm/u/site /dev/shm/etc; do echo 'listen 80;' >$d/a.conf; done
          chown -R 1000:1000 /dev/shm/u; chmod 640 /dev/shm/etc/a.conf""")
    seen = "cd /dev/shm/etc; ls -lan --time-style=+%s; cat *"
    before = sh(seen).stdout
    hostile = subprocess.Popen(("docker", "exec", "-u", "1000:1000", debian, "timeout", "60", "sh", "-c", script))
    files = ShFiles(lambda words: (*docker_exec_prefix(debian), *words))
    try:
        target = FolderTarget(Path("/dev/shm/state"), files)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
                    run.round(make_plan(write_step("/dev/shm/u/site/a.conf", old, new, in_place=in_place)))
                    run.commit()
                undo(target, None)
            except FixerError:
                pass
    finally:
        files.close()
        sh("set +e; for p in /proc/[0-9]*; do read -r n <$p/comm; [ x$n != xtimeout ] || kill ${p#/proc/}; done; true")
        hostile.wait(20)
    assert sh(seen).stdout == before


def test_files_of_a_container_that_is_no_machine_are_no_place(writer: ContainerWriter) -> None:
    with pytest.raises(NeedsPerson):
        _ = writer.files
