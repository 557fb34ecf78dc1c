"""Which containers of other projects are looked at: those that go by a name of nginx's, also beside one of its own."""

from __future__ import annotations

import json

import pytest

from fixer.model.query import Answer, Command
from fixer.observe.calling import called_query
from fixer.observe.collect import containers_of, sites_of, views_of
from tests.observe.made import capture, node

SITE = "server {{ listen 80; location / {{ proxy_pass {}; }} }}"


@pytest.mark.parametrize(("said", "asked"), [
    (b"app 10.9.0.3\n", None),
    (b"app 10.9.0.3\napp 10.9.0.8\n", Command("docker-called", ("net", "10.9.0.8"))),
    (b"app 10.9.0.8\n", Command("docker-called", ("net", "app", "10.9.0.8"))),
])
def test_an_address_that_is_nobodys_of_the_target(said: bytes, asked: Command | None) -> None:
    def item(name: str, address: str) -> dict[str, object]:
        return {"Id": name * 16, "Name": f"/{name}", "Path": "nginx" if name == "web1" else "uvicorn",
                "State": {"Status": "running"}, "Config": {}, "HostConfig": {"NetworkMode": "net"},
                "NetworkSettings": {"Networks": {"net": {"IPAddress": address, "Aliases": [name]}}}}

    items = [item("web1", "10.9.0.2"), item("till", "10.9.0.3")]
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    web = node({Command("resolve", ("app",)): Answer("ok", said)}, site=SITE.format("http://app:8000"), name="web1", kind="container")
    views = views_of(capture(web, engine, kind="docker", address="web1"))
    containers = containers_of(views)
    assert called_query(sites_of(views, containers), containers, views) == asked
