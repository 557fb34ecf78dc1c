"""Tests of fixer/analysis/packet_filter/packet_path.py."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixer.analysis.packet_filter.packet_path import hits_of, request_packets
from fixer.model.facts import Known
from fixer.model.firewall import Firewall, Match
from tests.causes.packet_filter_builders import nft_chain, port_match, rule, saved_firewall

PORT = "INPUT -p tcp -m tcp --dport 8000 -j DROP"


def stopped(filters: Known[Firewall], address: str = "127.0.0.1") -> list[tuple[str, bool]]:
    packets = request_packets(address, address, 8000, ("out+in", "out+in"), loop=True, uid=33)
    return [(hit.where, hit.sure) for hit in hits_of(filters.value, packets)]


def test_following_a_packet() -> None:
    other = rule("accept", Match("other"))
    assert stopped(nft_chain(other, rule("drop", port_match(), index=1))) == [("nft inet filter input handle 8", False)]
    assert stopped(nft_chain(rule("return", port_match()), policy="drop"))[0][0] == "nft inet filter input policy"
    assert stopped(nft_chain(rule("unknown"), rule("drop", index=1)))[0][1] is False
    jump = saved_firewall("INPUT -p tcp -j A", "A -p tcp --dport 8000 -j RETURN", "A -j DROP")
    assert [where for where, _ in stopped(jump)] == ["iptables filter A rule 2"]     # the answers
    assert stopped(saved_firewall("INPUT -g A", "INPUT -j DROP", "A -p tcp -j RETURN")) == []
    assert stopped(saved_firewall("INPUT -j GONE", PORT)) == [("iptables filter INPUT rule 2", False)]
    loop = saved_firewall("INPUT -j A", "A -j A", PORT)
    assert stopped(loop)[0][1] is False
    assert stopped(saved_firewall("INPUT -m limit --limit 1/s -j A", "INPUT -j ACCEPT", "A -p tcp --dport 8000 -j DROP"))[0][1] is False
    assert stopped(nft_chain(rule("drop", port_match()), hook="forward")) == []
    assert stopped(nft_chain(rule("drop", Match("family", ("ipv6",)), port_match()))) == []
    assert stopped(nft_chain(rule("drop", Match("family", ("ipv6",)), port_match())), "::1") == [("nft inet filter input handle 7", True)]


@pytest.mark.parametrize(("match", "fits"), [
    (Match("saddr", ("127.0.0.0/8",)), True), (Match("saddr", ("10.0.0.0/8",)), False), (Match("saddr", ("odd",)), None),
    (Match("daddr", ("127.0.0.1-127.0.0.9",)), True), (Match("daddr", ("127.0.0.2-127.0.0.9",)), False),
    (Match("proto", ("6",)), True), (Match("proto", ("all",)), True), (Match("proto", ("17",)), False),
    (Match("dport", ("http",)), None), (Match("dport", ("8000",), True), False), (Match("iif", ("l+",)), True),
    (Match("iif", ("eth*",)), False), (Match("state", ("new",)), True), (Match("state", ("invalid",)), False),
    (Match("flags", ("all", "syn")), True), (Match("flags", ("syn,ack", "syn")), True), (Match("flags", ("syn",)), None),
    (Match("any-flag", ("psh",)), False), (Match("length", ("0-100",)), True), (Match("length", ("1400-9000",)), False),
    (Match("skuid", ("33",)), None),
])
def test_conditions(match: Match, fits: bool | None) -> None:
    made: Mapping[bool | None, list[tuple[str, bool]]] = {
        True: [("nft inet filter input handle 7", True)], False: [], None: [("nft inet filter input handle 7", False)]}
    packets = request_packets("127.0.0.1", "127.0.0.1", 8000, ("out+in", "out+in"), loop=True, uid=33)
    opening = iter([p for p in packets if p.stage == "connect" and "dport" in p.fields])
    hits = hits_of(nft_chain(rule("drop", port_match(), match)).value, opening)
    assert [(hit.where, hit.sure) for hit in hits] == made[fits]
