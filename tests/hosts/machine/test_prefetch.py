"""What is asked ahead is given out once; afterwards this machine is asked again."""

from __future__ import annotations

from fixer.hosts.machine.prefetch import taken
from fixer.hosts.nodes.local_node import LocalAsker, answer_command, ask_ahead
from fixer.model.query import Answer, Command

ADDRESSES = Command("ip-addresses")


def test_it_is_given_out_once() -> None:
    assert taken(ADDRESSES) is None
    ask_ahead(ADDRESSES)
    assert taken(Command("systemctl-show")) is None
    assert taken(ADDRESSES) == answer_command(ADDRESSES)
    assert taken(ADDRESSES) is None


def test_the_first_round_takes_it_and_later_ones_ask_anew() -> None:
    ask_ahead(ADDRESSES)
    asker = LocalAsker()
    first: Answer = asker.ask([ADDRESSES])[ADDRESSES]
    assert first.status == "ok"
    assert b"127.0.0.1" in first.data
    assert taken(ADDRESSES) is None
    assert asker.ask([ADDRESSES])[ADDRESSES] == first
