"""Neighbours: an address that the kernel asked for in vain is nobody's; everything else tells nothing."""

from __future__ import annotations

from fixer.model.query import Answer
from fixer.observe.kernel.network_tables import ARP, unanswered_addresses
from fixer.observe.view.node_view import view_of
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
