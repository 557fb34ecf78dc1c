"""Tests of fixer/hosts/nodes/nearby_containers.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from fixer.hosts.docker_engine import container_selection, docker_cli
from fixer.hosts.docker_engine.container_selection import Listing, containers_named
from fixer.hosts.docker_engine.docker_cli import Docker
from fixer.hosts.nodes import nearby_containers
from fixer.model.host import CommandResult
from fixer.model.query import Command
from tests.hosts.docker_engine.container_selection_builders import run


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


def test_one_question_lists_once_and_inspects_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def counting(argv: Sequence[str], **_: object) -> CommandResult:
        asked.append(tuple(argv))
        return run(argv)

    monkeypatch.setattr(nearby_containers, "Listing", partial(Listing, Docker(counting)))
    nodes = nearby_containers.named_container_askers(Command("docker-called", ("host,front", ":9000", "web")), (), "shop")
    assert {"web", "tunnel"} < {one.name for one in nodes}
    assert [words[1] for words in asked] == ["ps", "inspect"]


def test_each_nginx_of_a_machine_comes_with_those_that_it_shares_a_network_with() -> None:
    nodes, queries = nearby_containers.nginx_container_askers(("web", "stranger"), docker=Docker(run))
    assert [one.name for one in nodes] == ["desk", "ledger", "stranger", "theirs", "tunnel", "web", "engine"]
    assert queries == (Command("docker-container", ("stranger",)), Command("docker-container", ("web",)))
    assert nearby_containers.nginx_container_askers(("gone",), docker=Docker(run)) == ((), ())
    assert nearby_containers.nginx_container_askers((), docker=Docker(run)) == ((), ())      # none of them starts nginx
