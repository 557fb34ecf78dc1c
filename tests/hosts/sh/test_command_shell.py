"""One shell for all commands of a repair: each has its own codes, bytes and session, and leaves nothing for the next."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.errors import Unreachable
from fixer.hosts.sh import command_shell
from fixer.hosts.sh.command_shell import CommandShell
from fixer.hosts.sh.run_command import unwrap_result
from fixer.model.host import CommandResult
from tests.hosts.machine.test_run_process import gone, wait_until

NONCE = "5f" * 16


class Node:
    """A node that this machine plays; `killed` are the groups that a timeout ended."""

    def __init__(self, prefix: tuple[str, ...]) -> None:
        self.shell = CommandShell(prefix)
        self.killed: list[int] = []

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        result = self.shell.run(argv, NONCE, stdin=stdin, timeout=timeout)
        return unwrap_result("node", NONCE.encode(), result, argv=argv, kill=self._kill)

    def sh(self, script: str, *words: str) -> CommandResult:
        return self.run("sh", "-c", script, "sh", *words)

    def shell_pid(self) -> int:
        """The process that starts the commands: `RUN_SCRIPT` is its child."""
        return int(self.sh("read -r x </proc/$PPID/stat; set -- ${x##*) }; echo $2").stdout)

    def _kill(self, pid: int) -> None:
        self.killed.append(pid)
        os.killpg(pid, signal.SIGKILL)


def ends(*pids: int) -> bool:
    """Whether all of them end now: a signal or the end of their input is on its way."""
    return wait_until(lambda: all(map(gone, pids)))


def folder_with(tmp_path: Path, *programs: str, sh: str) -> tuple[str, ...]:
    """A prefix that starts programs where only these are, and this shell is `sh`."""
    found = tmp_path / f"bin-{sh}"
    found.mkdir()
    for name in programs:
        (found / name).symlink_to(str(shutil.which(name)))
    (found / "sh").symlink_to(str(shutil.which(sh)))
    return (str(shutil.which("env")), f"PATH={found}")


@pytest.fixture(params=["dash", "bash", "busybox"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} on this machine")
    found = Node(folder_with(tmp_path, "setsid", "head", "cat", "printf", "mkfifo", "sleep", "rm", "true", sh=request.param))
    yield found
    found.shell.close()


def test_one_shell_starts_all_commands_and_ends_on_close(node: Node) -> None:
    pids = {node.shell_pid() for _ in range(3)}
    assert len(pids) == 1
    node.shell.close()
    assert ends(*pids)
    assert node.shell_pid() not in pids


@pytest.mark.parametrize("code", [0, 1, 125, 126, 127, 255])
def test_codes_are_the_commands_own(node: Node, code: int) -> None:
    node.run("true")
    result = node.sh("exit $1", str(code))
    assert (result.returncode, result.stdout, result.stderr, result.missing) == (code, b"", b"", False)


def test_arguments_and_bytes_are_exact(node: Node) -> None:
    words = ["$HOME", "a b", "'\"", "new\nline", "%s", "`id`", ";id", "*", "", "ä", os.fsdecode(b"\xff\x81")]
    assert node.run("printf", "<%s>", *words).stdout == b"".join(b"<%s>" % os.fsencode(word) for word in words)
    result = node.sh(r"printf 'a\377\0'; printf 'no end' >&2")
    assert (result.stdout, result.stderr) == (b"a\xff\0", b"no end")
    assert node.run("head", "-c", "3000000", "/dev/zero").stdout == bytes(3_000_000)
    assert node.run("printf", "free").stdout == b"free"


def test_a_missing_tool_is_told_apart_from_a_code(node: Node) -> None:
    result = node.run("no-such-tool", "x")
    assert (result.missing, result.returncode) == (True, None)


def test_standard_input_goes_to_a_program_of_its_own(node: Node) -> None:
    data = bytes(range(256)) * 400
    assert node.run("cat", stdin=data).stdout == data
    before = node.shell_pid()
    assert node.run("cat").stdout == b"" and node.shell_pid() == before


def test_a_command_is_a_session_of_its_own(node: Node) -> None:
    seen = node.sh("read -r x </proc/$$/stat; set -- ${x##*) }; echo $3 $4 $PPID").stdout.split()
    assert len(set(seen)) == 1, "group, session and the process that RUN_SCRIPT runs in"
    assert int(seen[0]) != node.shell_pid()


def test_a_late_command_ends_with_all_that_it_started_and_nothing_else(node: Node) -> None:
    first = int(node.sh("sleep 600 </dev/null >/dev/null 2>&1 & echo $!").stdout)
    before = node.shell_pid()
    try:
        late = node.run("sh", "-c", "trap '' TERM; echo part; sleep 601 & sleep 602", timeout=2.0)
        assert (late.timed_out, late.returncode, late.stdout) == (True, None, b"part\n")
        assert len(node.killed) == 1 and ends(node.killed[0], before)
        assert not gone(first), "what an earlier command started goes on"
        assert node.run("printf", "on").stdout == b"on"
    finally:
        os.kill(first, signal.SIGKILL)


@pytest.mark.parametrize("away", ["", "setsid "])
def test_what_a_command_leaves_behind_writes_into_no_later_answer(node: Node, tmp_path: Path, away: str) -> None:
    os.mkfifo(tmp_path / "go")
    before = node.shell_pid()
    assert node.sh(f"{away}sh -c 'trap \"\" PIPE; read -r x <$1; echo late; echo late >&2; : >$1.done' sh $1 & echo begun",
                   f"{tmp_path}/go").stdout == b"begun\n"
    assert node.shell_pid() != before
    (tmp_path / "go").write_text("now\n")
    result = node.sh("while [ ! -e $1.done ]; do sleep 0.05; done; echo own", f"{tmp_path}/go")
    assert (result.stdout, result.stderr, result.returncode) == (b"own\n", b"", 0)


def test_a_process_with_other_outputs_keeps_the_shell(node: Node, tmp_path: Path) -> None:
    before = node.shell_pid()
    pid = int(node.sh("sh -c ': >$1; exec sleep 600' sh $1 </dev/null >/dev/null 2>&1 & echo $!; "
                      "while [ ! -e $1 ]; do sleep 0.05; done", f"{tmp_path}/begun").stdout)
    try:
        assert node.shell_pid() == before and not gone(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_shell_that_has_ended_is_replaced_before_a_command_is_sent(node: Node) -> None:
    before = node.shell_pid()
    os.kill(before, signal.SIGKILL)
    assert ends(before)
    assert node.run("printf", "on").stdout == b"on"


def test_a_shell_that_does_not_answer_is_replaced(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that was paused since: `docker exec` then says so."""
    monkeypatch.setattr(command_shell, "_READY_SECONDS", 0.2)
    before = node.shell_pid()
    os.kill(before, signal.SIGSTOP)
    assert node.run("printf", "on").stdout == b"on"
    assert ends(before)


def test_a_command_in_whose_middle_the_shell_ends_is_not_sent_again(node: Node, tmp_path: Path) -> None:
    shell = node.shell_pid()
    try:
        result = node.sh("echo $$ >$1.pid; echo x >>$1; kill -9 $2; exec sleep 600", f"{tmp_path}/runs", str(shell))
        assert (result.returncode, result.timed_out) == (None, False)
        assert (tmp_path / "runs").read_text() == "x\n"
        assert node.run("printf", "on").stdout == b"on"
    finally:
        os.kill(int((tmp_path / "runs.pid").read_text()), signal.SIGKILL)


def test_a_node_without_setsid_starts_each_command_alone(tmp_path: Path) -> None:
    node = Node(folder_with(tmp_path, "printf", sh="dash"))
    assert [node.run("printf", "a").stdout, node.sh("exit 3").returncode] == [b"a", 3]
    assert node.shell_pid() == os.getpid()


def test_too_much_output_is_cut_and_the_next_answer_is_whole(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_shell, "MAX_OUTPUT", 100_000)
    cut = node.run("head", "-c", "300000", "/dev/zero")
    assert (cut.truncated, cut.timed_out, cut.returncode, set(cut.stdout)) == (True, False, None, {0})
    assert node.run("printf", "on").stdout == b"on"


def test_an_interrupt_passes_and_the_next_command_has_a_new_shell(node: Node, tmp_path: Path) -> None:
    before = node.shell_pid()
    try:
        with pytest.raises(KeyboardInterrupt):
            node.sh("echo $$ >$2; kill -INT $1; exec sleep 600", str(os.getpid()), f"{tmp_path}/pid")
        assert ends(before) and node.run("printf", "on").stdout == b"on"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_why_no_shell_starts_is_said() -> None:
    for prefix, said in ((("/no/such/program",), "No such file"), (("sh", "-c", "echo 'no such container' >&2; exit 1"),
                                                                   "no such container")):
        with pytest.raises(Unreachable, match=said):
            Node(prefix).run("true")
