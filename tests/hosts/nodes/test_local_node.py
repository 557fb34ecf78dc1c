"""Tests of fixer/hosts/nodes/local_node.py."""

from __future__ import annotations

from fixer.hosts.machine.prefetch import prefetched_answer
from fixer.hosts.nodes.local_node import LocalAsker, start_prefetch
from fixer.model.query import Answer, Command

ADDRESSES = Command("ip-addresses")


def test_the_first_round_takes_it_and_later_ones_ask_anew() -> None:
    start_prefetch(ADDRESSES)
    asker = LocalAsker()
    first: Answer = asker.ask([ADDRESSES])[ADDRESSES]
    assert first.status == "ok"
    assert b"127.0.0.1" in first.data
    assert prefetched_answer(ADDRESSES) is None
    assert asker.ask([ADDRESSES])[ADDRESSES] == first
