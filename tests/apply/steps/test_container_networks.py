"""A container joined to a network and taken off it: its names and the addresses chosen for it go along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fixer.apply.steps.container_step import change_network, undo_network
from fixer.errors import Conflict
from fixer.model.host import CommandResult
from fixer.model.plan import NetworkAction

OFF = NetworkAction("f" * 64, "shop-api-1", "front", "disconnect", ("api",), ("10.1.0.9", "fd00::9"))


@dataclass
class Engine:
    """Notes what it is asked; the container is on no network, and made by compose where there is a service."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    ident: str = "f" * 64
    service: str = ""

    def run(self, argv: Sequence[str], **_: Any) -> CommandResult:
        self.asked.append(tuple(argv))
        said = f"{self.ident} {self.service}\n" if any("{{.Id}}" in word for word in argv) else "{}"
        return CommandResult(tuple(argv), 0, said.encode(), b"")


def test_a_container_that_goes_back_to_its_network_has_its_addresses_there() -> None:
    engine = Engine()
    change_network(OFF, engine)  # type: ignore[arg-type]
    assert engine.asked == [("docker", "network", "disconnect", "front", "shop-api-1")]
    assert undo_network(OFF, engine) == "connected container shop-api-1 and network front"  # type: ignore[arg-type]
    assert engine.asked[-1] == ("docker", "network", "connect", "--alias", "api", "--ip", "10.1.0.9", "--ip6", "fd00::9",
                                "front", "shop-api-1")


def test_another_container_of_that_name_stays_off_the_network_and_one_that_compose_made_anew_joins_it() -> None:
    engine = Engine(ident="a" * 64)
    with pytest.raises(Conflict, match=r"Container shop-api-1 was replaced by another one with the same name\. It was left unchanged\."):
        undo_network(OFF, engine)  # type: ignore[arg-type]
    assert not any("connect" in words for words in engine.asked)
    assert undo_network(OFF, Engine(ident="a" * 64, service="api")).startswith("connected")  # type: ignore[arg-type]
