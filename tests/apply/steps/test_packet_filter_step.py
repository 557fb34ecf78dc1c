"""Rules changed and brought back in a network namespace of their own, with the real tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from fixer.apply.steps.network_step import container_network
from fixer.apply.steps.packet_filter_step import change_rule, undo_rule
from fixer.errors import Conflict, StepFailed
from fixer.model.host import CommandResult
from fixer.model.plan import ChangeRule
from fixer.redaction.masked_steps import step_from_json, step_to_json
from tests.apply.network_namespace import NetworkNamespace
from tests.apply.steps.packet_filter_step_builders import NFT, RULES, step


@pytest.fixture
def inside() -> Iterator[NetworkNamespace]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "iptables"))):
        pytest.skip("needs root and iptables")
    held = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    assert held.stdout is not None
    if not held.stdout.readline():
        pytest.skip("no network namespace of its own")
    runner = NetworkNamespace(held.pid)
    yield runner
    held.kill()
    held.wait()
    held.stdout.close()


def rules(runner: NetworkNamespace, tool: str = "iptables") -> list[str]:
    text = runner.run([tool, "-S", "INPUT"]).stdout.decode()
    return [line.removeprefix("-A INPUT ") for line in text.splitlines() if line.startswith("-A")]


def put(runner: NetworkNamespace, *lines: str) -> None:
    runner.run(["iptables", "-F", "INPUT"])
    for line in lines:
        done = runner.run(["sh", "-c", f"iptables -A INPUT {line}"])
        if done.returncode != 0:
            pytest.skip(f"iptables does not work here: {done.stderr!r}")


def test_a_rule_goes_and_comes_back_to_its_place(inside: NetworkNamespace) -> None:
    put(inside, *RULES)
    gone = step("remove", RULES[1], 1)
    change_rule(gone, inside)
    assert rules(inside) == [RULES[0], RULES[2]]
    with pytest.raises(Conflict):
        change_rule(gone, inside)
    assert "restored" in undo_rule(gone, inside) and rules(inside) == list(RULES)
    assert undo_rule(gone, inside) == ""


def test_the_rule_of_a_container_is_changed_in_its_network_from_the_docker_host() -> None:
    asked: list[tuple[str, ...]] = []
    shown = ["-A INPUT -p tcp -m tcp --dport 8000 -j DROP", ""]

    class Engine:
        pid = b"4711"

        def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
            asked.append(tuple(argv))
            told = {"docker": b"a" * 64 if "--type" in argv else self.pid}.get(argv[0])
            text = shown.pop(0).encode() if told is None and "-S" in argv else b""
            return CommandResult(tuple(argv), 0, told or text, b"")

    engine = Engine()
    gone = ChangeRule("app", "iptables", "ip", "filter", "INPUT", "remove", "-p tcp -m tcp --dport 8000 -j DROP", 0,
                      ("-p tcp -m tcp --dport 8000 -j DROP",), "p-app-1", "a" * 64)
    change_rule(gone, container_network(gone.container, gone.container_id, engine))
    inside = [words for words in asked if words[0] != "docker"]
    assert all(words[:4] == ("nsenter", "-t", "4711", "-n") for words in inside)
    assert inside[1][4:] == ("iptables", "-w", "5", "-t", "filter", "-D", "INPUT", "1")
    assert step_from_json(step_to_json(gone)) == gone
    engine.pid = b"0"
    with pytest.raises(StepFailed, match="p-app-1 is not running"):
        container_network(gone.container, gone.container_id, engine)
    with pytest.raises(Conflict, match="replaced by another one with the same name"):
        container_network(gone.container, "b" * 64, engine)


def test_a_rule_comes_and_goes(inside: NetworkNamespace) -> None:
    put(inside, *RULES)
    new = step("add", "-s 127.0.0.1/32 -i lo -p tcp -m tcp --dport 8000 -j ACCEPT", 1)
    change_rule(new, inside)
    assert rules(inside)[1] == new.rule and len(rules(inside)) == 4
    assert "again" in undo_rule(new, inside) and rules(inside) == list(RULES)
    assert undo_rule(new, inside) == ""


def test_after_others_changed_the_chain(inside: NetworkNamespace) -> None:
    """After a boot, or with new rules round it: beside its old neighbour, never twice, never in a strange chain."""
    gone = step("remove", RULES[1], 1)
    put(inside, "-p udp -j ACCEPT", RULES[0], RULES[2])
    undo_rule(gone, inside)
    assert rules(inside) == ["-p udp -j ACCEPT", *RULES]
    assert undo_rule(gone, inside) == ""
    put(inside, "-p udp -j ACCEPT", RULES[2])
    undo_rule(gone, inside)
    assert rules(inside) == ["-p udp -j ACCEPT", RULES[1], RULES[2]]
    put(inside, "-p udp -j ACCEPT")
    with pytest.raises(Conflict):
        undo_rule(gone, inside)
    put(inside)
    undo_rule(gone, inside)
    assert rules(inside) == [RULES[1]]
    put(inside, RULES[2], RULES[0], "-p tcp -j ACCEPT")
    added = step("add", "-p tcp -j ACCEPT", 0)
    undo_rule(added, inside)
    assert rules(inside) == [RULES[2], RULES[0]]


def test_a_chain_that_is_gone(inside: NetworkNamespace) -> None:
    assert undo_rule(step("add", "-j DROP", 0, chain="GONE"), inside) == ""
    with pytest.raises(Conflict, match=r"is missing.*this rule was not restored: -p tcp"):
        undo_rule(step("remove", RULES[1], 1, chain="GONE"), inside)
    if shutil.which("nft") is not None:
        with pytest.raises(Conflict, match="is missing"):
            undo_rule(step("remove", NFT[0], 0, NFT, tool="nft", family="inet", table="gone", chain="c"), inside)


def test_the_same_with_nft(inside: NetworkNamespace) -> None:
    if shutil.which("nft") is None:
        pytest.skip("no nft here")
    text = "table inet f {\nchain c {\ntype filter hook input priority 0;\n" + "\n".join(NFT) + "\n}\n}\n"
    assert inside.run(["nft", "-f", "-"], stdin=text.encode()).returncode == 0
    where = {"tool": "nft", "family": "inet", "table": "f", "chain": "c"}
    for gone in (step("remove", NFT[1], 1, NFT, **where), step("remove", NFT[0], 0, NFT, **where)):
        change_rule(gone, inside)
        assert "restored" in undo_rule(gone, inside) and undo_rule(gone, inside) == ""
    change_rule(step("add", "tcp dport 9 accept", 3, NFT, **where), inside)
