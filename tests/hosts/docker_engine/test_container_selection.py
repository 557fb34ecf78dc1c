"""Who is in the network of a container that is looked at is looked at too: its name and its ports are theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.container_selection import Listing, candidate_containers, containers_at, containers_named
from fixer.hosts.docker_engine.docker_cli import Docker, Inspected
from fixer.hosts.docker_engine.engine_answers import with_peers
from fixer.model.host import CommandResult
from tests.hosts.docker_engine.container_selection_builders import ALL, run


@pytest.mark.parametrize(("look", "wanted"), [
    (lambda: with_peers(ALL["web"], Docker(run)), ["web", "desk", "ledger", "tunnel"]),
    (lambda: with_peers(ALL["ledger"], Docker(run)), ["ledger", "tunnel"]),
    (lambda: containers_named("front", "tunnel", docker=Docker(run)), ["ledger", "tunnel"]),
    (lambda: containers_named("front", ":8080", docker=Docker(run)), ["ledger", "tunnel"]),
    (lambda: containers_at(("8080",), Listing(Docker(run))), ["ledger", "tunnel"]),
])
def test_those_in_its_network_come_with_it(look: Callable[[], list[Inspected]], wanted: list[str]) -> None:
    assert [docker_cli.name_of(one) for one in look()] == wanted


def test_who_was_started_since_a_time_may_have_got_an_old_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """1000 is 00:16:40 of the first day; only what runs on one of the networks can answer there."""
    for name, status, begun in (("web", "running", "00:16:39"), ("tunnel", "running", "00:16:41"), ("desk", "exited", "00:20:00"),
                                ("stranger", "running", "00:20:00")):
        state = {"Status": status, "StartedAt": f"1970-01-01T{begun}.5Z"}
        monkeypatch.setitem(ALL, name, {**ALL[name], "State": state})
    assert [docker_cli.name_of(one) for one in containers_named("front", "@1000", docker=Docker(run))] == ["ledger", "tunnel"]
    assert [docker_cli.name_of(one) for one in containers_named("front", "web", "@1000", docker=Docker(run))][-1] == "web"


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


def test_where_a_row_of_docker_ps_is_not_to_be_had_its_ids_are() -> None:
    def older(argv: Sequence[str], **_: object) -> CommandResult:
        return CommandResult(tuple(argv), 125, b"", b"can't evaluate field Label") if "Label" in argv[-1] else run(argv)

    assert [docker_cli.name_of(one) for one in containers_at(("8080",), Listing(Docker(older)))] == ["ledger", "tunnel"]
