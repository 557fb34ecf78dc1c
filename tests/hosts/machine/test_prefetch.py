"""What is asked ahead is given out once; afterwards this machine is asked again."""

from __future__ import annotations

from fixer.hosts.machine.prefetch import prefetched_answer
from fixer.hosts.nodes.local_node import LocalAsker, answer_command, start_prefetch
from fixer.model.query import Answer, Command

ADDRESSES = Command("ip-addresses")


def test_it_is_given_out_once() -> None:
    assert prefetched_answer(ADDRESSES) is None
    start_prefetch(ADDRESSES)
    assert prefetched_answer(Command("systemctl-show")) is None
    assert prefetched_answer(ADDRESSES) == answer_command(ADDRESSES)
    assert prefetched_answer(ADDRESSES) is None


def test_the_first_round_takes_it_and_later_ones_ask_anew() -> None:
    start_prefetch(ADDRESSES)
    asker = LocalAsker()
    first: Answer = asker.ask([ADDRESSES])[ADDRESSES]
    assert first.status == "ok"
    assert b"127.0.0.1" in first.data
    assert prefetched_answer(ADDRESSES) is None
    assert asker.ask([ADDRESSES])[ADDRESSES] == first
