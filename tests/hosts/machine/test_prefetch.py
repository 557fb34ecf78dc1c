"""What is asked ahead is given out once; afterwards this machine is asked again."""

from __future__ import annotations

from fixer.hosts.machine.prefetch import prefetched_answer
from fixer.hosts.nodes.local_node import answer_command, start_prefetch
from fixer.model.query import Command

ADDRESSES = Command("ip-addresses")


def test_it_is_given_out_once() -> None:
    assert prefetched_answer(ADDRESSES) is None
    start_prefetch(ADDRESSES)
    assert prefetched_answer(Command("systemctl-show")) is None
    assert prefetched_answer(ADDRESSES) == answer_command(ADDRESSES)
    assert prefetched_answer(ADDRESSES) is None
