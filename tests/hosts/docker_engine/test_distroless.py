"""What a container cannot tell of its packet filter is asked with this machine's tools, in its network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fixer.hosts.docker_engine import distroless
from fixer.model.host import CommandResult
from fixer.model.query import Answer, Command, Query, ReadFile

NFT, SAVED, FILE = Command("nft-rules"), Command("iptables-rules"), ReadFile("/etc/nftables.conf")
INSIDE: dict[Query, Answer] = {NFT: Answer("no-tool"), SAVED: Answer("failed"), FILE: Answer("absent")}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def run(argv: Sequence[str], **more: Any) -> CommandResult:
        found.append(tuple(argv))
        code = 127 if "nft" in argv else 0
        return CommandResult(tuple(argv), code, b"*filter", b"")

    monkeypatch.setattr(distroless.run_process, "run", run)
    return found


def test_a_container_without_tools_is_asked_from_outside(asked: list[tuple[str, ...]]) -> None:
    told = distroless.packet_filter_answers([NFT, SAVED, FILE], INSIDE, 4711)
    assert asked[1] == ("nsenter", "-t", "4711", "-n", "iptables-save", "-c")
    assert {query: answer.status for query, answer in told.items()} == {NFT: "no-tool", SAVED: "ok"}
    assert told[NFT].message == "no nft"


def test_what_it_told_itself_stands_and_who_may_not_enter_asks_nothing(asked: list[tuple[str, ...]]) -> None:
    assert distroless.packet_filter_answers([SAVED], {SAVED: Answer("ok", b"*filter")}, 4711) == {}
    assert distroless.packet_filter_answers([NFT, SAVED], INSIDE, 0) == {}
    assert asked == []
