"""What a container cannot tell of its packet filter is asked with this machine's tools, in its network."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from typing import Any

import pytest

from fixer.hosts.docker_engine import distroless
from fixer.hosts.docker_engine.distroless import ShelllessContainer, answer_stopped_container
from fixer.hosts.docker_engine.docker_cli import Docker
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
    assert told[NFT].message == "nft: command not found"


def test_what_it_told_itself_stands_and_who_may_not_enter_asks_nothing(asked: list[tuple[str, ...]]) -> None:
    assert distroless.packet_filter_answers([SAVED], {SAVED: Answer("ok", b"*filter")}, 4711) == {}
    assert distroless.packet_filter_answers([NFT, SAVED], INSIDE, 0) == {}
    assert asked == []


@pytest.mark.parametrize(("target", "real"), [("good", "/etc/good"), ("nowhere", None), ("loop", None)])
def test_a_link_that_leads_nowhere_has_no_real_path(target: str, real: str | None) -> None:
    """As every other way of reading tells it."""
    entries = {"/etc/link": target, "/etc/good": None, "/etc/loop": "loop"}

    def copied(argv: Sequence[str], **_: object) -> CommandResult:
        path = argv[2].partition(":")[2]
        out, member = io.BytesIO(), tarfile.TarInfo(path[1:])
        if path not in entries:
            return CommandResult(tuple(argv), 1, b"", b"Could not find the file")
        leads = entries[path]
        member.type, member.linkname = (tarfile.REGTYPE, "") if leads is None else (tarfile.SYMTYPE, leads)
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.addfile(member)
        return CommandResult(tuple(argv), 0, out.getvalue(), b"")

    query = ReadFile("/etc/link")
    (file,) = answer_stopped_container(ShelllessContainer("web", Docker(copied)), "exited", [query])[query].files
    assert file.stat is not None and (file.stat.kind, file.stat.real_path) == ("link", real)
