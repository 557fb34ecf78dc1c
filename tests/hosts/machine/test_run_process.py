"""Processes: bounded in time and output, nothing left behind, results instead of exceptions."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fixer.hosts.machine import look_budget, run_process
from fixer.hosts.machine.look_budget import one_look
from fixer.hosts.machine.run_process import InteractiveProcess, RoundProcess
from fixer.model.host import CommandResult


def gone(pid: int) -> bool:
    """True when no such process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(condition, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_output_error_and_code_come_back_raw() -> None:
    result = run_process.run(["sh", "-c", r"printf 'a\377\0b'; printf 'e%%s' >&2; exit 255"])
    assert (result.returncode, result.stdout, result.stderr) == (255, b"a\xff\0b", b"e%s")


def test_arguments_are_no_shell_text() -> None:
    words = ["$HOME", "a b", "'\"", "new\nline", "%s", "`id`", ";id", "*"]
    result = run_process.run(["printf", "%s\\0", *words])
    assert result.stdout.split(b"\0")[:-1] == [w.encode() for w in words]


def test_a_missing_tool_and_a_file_that_is_none() -> None:
    assert run_process.run(["/no/such/tool"]).missing
    result = run_process.run(["/etc/hostname"])
    assert (result.missing, result.returncode) == (False, None)
    assert b"ermission" in result.stderr


def test_nul_in_an_argument_is_refused() -> None:
    assert run_process.run(["true", "a\0b"]).returncode is None


def test_stdin_is_given_and_never_inherited() -> None:
    assert run_process.run(["cat"], stdin=b"x" * 3_000_000).stdout == b"x" * 3_000_000
    assert run_process.run(["cat"]).stdout == b""


def test_stdin_that_nobody_reads_does_not_hang() -> None:
    assert run_process.run(["true"], stdin=b"x" * 3_000_000).returncode == 0


def test_large_output_is_cut_and_the_command_still_ends() -> None:
    result = run_process.run(["head", "-c", "10000000", "/dev/zero"], max_output=1000)
    assert (result.returncode, len(result.stdout), result.truncated) == (0, 1000, True)
    assert len(run_process.run(["head", "-c", "10000000", "/dev/zero"]).stdout) == 10_000_000


def test_a_timeout_leaves_no_process_even_if_term_is_ignored(tmp_path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 300 & echo $$ $! > {pids}; wait; sleep 300"
    result = run_process.run(["sh", "-c", script], timeout=0.5)
    assert result.timed_out
    assert result.returncode is None
    assert all(wait_until(lambda p=p: gone(p)) for p in map(int, pids.read_text().split()))


def test_an_interrupt_during_a_start_leaves_no_process(monkeypatch) -> None:
    """A Ctrl-C between the fork and the return of the start: the caller gets no process that it could end."""
    begun: list[int] = []
    start = subprocess.Popen._execute_child

    def interrupted(self: subprocess.Popen[bytes], *words: object) -> None:
        start(self, *words)
        begun.append(self.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "_execute_child", interrupted)
    for begin in (lambda: run_process.run(["sleep", "60"]), lambda: InteractiveProcess(["sleep", "60"]), lambda: RoundProcess(["sleep", "60"])):
        with pytest.raises(KeyboardInterrupt):
            begin()
    assert len(begun) == 3 and not [pid for pid in begun if Path(f"/proc/{pid}").exists()]


def test_a_daemon_that_keeps_the_pipes_does_not_hold_the_result() -> None:
    started = time.monotonic()
    result = run_process.run(["sh", "-c", "sleep 30 & echo $!"], timeout=20)
    assert result.returncode == 0
    assert time.monotonic() - started < 5
    os.kill(int(result.stdout), 9)


def test_the_locale_is_c() -> None:
    assert run_process.run(["sh", "-c", "echo $LC_ALL"]).stdout == b"C\n"


def test_a_conversation_answers_and_ends() -> None:
    talk = InteractiveProcess(["sh"])
    assert talk.exchange(b"echo one; echo END\n", b"END\n", 5) == b"one\n"
    assert talk.exchange(b"sleep 1\n", b"END\n", 0.2) is None
    talk.close()
    assert not talk.alive


def test_a_conversation_with_a_process_that_ended_says_so() -> None:
    talk = InteractiveProcess(["sh", "-c", "echo why >&2; exit 3"])
    assert talk.exchange(b"x\n", b"END", 5) is None
    assert talk.complaint() == "why"
    talk.close()


def test_what_a_conversation_said_before_it_ended_is_kept() -> None:
    talk = InteractiveProcess(["sh", "-c", "echo not here; exec >&-; sleep 1"])
    assert talk.exchange(b"", b"END", 5) is None
    assert talk.exchange(b"", b"END", 5) is None
    assert (talk.unread, talk.is_over) == (b"not here\n", True)
    talk.close()
    late = InteractiveProcess(["sleep", "9"])
    assert late.exchange(b"", b"END", 0.1) is None and not late.is_over
    late.close()


def test_both_outputs_together_are_bounded_and_in_a_look_an_endless_command_is_ended_at_once() -> None:
    script = "yes a & yes b >&2"
    started = time.monotonic()
    with one_look() as budget:
        result = run_process.run(["sh", "-c", script], timeout=60.0, max_output=1 << 20)
        assert (len(result.stdout) + len(result.stderr), result.truncated, result.returncode) == (1 << 20, True, None)
        assert budget.take(1 << 40) == look_budget.LOOK_BYTES - (1 << 20)
        rest = run_process.run(["sh", "-c", script], timeout=60.0)
        assert (rest.stdout, rest.stderr, rest.truncated) == (b"", b"", True)
    assert time.monotonic() - started < 5.0


def test_a_conversation_that_never_stops_talking_is_ended(monkeypatch) -> None:
    monkeypatch.setattr(run_process, "MAX_OUTPUT", 1 << 20)
    talk = InteractiveProcess(["yes"])
    assert talk.exchange(b"", b"END", 60) is None
    assert wait_until(lambda: not talk.alive) and talk.is_over
    talk.close()


def test_a_process_of_rounds_goes_on_after_each_mark_also_one_that_comes_in_pieces() -> None:
    process = RoundProcess(["sh", "-s"])
    for _ in range(2):
        told = process.ask(b"printf 'one END two EN'; sleep 0.1; echo D\n", b"END\n", timeout=20.0, max_output=1 << 20)
        assert (told.returncode, told.stdout) == (0, b"one END two ")
    process.end_input()
    process.close()
    assert not process.alive


def test_a_process_of_rounds_that_is_closed_while_it_is_asked_is_killed() -> None:
    process = RoundProcess(["sh", "-s"])
    found: list[CommandResult] = []
    asking = threading.Thread(target=lambda: found.append(process.ask(b"sleep 60\n", b"END\n", timeout=60.0, max_output=9)))
    asking.start()
    assert wait_until(process._asked.locked)
    process.end_input()
    process.close()
    asking.join()
    assert not process.alive and found[0].returncode != 0


def test_a_process_that_was_closed_meanwhile_is_asked_in_vain() -> None:
    """Another thread ends it between two inputs: where the engine's socket is cut, or where a look is over."""
    process = RoundProcess(["sh", "-s"])
    assert process.ask(b"echo here; echo mark\n", b"mark", timeout=5, max_output=100).returncode == 0
    process.close()
    told = process.ask(b"echo there; echo mark\n", b"mark", timeout=5, max_output=100)
    assert (told.returncode, told.stdout, told.timed_out) == (None, b"", False)
