"""Packet filters as people name them, and chains that others lead to."""

from __future__ import annotations

import pytest

from fixer.model.firewall import Chain, Firewall, Rule


def chain(name: str, *texts: str, tool: str = "iptables", family: str = "ip", table: str = "filter") -> Chain:
    rules = tuple(Rule(0, index, text, (), "none") for index, text in enumerate(texts))
    return Chain(tool, family, table, name, "", 0, "", rules)     # type: ignore[arg-type]


@pytest.mark.parametrize(("made", "title"), [
    (chain("INPUT"), "iptables filter INPUT"), (chain("input", tool="nft", family="inet"), "nft inet filter input"),
    (chain("INPUT", tool="ip6tables", family="ip6"), "ip6tables filter INPUT"),
])
def test_only_nft_names_the_family(made: Chain, title: str) -> None:
    assert made.title == title


def test_a_rule_of_several_parts_is_one_text() -> None:
    parts = (Rule(5, 0, "tcp dport vmap", (), "accept", is_complete=False), Rule(5, 0, "tcp dport vmap", (), "drop", is_complete=False),
             Rule(6, 1, "drop", (), "drop"))
    assert Chain("nft", "inet", "filter", "input", "input", 0, "accept", parts).texts == ("tcp dport vmap", "drop")


def test_a_chain_is_looked_for_in_the_same_table() -> None:
    start, wanted = chain("INPUT"), chain("LATER")
    others = (chain("LATER", table="raw"), chain("LATER", tool="ip6tables"), chain("LATER", family="ip6"))
    assert Firewall((*others, start, wanted)).chain(start, "LATER") is wanted
    assert Firewall(others).chain(start, "LATER") is None
