"""Steps that need no Docker: this machine's processes and listeners, and a way back that meets what it cannot do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixer.apply import repair_run
from fixer.apply.file_state import is_torn
from fixer.apply.journal_folder import is_run_id
from fixer.apply.journal_records import is_unfinished, parse_records, record_line, summary_of
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.apply.steps.listener_step import has_listener, tcp_listeners, unix_listeners
from fixer.apply.steps.process_step import end_process, is_alive, parse_process_table, read_process_table, wait_until
from fixer.errors import Conflict, NeedsPerson, NotListening, StartFailed, StepFailed
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.model.journal import FileState, Record
from fixer.model.plan import CheckNginx, ContainerAction, ReloadNginx, SignalProcess, WaitForListener
from tests.apply.folder_target import NOW, FolderTarget, make_plan, write_step

HERE = LocalWriter()


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "state")


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
    with pytest.raises(Conflict, match="another one"), RepairRun.open(target, cause="c", now=NOW) as run:
        run.round(make_plan(SignalProcess("local", pid, ticks + 1, "KILL", "python")))
    assert is_alive(HERE, pid, ticks)


def tables() -> bytes:
    return b"".join(Path(f"/proc/net/{name}").read_bytes() for name in ("tcp", "tcp6", "unix"))


def test_waiting_for_a_listener_of_this_machine(tmp_path: Path, target: FolderTarget) -> None:
    path = str(tmp_path / "a.sock")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(path)
        port = tcp.getsockname()[1]
        steps = (WaitForListener("local", "127.0.0.1", port), WaitForListener("local", "", 0, path))
        assert not any(has_listener(step, tables()) for step in steps)     # bound is not listening
        tcp.listen()
        unix.listen()
        assert all(has_listener(step, tables()) for step in steps)
        assert has_listener(WaitForListener("local", "localhost", port), tables())
        assert not has_listener(WaitForListener("local", "127.0.0.2", port), tables())
        assert not has_listener(WaitForListener("local", "backend", port), tables())      # a name leads to no loopback
        with RepairRun.open(target, cause="c", now=NOW) as run:
            run.round(make_plan(*steps))
    with pytest.raises(StepFailed, match=r"after 0\.1 s"), RepairRun.open(target, cause="c", now=NOW) as run:
        run.round(make_plan(WaitForListener("local", "127.0.0.1", port, None, 0.1)))


def test_only_a_wait_in_vain_at_the_end_leaves_the_round_to_be_judged(tmp_path: Path, target: FolderTarget) -> None:
    file, nobody = tmp_path / "x", WaitForListener("local", "127.0.0.1", 1, None, 0.1)
    change = write_step(file, b"old", b"new")
    file.write_bytes(b"old")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(NotListening):
            run.round(make_plan(change, nobody))
        assert file.read_bytes() == b"new"
        run.roll_back()
        assert file.read_bytes() == b"old"
        with pytest.raises(StepFailed) as early:
            run.round(make_plan(change, nobody, replace(change, before=b"new", after=b"newer")))
        assert file.read_bytes() == b"old" and not isinstance(early.value, NotListening)
        with pytest.raises(NotListening):
            run.round(make_plan(change, nobody))
        run.commit()
    assert file.read_bytes() == b"new" and run.applied == (f"edit {file}",)
    assert history(target)[0].steps == run.applied


def test_kernel_tables() -> None:
    tcp = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0 0 10 0
   1: 0100007F:1F41 0100007F:0001 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 43 1 0 100
"""
    if sys.byteorder == "little":
        assert [(str(a), p) for a, p in tcp_listeners(tcp)] == [("127.0.0.1", 8000), ("::ffff:7f00:1", 80)] or [
            (str(a), p) for a, p in tcp_listeners(tcp)] == [("127.0.0.1", 8000), ("::ffff:127.0.0.1", 80)]
    unix = b"""Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 26 /run/a b.sock
0000000000000000: 00000003 00000000 00000000 0001 03 27 /run/other
0000000000000000: 00000002 00000000 00010000 0001 01 28
"""
    assert list(unix_listeners(unix)) == [b"/run/a b.sock"]


def test_process_table_survives_hostile_names() -> None:
    rest = b" 5" * 17 + b" 777 0 0\n"
    table = parse_process_table(b"12 (a) R 1 (b)) S 1" + rest + b"13 (x\ny) S 1" + rest + b"14 (nginx) Z 12" + rest)
    assert (table[12].comm, table[12].ppid, table[12].start_ticks) == ("a) R 1 (b)", 1, 777)
    assert table[14].state == "Z" and 13 not in table


@pytest.mark.parametrize(("binary", "said", "noted"), [
    ("/bin/true", "nginx does not run", "not reloaded: nginx does not run"),
    ("/bin/false", "nginx refuses", "the earlier configuration is itself refused"),
])
def test_a_way_back_without_a_reload_is_a_note(
    tmp_path: Path, target: FolderTarget, binary: str, said: str, noted: str
) -> None:
    (tmp_path / "x").write_bytes(b"old")
    reload = ReloadNginx("local", 1 << 30, binary, "/c", "/", "")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(StepFailed, match=said):
            run.round(make_plan(write_step(tmp_path / "x", b"old", b"new"), reload))
        assert not run.kept and run.taken_back is not None
        assert noted in run.taken_back.notes[0] and run.taken_back.conflicts == []
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_step_whose_node_is_out_of_reach_is_a_conflict_that_stops_nothing(tmp_path: Path, target: FolderTarget) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(NeedsPerson) as raised:
            run.round(make_plan(write_step(tmp_path / "x", b"old", b"new"), ContainerAction("id", "shop", "start", "exited")))
        assert "not everything could be taken back" in raised.value.hint
    assert (tmp_path / "x").read_bytes() == b"old"
    assert history(target)[0].state == "rolled-back" and "not taken back" in history(target)[0].conflicts[0]
    assert undo(target, history(target)[0].id).conflicts      # asked for again by name: tried again


PATHS = st.text(st.sampled_from("a/\n é\udc80\udcff"), max_size=9)      # bytes that are no UTF-8 are such surrogates
STATES = st.builds(FileState, st.sampled_from(["absent", "file", "link", "other"]), st.text(max_size=5), st.integers(0, 9))
RECORDS = st.builds(
    Record, st.integers(0, 9), st.floats(0, 9), st.sampled_from(["intent", "done", "undoing", "end"]), st.integers(0, 3),
    st.integers(0, 3), st.text(max_size=9), st.text(max_size=9), st.none() | STATES, st.none() | STATES, st.text(max_size=9),
    PATHS, st.text(max_size=9),
    st.lists(st.text(max_size=4), max_size=2).map(tuple), st.text(max_size=3),
)


@settings(max_examples=30)
@given(RECORDS)
def test_a_record_is_one_line_and_comes_back(record: Record) -> None:
    line = record_line(record)
    assert line.count(b"\n") == 1 and line.isascii()
    assert parse_records(line).records == (record,)


@given(st.lists(RECORDS, max_size=4), st.binary(max_size=40))
def test_any_rubbish_at_the_end_costs_no_record(records: list[Record], rubbish: bytes) -> None:
    data = b"".join(map(record_line, records))
    found = parse_records(data + rubbish.replace(b"\n", b""))
    assert found.records == tuple(records) and found.torn is bool(rubbish.replace(b"\n", b""))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    records = parse_records(data).records
    assert not is_unfinished(records) or records
    assert summary_of("x", records).id == "x"


def test_a_run_names_what_each_kept_round_was_for() -> None:
    begin = Record(0, 0.0, "begin", describe="backend-down")
    first = [Record(1, 0.0, "round", 1, note="backend-down"), Record(2, 0.0, "committed", 1)]
    second = [Record(3, 0.0, "round", 2, note="wrong-port"), Record(4, 0.0, "committed", 2)]
    failed = [Record(5, 0.0, "round", 3, note="wrong-host"), Record(6, 0.0, "rolled-back", 3)]
    assert summary_of("x", [begin, *first, *second, *failed]).cause == "backend-down, wrong-port"
    assert summary_of("x", [begin]).cause == "backend-down"         # and so for a run of an older fixer


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b'{"seq":0,"at":1,"phase":"done","pre":3}\n', b'{"pre":{"a":1}}\n', b"1~\n"])
def test_lines_that_are_no_records(line: bytes) -> None:
    assert parse_records(line).records == ()


@given(st.binary(max_size=8), st.binary(max_size=8), st.integers(0, 8))
def test_every_torn_write_is_known(new: bytes, old: bytes, at: int) -> None:
    assert is_torn(new[:at], new, old)
    assert is_torn(new[:at] + old[at:], new, old) or at > len(new)


def test_what_no_write_of_ours_leaves() -> None:
    assert not is_torn(b"8001", b"9001", b"8000")
    assert not is_torn(b"proxy 80x", b"proxy 8000", b"proxy 8001")


def test_names_of_runs() -> None:
    assert is_run_id("20261124-151403-7f3a")
    assert not any(map(is_run_id, ("lost+found", "", "2026-1-1", "20261124-151403-7f3", "../../etc/x")))


def test_a_start_that_fails_after_an_edit_leaves_the_round_to_be_judged(
    tmp_path: Path, target: FolderTarget, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The edit may be right, and the start fail over the next fault."""
    file, nobody = tmp_path / "x", WaitForListener("local", "127.0.0.1", 1, None, 0.1)
    start = CheckNginx("local", "nginx", "/etc/nginx/nginx.conf", "/etc/nginx")      # any step: the word is what counts
    monkeypatch.setattr(repair_run, "perform_step", refuse)
    file.write_bytes(b"old")
    change = write_step(file, b"old", b"new")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(StartFailed):
            run.round(make_plan(change, start, replace(change, before=b"new", after=b"newer")))
        assert file.read_bytes() == b"old"
        with pytest.raises(NotListening, match="could not start"):
            run.round(make_plan(change, start, nobody))
        assert file.read_bytes() == b"new"
        run.roll_back()
    assert file.read_bytes() == b"old"


def refuse(step: object, nodes: object) -> str:
    raise StartFailed("could not start shop.service: Job for shop.service failed because a timeout was exceeded")
