"""Tests of fixer/hosts/nodes/local_node.py."""

from __future__ import annotations

import pytest

from fixer.hosts.machine.prefetch import prefetched_answer
from fixer.hosts.machine.query_commands import QueryCommand
from fixer.hosts.nodes.local_node import LocalAsker, _run_query_command, start_prefetch
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


@pytest.mark.parametrize(("code", "said"), [(0, b"new\n"), (1, b"old\n"), (2, b"new\n")])
def test_a_version_that_refuses_an_option_is_asked_in_the_older_way(code: int, said: bytes) -> None:
    script = "exit 1" if code == 1 else f"echo new; exit {code}"
    assert _run_query_command(QueryCommand(("sh", "-c", script), older=("echo", "old"))).stdout == said
