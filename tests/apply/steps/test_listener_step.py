"""Waiting for a unix socket: the kernel's table keeps the name that it was bound with, be it relative."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from fixer.apply.repair_run import RepairRun
from fixer.apply.steps.listener_step import has_listener, tcp_listeners, unix_listeners
from fixer.errors import StepFailed
from fixer.model.plan import WaitForListener
from tests.apply.folder_target import NOW, FolderTarget, make_plan

HEAD = b"Num       RefCount Protocol Flags    Type St Inode Path\n"


@pytest.mark.parametrize(("bound", "there"), [
    ("/srv/shop/run/app.sock", True), ("run/app.sock", True), ("./run/app.sock", True), ("app.sock", True),
    ("pp.sock", False), ("/run/app.sock", False), ("@run/app.sock", False),
])
def test_a_name_as_it_was_bound(bound: str, there: bool) -> None:
    table = HEAD + f"0000: 00000002 00000000 00010000 0001 01 4711 {bound}\n".encode()
    step = WaitForListener("local", "", 0, "/srv/shop/run/app.sock", 1.0, "", "")
    assert has_listener(step, table) is there


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
