"""What is asked ahead is given out once; afterwards this machine is asked again."""

from __future__ import annotations

import pytest

from fixer.hosts.machine.prefetch import Prefetched, forget_prefetched, prefetched_answer
from fixer.hosts.nodes.local_node import start_prefetch
from fixer.model.query import Command

ADDRESSES = Command("ip-addresses")


def test_it_is_given_out_once() -> None:
    assert prefetched_answer(ADDRESSES) is None
    start_prefetch(ADDRESSES)
    assert prefetched_answer(Command("systemctl-show")) is None
    early = prefetched_answer(ADDRESSES)
    assert early is not None and b"127.0.0.1" in early.data.splitlines()     # other tests' networks come and go
    assert prefetched_answer(ADDRESSES) is None


def test_what_is_older_than_a_change_does_not_count() -> None:
    early = Prefetched(lambda: 1)
    assert early.result() == 1
    forget_prefetched()
    assert early.result() is None
    assert Prefetched(lambda: 2).result() == 2


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    early = Prefetched(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        early.result()
