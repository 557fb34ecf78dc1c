"""A machine with very many processes is read by a copy of this process; whatever happens to that, the answer is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.hosts.machine import early_processes, procfs
from fixer.hosts.machine.prefetch import forget_prefetched
from fixer.hosts.nodes.local_node import LocalAsker
from fixer.model.query import ListProcesses, ListSockets

# a test process may have threads of its own: what is tried is a program that has none yet
TRY = """\
import json, os, sys, time
from fixer.hosts.machine import early_processes, procfs
early_processes.MANY = 1
os.sched_getaffinity = lambda pid: {{0, 1}}
{before}
early_processes.start()
(reader,) = early_processes._readers
{between}
rows = early_processes.take()
held = os.listdir("/proc/self/fd")
print(json.dumps([os.getpid(), reader._pid, None if rows is None else [row[0] for row in rows], len(held)]))
try:
    print("ended", os.waitpid(-1, 0)[0])
except ChildProcessError:
    print("no child")
"""


def tried(before: str = "", between: str = "") -> tuple[int, int, list[str] | None, str]:
    output = subprocess.run([sys.executable, "-c", TRY.format(before=before, between=between)], capture_output=True,
                            text=True, timeout=60, check=True).stdout.splitlines()
    own, reader, rows, _ = json.loads(output[0])
    return own, reader, rows, output[1]


@pytest.fixture
def sleeper() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


def test_it_reads_all_but_itself_and_us(sleeper: int) -> None:
    own, reader, rows, end = tried()
    assert rows is not None and str(sleeper) in rows
    assert not {str(own), str(reader)} & set(rows)
    assert end == "no child", "its end was waited for"


@pytest.mark.parametrize(("before", "between"), [
    ("def broken(skipped):\n    raise ValueError\nearly_processes.read_processes = broken", ""),
    ("early_processes.read_processes = lambda skipped: time.sleep(60)", f"os.kill(reader._pid, {int(signal.SIGKILL)})"),
    ("early_processes.read_processes = lambda skipped: time.sleep(60)", f"os.kill(reader._pid, {int(signal.SIGINT)})"),
], ids=["fails", "killed", "interrupted"])
def test_what_fails_there_is_read_here(before: str, between: str) -> None:
    assert tried(before, between)[2:] == (None, "no child")


def test_one_that_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    _, reader, rows, end = tried("early_processes._SECONDS = 0.2\nearly_processes.read_processes = lambda skipped: time.sleep(60)")
    assert rows is None
    assert end in ("no child", f"ended {reader}")
    assert time.monotonic() - began < 30
    assert not Path(f"/proc/{reader}").exists()


def test_nothing_of_it_holds_our_output() -> None:
    """Who reads our output would wait for its end, too."""
    code = ("import time; from fixer.hosts.machine import early_processes; early_processes.MANY = 1; "
            "early_processes.os.sched_getaffinity = lambda pid: (0, 1); early_processes.read_processes = lambda skipped: time.sleep(20); early_processes.start(); print('done')")
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "done\n"
    assert time.monotonic() - began < 15


def test_few_processes_and_a_program_with_threads_start_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_processes, "MANY", 1 << 30)
    early_processes.start()
    assert not early_processes.is_reading()
    monkeypatch.setattr(early_processes, "MANY", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    early_processes.start()
    assert not early_processes.is_reading(), "on one processor it saves nothing"
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        early_processes.start()
        assert not early_processes.is_reading()
    finally:
        wait.set()
        thread.join()


def test_the_answer_is_the_same(sleeper: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_sleeper() -> list[object]:
        answers = LocalAsker().ask([ListProcesses(), ListSockets()])
        return [file for file in answers[ListProcesses()].files if file.path.startswith(f"/proc/{sleeper}")]

    usual, until = of_sleeper(), time.monotonic() + 30
    while (again := of_sleeper()) != usual and time.monotonic() < until:     # it has just been started
        usual = again
    assert len(usual) == 6
    read = procfs.read_processes()
    monkeypatch.setattr(early_processes, "_readers", [type("Reader", (), {"rows": lambda self: read})()])
    assert of_sleeper() == usual
    assert not early_processes.is_reading(), "it is given out once"


def test_it_is_dropped_after_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(early_processes, "_readers", [type("Reader", (), {"rows": lambda self: asked.append(1)})()])
    forget_prefetched()
    assert asked and not early_processes.is_reading()
