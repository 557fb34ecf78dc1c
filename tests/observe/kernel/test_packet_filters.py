"""Packet filters as nft and iptables print them: chains, rules in order, what each looks at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Known, Unknown
from fixer.model.firewall import Chain, Firewall, Match
from fixer.model.query import Answer, FileAnswer
from fixer.model.target import TargetRef
from fixer.observe.kernel.packet_filters import (
    BRIDGE_FILTERING,
    NFT_JSON,
    NFT_TEXT,
    SAVE_COMMANDS,
    engine_firewall,
    firewall_of,
    parse_nft,
    parse_rule_texts,
    parse_saved,
)
from fixer.observe.view.node_view import View, views_of

DATA = Path(__file__).parents[1] / "data"
RULES, TEXTS = (DATA / "ruleset.json").read_bytes(), (DATA / "ruleset.txt").read_text()
SAVED_TEXT = (DATA / "iptables-save.txt").read_bytes()


def view(**answers: Answer) -> View:
    queries = {"nft": NFT_JSON, "text": NFT_TEXT, "iptables": SAVE_COMMANDS["iptables"], "bridged": BRIDGE_FILTERING}
    node = NodeCapture("local", "machine", 0.0, True, {queries[name]: answer for name, answer in answers.items()})
    return views_of(Capture(TargetRef("local", "local"), (node,), (), ()))["local"]


def ruleset() -> dict[str, Chain]:
    return {chain.name: chain for chain in parse_nft(RULES, parse_rule_texts(TEXTS))}


def test_rules_of_nft_have_their_words_and_conditions() -> None:
    chains = ruleset()
    assert set(chains) == {"input", "other"} and (chains["input"].hook, chains["other"].hook) == ("input", "")
    rules = chains["input"].rules
    assert rules[0].text == 'iif "lo" tcp dport 22 accept'
    assert rules[0].matches == (Match("iif", ("lo",)), Match("proto", ("tcp",)), Match("dport", ("22",)))
    assert (rules[1].matches, rules[1].verdict) == ((Match("state", ("established", "related")),), "accept")
    assert rules[2].text == 'tcp dport { 8000, 8001 } counter drop comment "x"' and rules[2].packets == 0
    assert rules[2].matches[1] == Match("dport", ("8000", "8001"))
    assert (rules[3].matches[1], rules[3].reject) == (Match("saddr", ("10.0.0.0/8",)), "reset")
    assert rules[3].matches[3] == Match("dport", ("9000-9100",))
    assert rules[4].matches[1] == Match("dport", ("1000", "2000"))       # a named set
    assert rules[5].matches[1] == Match("any-flag", ("psh",))
    assert rules[6].matches == (Match("length", ("1401-4294967295",)),)
    assert rules[7].matches == (Match("skuid", ("33",)),)
    assert rules[9].reject == "admin-prohibited" and (rules[10].verdict, rules[10].target) == ("jump", "other")
    assert Match("other") in chains["other"].rules[1].matches            # a rate limit
    assert chains["input"].texts[7] == "meta skuid 33 drop" and len(chains["input"].texts) == 11


def test_verdict_maps_and_what_nobody_can_follow() -> None:
    key = {"ct": {"key": "state"}}
    expressions = [
        [{"vmap": {"key": key, "data": {"set": [["established", {"accept": None}], ["invalid", {"drop": None}],
                                                ["new", {"jump": {"target": "t"}}], "odd"]}}}],
        [{"match": {"op": "==", "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn", "ack"]]},
                    "right": "syn"}}, {"log": None}, {"drop": None}],
        [{"match": {"op": "==", "left": "odd", "right": 1}}, {"reject": None}],
        [{"match": {"op": "==", "left": {"osf": {}}, "right": {"odd": 1}}}, {"queue": None}],
        [{"match": {"op": "~", "left": {"meta": {"key": "mark"}}, "right": 1}}],
        [{"match": {"op": "<", "left": {"meta": {"key": "length"}}, "right": 100}}, {"return": None}],
        [{"match": {"op": "<=", "left": {"meta": {"key": "length"}}, "right": 100}}, {"accept": None}],
        [{"match": {"op": ">=", "left": {"meta": {"key": "length"}}, "right": 100}}, {"goto": {"target": "t"}}],
        [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "protocol"}}, "right": {"elem": {"val": 6}}}},
         {"match": {"op": "==", "left": {"payload": {"protocol": "icmp", "field": "type"}}, "right": "echo"}},
         {"match": {"op": "==", "left": {"payload": {"protocol": "th", "field": "dport"}}, "right": 1}}, {"drop": None}],
    ]
    items: list[dict[str, object]] = [{"metainfo": {}}, {"chain": {"family": "inet", "table": "f", "name": "c", "handle": 1}},
             {"chain": {"family": "ip", "table": "n", "name": "pre", "handle": 1, "type": "nat"}},
             {"chain": {"family": "arp", "table": "n", "name": "x", "handle": 1}}]
    items += [{"rule": {"family": "inet", "table": "f", "chain": "c", "handle": n, "expr": e}} for n, e in enumerate(expressions)]
    (chain,) = parse_nft(json.dumps({"nftables": items}).encode(), {})
    mapped = [r for r in chain.rules if r.index == 0]
    assert [(r.verdict, r.target, r.is_complete) for r in mapped] == [
        ("accept", "", False), ("drop", "", False), ("jump", "t", False), ("none", "", True)]
    by_index = {r.index: r for r in chain.rules}
    assert by_index[1].matches == (Match("proto", ("tcp",)), Match("flags", ("syn,ack", "syn")))
    assert by_index[2].reject == "port" and by_index[2].matches == (Match("other"),)
    assert by_index[3].matches == (Match("other"), Match("other")) and by_index[4].verdict == "none"
    assert [by_index[n].matches[0].values for n in (5, 6, 7)] == [("0-99",), ("0-100",), ("100-4294967295",)]
    assert by_index[8].matches[:2] == (Match("proto", ("6",)), Match("proto", ("icmp",)))
    assert parse_nft(b"no json", {}) is None


def test_rules_of_iptables() -> None:
    chains = {chain.name: chain for chain in parse_saved(SAVED_TEXT.decode(), "iptables")}
    rules = chains["INPUT"].rules
    assert (chains["INPUT"].hook, chains["INPUT"].policy, chains["MINE"].hook) == ("input", "accept", "")
    assert rules[0].matches == (Match("saddr", ("10.0.0.0/8",), True), Match("proto", ("tcp",)), Match("dport", ("80", "81")),
                                Match("state", ("new",)))
    assert (rules[1].reject, rules[1].packets) == ("port", 12) and rules[1].text.startswith("-p tcp -m tcp --dport 8000")
    assert (rules[2].verdict, rules[2].target) == ("jump", "MINE")
    out = chains["OUTPUT"].rules
    assert out[0].matches == (Match("length", ("1400-65535",)),)
    assert out[1].matches == (Match("oif", ("lo",)), Match("proto", ("tcp",)), Match("flags", ("psh", "psh")))
    mine = chains["MINE"].rules
    assert [r.verdict for r in mine] == ["none", "reject", "unknown", "unknown", "drop", "goto", "none"]
    assert mine[1].reject == "reset" and mine[4].matches == (Match("other"),)
    assert "PREROUTING" not in chains      # of nat


@pytest.mark.parametrize(("answers", "reason"), [
    ({}, "not asked"),
    ({"nft": Answer("no-tool"), "iptables": Answer("no-tool")}, "neither nft nor iptables is installed there"),
    ({"nft": Answer("failed", stderr=b"Operation not permitted (you must be root)\n")}, "Operation not permitted"),
    ({"nft": Answer("no-tool"), "iptables": Answer("failed", message="iptables-save exited with code 4")}, "exited with code 4"),
])
def test_what_could_not_be_read_is_unknown(answers: dict[str, Answer], reason: str) -> None:
    found = firewall_of(view(**answers))
    assert isinstance(found, Unknown) and reason in found.reason


def test_rules_of_the_older_tool_are_said_to_be_hidden() -> None:
    said = b"# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n"
    found = firewall_of(view(nft=Answer("ok", b'{"nftables": []}'), iptables=Answer("ok", b"", stderr=said)))
    assert isinstance(found, Known) and found.value.unread == "only iptables-legacy-save shows some rules"
    plain = firewall_of(view(nft=Answer("ok", b'{"nftables": []}'), iptables=Answer("ok", b"")))
    assert isinstance(plain, Known) and not plain.value.unread


PORT_25 = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 25}}
SET_25 = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [25, 80]}}}
OWNER = {"match": {"op": "!=", "left": {"meta": {"key": "skuid"}}, "right": 0}}
COUNTER = {"counter": {"packets": 3, "bytes": 9}}


def under_a_name_of_iptables(*expressions: object) -> bytes:
    made = {"family": "ip", "table": "filter"}
    rule = {**made, "chain": "INPUT", "handle": 4, "expr": [*expressions, {"drop": None}]}
    chains = [{"chain": {**made, "name": name, "handle": 1, **base}} for name, base in (
        ("INPUT", {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"}), ("MINE", {}))]
    return json.dumps({"nftables": [*chains, {"rule": rule}]}).encode()


@pytest.mark.parametrize(("expressions", "saved", "tool"), [
    ((PORT_25, COUNTER), "-p tcp -m tcp --dport 25 -j DROP", "iptables"),
    ((PORT_25, {"xt": {"type": "match", "name": "owner"}}, COUNTER), "-p tcp -m tcp --dport 25 -m owner --uid-owner 3 -j DROP", "iptables"),
    ((PORT_25,), "-p tcp -m tcp --dport 25 -j DROP", "nft"),                                  # iptables counts all of its own
    ((SET_25, OWNER, COUNTER), "-p tcp -j DROP", "nft"),                                      # it shows a part of the rule
])
def test_a_chain_of_iptables_is_not_read_twice(expressions: tuple[object, ...], saved: str, tool: str) -> None:
    text = f"*filter\n:INPUT ACCEPT [0:0]\n:MINE - [0:0]\n[3:9] -A INPUT {saved}\nCOMMIT\n"
    both = firewall_of(view(nft=Answer("ok", under_a_name_of_iptables(*expressions)), iptables=Answer("ok", text.encode())))
    assert isinstance(both, Known)
    assert [(c.tool, c.name) for c in both.value.chains] == [(tool, "INPUT"), (tool, "MINE")]


def test_a_docker_host_that_filters_no_bridges() -> None:
    off = Answer("ok", files=(FileAnswer(BRIDGE_FILTERING.path, "ok", None, b"0\n"),))
    assert isinstance(engine_firewall(None), Unknown)
    assert isinstance(engine_firewall(view(nft=Answer("no-tool"), bridged=off)), Unknown)   # no stat: not read
    assert engine_firewall(view(nft=Answer("ok", RULES), text=Answer("ok", TEXTS.encode()))) != Known(Firewall())
