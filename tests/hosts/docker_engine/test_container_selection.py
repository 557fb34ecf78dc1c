"""Who is in the network of a container that is looked at is looked at too: its name and its ports are theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from fixer.hosts.docker_engine import container_selection, docker_cli
from fixer.hosts.docker_engine.container_selection import Listing, candidate_containers, containers_at, containers_named
from fixer.hosts.docker_engine.docker_cli import Docker, Inspected
from fixer.hosts.docker_engine.engine_answers import with_peers
from fixer.hosts.nodes import nearby_containers
from fixer.model.host import CommandResult
from fixer.model.query import Command


def item(name: str, *networks: str, lender: str = "", published: int = 0) -> Inspected:
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(published)}]} if published else {}
    mode = f"container:{lender}" if lender else (networks or ("none",))[0]
    return {"Id": name, "Name": f"/{name}", "Config": {"Labels": {}}, "State": {"Status": "running"},
            "HostConfig": {"NetworkMode": mode, "PortBindings": ports},
            "NetworkSettings": {"Networks": {net: {"Aliases": [name]} for net in networks}}}


ALL = {str(one["Id"]): one for one in (
    item("web", "front"), item("tunnel", "front", published=8080), item("ledger", lender="tunnel"), item("desk", lender="web"),
    item("stranger", "other"), item("theirs", lender="stranger"), item("apart"), item("host", "host"),
)}


def run(argv: Sequence[str], *, stdin: bytes = b"", **_: object) -> CommandResult:
    words = tuple(argv)
    if words[1] == "inspect":
        names = [name for name in words if name in ALL]
        return CommandResult(words, 0, json.dumps([ALL[name] for name in names]).encode(), b"")
    joined = {name: ",".join(one["NetworkSettings"]["Networks"]) or ("none" if name == "apart" else "") for name, one in ALL.items()}
    row = "{0}\t{1}" if words[-1].count("\t") == 1 else "{0}\t{0}\t\t{1}" if "\t" in words[-1] else "{0}"
    return CommandResult(words, 0, "".join(f"{row.format(*pair)}\n" for pair in joined.items()).encode(), b"")


@pytest.mark.parametrize(("look", "wanted"), [
    (lambda: with_peers(ALL["web"], Docker(run)), ["web", "desk", "ledger", "tunnel"]),
    (lambda: with_peers(ALL["ledger"], Docker(run)), ["ledger", "tunnel"]),
    (lambda: containers_named("front", "tunnel", docker=Docker(run)), ["ledger", "tunnel"]),
    (lambda: containers_named("front", ":8080", docker=Docker(run)), ["ledger", "tunnel"]),
    (lambda: containers_at(("8080",), Listing(Docker(run))), ["ledger", "tunnel"]),
])
def test_those_in_its_network_come_with_it(look: Callable[[], list[Inspected]], wanted: list[str]) -> None:
    assert [docker_cli.name_of(one) for one in look()] == wanted


def test_who_bears_a_name_on_another_network_is_told_and_becomes_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (container_selection, nearby_containers):
        monkeypatch.setattr(module, "Listing", lambda *_: Listing(Docker(run)))
    assert [docker_cli.name_of(one) for one in containers_named("front", "stranger", "tunnel")] == [
        "ledger", "tunnel", "stranger"]
    nodes = nearby_containers.named_container_askers(Command("docker-called", ("front", "stranger", "tunnel")), ())
    assert [one.name for one in nodes] == ["ledger", "tunnel", "engine"]
    (engine,) = nearby_containers.named_container_askers(Command("docker-called", ("front", "stranger")), ())
    assert engine.name == "engine"
    assert nearby_containers.named_container_askers(Command("docker-called", ("front", "host")), ()) == ()      # in the network of the host


@pytest.mark.parametrize(("words", "project", "wanted"), [
    (("host", ":9000"), "", ["apart", "desk", "ledger", "stranger", "theirs", "tunnel", "web"]),
    (("host", ":9000"), "shop", ["apart"]), (("host", ":8080"), "", ["ledger", "tunnel"]),
    (("front", ":9000"), "", []), (("host", "name"), "", []),
])
def test_who_may_be_meant_by_a_port_of_the_docker_host_that_nobody_publishes(
    words: tuple[str, ...], project: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ALL, "apart", {**ALL["apart"], "Config": {"Labels": {docker_cli.PROJECT_LABEL: "shop"}}})
    assert [docker_cli.name_of(one) for one in candidate_containers(words, project, Listing(Docker(run)))] == wanted


def test_one_question_lists_once_and_inspects_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def counting(argv: Sequence[str], **_: object) -> CommandResult:
        asked.append(tuple(argv))
        return run(argv)

    monkeypatch.setattr(nearby_containers, "Listing", partial(Listing, Docker(counting)))
    nodes = nearby_containers.named_container_askers(Command("docker-called", ("host,front", ":9000", "web")), (), "shop")
    assert {"web", "tunnel"} < {one.name for one in nodes}
    assert [words[1] for words in asked] == ["ps", "inspect"]


def test_where_a_row_of_docker_ps_is_not_to_be_had_its_ids_are() -> None:
    def older(argv: Sequence[str], **_: object) -> CommandResult:
        return CommandResult(tuple(argv), 125, b"", b"can't evaluate field Label") if "Label" in argv[-1] else run(argv)

    assert [docker_cli.name_of(one) for one in containers_at(("8080",), Listing(Docker(older)))] == ["ledger", "tunnel"]
