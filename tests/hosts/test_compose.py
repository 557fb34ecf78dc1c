"""How the containers of a project are named, and which of them may be changed."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.errors import NeedsPerson
from fixer.hosts.compose import ComposeTarget, name_nodes
from fixer.hosts.open_target import parse_target


def item(name: str, service: str = "") -> dict[str, Any]:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service} if service else {}
    return {"Name": f"/{name}", "Id": name * 2, "Config": {"Labels": labels, "Cmd": ["nginx"]}, "State": {}, "Path": "nginx"}


@pytest.mark.parametrize(("items", "names"), [
    ([item("shop-web-1", "web"), item("shop-app-1", "app")], ["web", "app"]),
    ([item("shop-app-1", "app"), item("shop-app-2", "app"), item("shop-web-1", "web")], ["shop-app-1", "shop-app-2", "web"]),
    ([item("shop-engine-1", "engine")], ["shop-engine-1"]), ([item("stray")], ["stray"]), ([], []),
])
def test_a_container_goes_by_its_service_where_that_has_only_one(items: list[dict[str, Any]], names: list[str]) -> None:
    named = name_nodes(items)
    assert list(named) == names and list(named.values()) == items


def test_only_what_belongs_to_the_project_has_a_writer() -> None:
    target = ComposeTarget(parse_target("compose://shop"), [item("shop-web-1", "web")])
    assert (target.writer("web").name, target.writer("engine").name) == ("web", "engine")
    with pytest.raises(NeedsPerson, match="app is not a container of compose://shop"):
        target.writer("app")


def test_the_nodes_are_in_order_and_the_engine_is_last() -> None:
    target = ComposeTarget(parse_target("compose://shop"), [item("shop-web-1", "web"), item("shop-app-1", "app")])
    assert [asker.name for asker in target.askers()] == ["app", "web", "engine"]
