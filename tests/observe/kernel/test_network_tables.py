"""Neighbours: an address that the kernel asked for in vain is nobody's; everything else tells nothing."""

from __future__ import annotations

from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Answer, FileAnswer, FileStat
from fixer.model.target import TargetRef
from fixer.observe.kernel.network_tables import ARP, FIB, kernel_routes_of, unanswered_addresses
from fixer.observe.view.node_view import view_of, views_of
from tests.observe.capture_builders import file, node

TABLE = """IP address       HW type     Flags       HW address            Mask     Device
172.18.0.9       0x1         0x0         00:00:00:00:00:00     *        eth0
172.18.0.1       0x1         0x2         02:42:54:a7:bd:c4     *        eth0
172.18.0.8       0x1         oops        00:00:00:00:00:00     *        eth0
172.18.0.7
"""


def test_who_did_not_answer() -> None:
    assert unanswered_addresses(view_of(node({ARP: Answer("ok", files=(file(ARP.path, TABLE),))}))) == ("172.18.0.9",)
    assert unanswered_addresses(view_of(node({}))) == ()
    assert unanswered_addresses(view_of(node({ARP: Answer("failed")}))) == ()


ROUTE_BROKEN_TABLE = """Main:
  +-- 0.0.0.0/0 3 0 4
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 203.0.112.0/23 2 0 2
        |-- 203.0.112.0
           /24 universe PROHIBIT
        |-- 203.0.113.9
           /32 universe UNREACHABLE
Local:
     |-- 127.0.0.1
        /32 host LOCAL
"""


def read(data: bytes | None) -> Fact[tuple[tuple[str, str], ...]]:
    stat = FileStat("file", 0o100444, 0, 0, 0, 0.0, 1, 1)
    one = FileAnswer(FIB.path, "ok", stat, data) if data is not None else FileAnswer(FIB.path, "denied")
    node = NodeCapture("local", "machine", 0.0, True, {FIB: Answer("ok", files=(one,))})
    return kernel_routes_of(views_of(Capture(TargetRef("local", "local"), (node,), (), ()))["local"])


def test_the_kernels_table() -> None:
    assert read(ROUTE_BROKEN_TABLE.encode()) == Known((
        ("0.0.0.0/0", "UNICAST"), ("203.0.112.0/24", "PROHIBIT"), ("203.0.113.9/32", "UNREACHABLE")))
    assert isinstance(read(None), Unknown)
    node = NodeCapture("local", "machine", 0.0, True, {})
    assert isinstance(kernel_routes_of(views_of(Capture(TargetRef("local", "local"), (node,), (), ()))["local"]), Unknown)
