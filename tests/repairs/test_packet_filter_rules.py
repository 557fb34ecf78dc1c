"""Tests of fixer/repairs/packet_filter_rules.py."""

from __future__ import annotations

import pytest

from fixer.model.firewall import Match
from fixer.model.plan import ChangeRule, WriteFile
from tests.causes.firewall_drop_builders import found
from tests.causes.packet_filter_builders import dropping_scene, nft_chain, port_match, rule, saved_firewall
from tests.causes.snapshot_builders import file, process


def test_the_file_that_loads_the_rule_is_mended_too() -> None:
    filters = nft_chain(rule("accept", port_match(22), text="tcp dport 22 accept"),
                    rule("drop", port_match(), text='tcp dport { 8000 } counter drop comment "x"', index=1))
    text = "flush ruleset\ntable inet filter {\n\tchain input {\n\t\ttcp dport {8000} counter drop comment \"x\";\n\t}\n}\n"
    scene = dropping_scene(filters)
    scene.files.append(file("/etc/nftables.conf", text))
    repair = found(scene).repairs[0]
    edit, change = repair.steps
    assert isinstance(edit, WriteFile) and isinstance(change, ChangeRule)
    assert edit.after == text.replace("\t\ttcp dport {8000} counter drop comment \"x\";\n", "").encode()
    twice = dropping_scene(filters)
    twice.files.append(file("/etc/nftables.conf", text.replace("\t}\n", "\t\ttcp dport { 8000 } counter drop comment \"x\"\n\t}\n")))
    assert found(twice).repairs[0].risk == "manual" and "lines 4, 5" in found(twice).repairs[0].manual


@pytest.mark.parametrize(("listed", "matches", "line"), [
    ("meta skuid 33 tcp dport 8000 drop", (Match("skuid", ("33",)), port_match()), "meta skuid www-data tcp dport 8000 drop"),
    ("tcp dport 8000 skuid != { 0, 2001 } drop", (port_match(), Match("skuid", ("0", "2001"), True)),
     "tcp dport 8000 meta skuid != { \"app\", root } drop"),
    ("tcp dport { 80, 8000 } drop", (Match("dport", ("80", "8000")),), "tcp dport {8000, 80} drop"),
])
def test_a_line_in_other_words_is_the_same_rule(listed: str, matches: tuple[Match, ...], line: str) -> None:
    scene = dropping_scene(nft_chain(rule("drop", *matches, text=listed), hook="output", name="out"))
    scene.processes.append(process(101, "nginx: worker process", uid=33))
    scene.files += [file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n"
                         "app:x:2001:2001::/:/bin/false\n"),
                    file("/etc/nftables.conf", f"table inet filter {{\n\tchain out {{\n\t\t{line}\n\t}}\n}}\n")]
    for repair in found(scene).repairs:
        edit = repair.steps[0]
        assert isinstance(edit, WriteFile) and edit.path == "/etc/nftables.conf", repair.manual


@pytest.mark.parametrize(("line", "risk"), [
    ("tcp dport $closed drop", "manual"), ("tcp dport 7000-9000 counter log drop", "manual"),
    ("tcp dport { 22, 8000 } drop", "manual"), ("tcp dport 23 drop", "disruptive"), ("ct state invalid drop", "disruptive"),
    ("# tcp dport 8000 drop", "disruptive"), ("tcp dport 8000 accept", "disruptive"),
])
def test_a_line_that_may_bring_the_rule_back_is_for_a_person(line: str, risk: str) -> None:
    scene = dropping_scene(nft_chain(rule("drop", port_match(), text="tcp dport 8000 drop")))
    scene.files.append(file("/etc/nftables.conf", f"table inet filter {{\n\tchain input {{\n\t\t{line}\n\t}}\n}}\n"))
    repair = found(scene).repairs[0]
    assert repair.risk == risk and (risk != "manual" or "/etc/nftables.conf:3 may load the rule at boot" in repair.manual)


def test_a_saved_rule_gets_its_exception_before_it() -> None:
    scene = dropping_scene(saved_firewall("INPUT -p tcp -m tcp --dport 8000 -j DROP"), address="0.0.0.0")
    text = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 8000 -j DROP\nCOMMIT\n"
    scene.files.append(file("/etc/iptables/rules.v4", text))
    edit = found(scene).repairs[0].steps[0]
    assert isinstance(edit, WriteFile) and edit.after is not None
    assert edit.after.splitlines()[2].endswith(b"-i lo -p tcp -m tcp --dport 8000 -j ACCEPT")
    assert edit.after.splitlines()[3] == b"-A INPUT -p tcp -m tcp --dport 8000 -j DROP"
    policy = dropping_scene(saved_firewall(policy="DROP"))
    policy.files.append(file("/etc/iptables/rules.v4", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"))
    assert found(policy).repairs[0].risk == "manual"


@pytest.mark.parametrize(("name", "tool"), [("ufw-user-input", "ufw"), ("f2b-nginx", "fail2ban")])
def test_rules_of_a_tool_are_for_the_tool(name: str, tool: str) -> None:
    repair = found(dropping_scene(saved_firewall(f"INPUT -j {name}", f"{name} -p tcp --dport 8000 -j DROP"))).repairs[0]
    assert repair.risk == "manual" and tool in repair.manual


def test_a_policy_belongs_to_the_tool_whose_chains_stand_beside_it() -> None:
    ufw = saved_firewall("INPUT -j ufw-before-input", "ufw-before-input -p udp -j ACCEPT", policy="DROP")
    assert found(dropping_scene(ufw)).repairs[0].risk == "manual" and "ufw" in found(dropping_scene(ufw)).repairs[0].manual
