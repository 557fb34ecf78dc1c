"""Steps that need no Docker: this machine's processes and listeners, and a way back that meets what it cannot do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fixer.apply.repair_run import RepairRun, undo
from fixer.apply.steps.process_step import end_process, is_alive, parse_process_table, read_process_table, wait_until
from fixer.errors import Conflict
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.model.plan import SignalProcess
from tests.apply.folder_target import NOW, FolderTarget, make_plan

HERE = LocalWriter()


@pytest.fixture
def stubborn() -> Iterator[tuple[int, int]]:
    """A process that does not end by TERM: (pid, start time)."""
    code = "import signal, sys; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        yield child.pid, read_process_table(HERE)[child.pid].start_ticks
        child.kill()


def test_kill_follows_term_and_a_zombie_has_ended(stubborn: tuple[int, int]) -> None:
    pid, ticks = stubborn
    assert is_alive(HERE, pid, ticks) and not is_alive(HERE, pid, ticks + 1)
    assert end_process(HERE, pid, ticks, "TERM", 0.1)
    assert not is_alive(HERE, pid, ticks)


def test_cont_and_back(stubborn: tuple[int, int], target: FolderTarget) -> None:
    pid, ticks = stubborn
    os.kill(pid, 19)
    with RepairRun.open(target, cause="c", now=NOW) as run:
        run.round(make_plan(SignalProcess("local", pid, ticks, "CONT", "python")))
        assert wait_until(lambda: read_process_table(HERE)[pid].state in ("S", "R"), 10)
        run.commit()
    assert undo(target, None).restored == (f"stopped process {pid}",)
    assert wait_until(lambda: read_process_table(HERE)[pid].state == "T", 10)


def test_a_number_that_another_process_has_now_is_not_signalled(stubborn: tuple[int, int], target: FolderTarget) -> None:
    pid, ticks = stubborn
    with pytest.raises(Conflict, match="belongs to another process"), RepairRun.open(target, cause="c", now=NOW) as run:
        run.round(make_plan(SignalProcess("local", pid, ticks + 1, "KILL", "python")))
    assert is_alive(HERE, pid, ticks)


def test_process_table_survives_hostile_names() -> None:
    rest = b" 5" * 17 + b" 777 0 0\n"
    table = parse_process_table(b"12 (a) R 1 (b)) S 1" + rest + b"13 (x\ny) S 1" + rest + b"14 (nginx) Z 12" + rest)
    assert (table[12].comm, table[12].ppid, table[12].start_ticks) == ("a) R 1 (b)", 1, 777)
    assert table[14].state == "Z" and 13 not in table
