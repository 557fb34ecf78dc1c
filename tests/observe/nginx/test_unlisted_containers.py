"""Which containers of other projects are looked at: those that go by a name of nginx's, also beside one of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fixer.model.query import Answer, Command
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.nginx.sites import sites_of
from fixer.observe.nginx.unlisted_containers import named_container_query
from fixer.observe.view.node_view import containers_of, views_of
from tests.observe.capture_builders import BOOT, capture, node

UNLISTED_CONTAINERS_SITE = "server {{ listen 80; location / {{ proxy_pass {}; }} }}"


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
    web = node({Command("resolve", ("app",)): Answer("ok", said)}, site=UNLISTED_CONTAINERS_SITE.format("http://app:8000"), name="web1", kind="container")
    views = views_of(capture(web, engine, kind="docker", address="web1"))
    containers = containers_of(views)
    assert named_container_query(sites_of(views, containers), containers, views) == asked


@pytest.mark.parametrize(("started", "target", "asked"), [
    (BOOT + 601, "http://app:8000", Command("docker-called", ("net", f"@{int(BOOT + 600)}"))),
    (BOOT + 599, "http://app:8000", None),
    (BOOT + 601, "http://10.9.0.3:8000", None),          # nginx looked up no name
])
def test_where_a_named_container_is_younger_than_the_lookup_others_that_are_may_have_its_address(
    started: float, target: str, asked: Command | None,
) -> None:
    """One outside of the project had got it, and was not asked: the target was called healthy."""
    begun = f"{datetime.fromtimestamp(started, UTC):%Y-%m-%dT%H:%M:%S}Z"
    items = [{"Id": name * 16, "Name": f"/{name}", "Path": path, "State": {"Status": "running", "StartedAt": begun}, "Config": {},
              "HostConfig": {"NetworkMode": "net"}, "NetworkSettings": {"Networks": {"net": {"IPAddress": ip, "Aliases": [name]}}}}
             for name, path, ip in (("web1", "nginx", "10.9.0.2"), ("app", "uvicorn", "10.9.0.3"))]
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    web = node({Command("resolve", ("app",)): Answer("ok", b"app 10.9.0.3\n")}, site=UNLISTED_CONTAINERS_SITE.format(target),
               name="web1", kind="container")
    views = views_of(capture(web, engine, kind="docker", address="web1"))
    containers = containers_of(views)
    assert named_container_query(sites_of(views, containers), containers, views) == asked


@pytest.mark.parametrize(("mode", "target", "published", "asked"), [
    ("host", "http://127.0.0.1:8000", 0, Command("docker-called", ("host", ":8000"))),
    ("host", "http://127.0.0.1:8000", 8000, None),                   # one of its own is behind that port
    ("net", "http://127.0.0.1:8000", 0, None),                       # its own loopback
    ("net", "http://host.docker.internal:8000", 0, Command("docker-called", ("net", ":8000"))),
])
def test_a_port_of_the_docker_host_that_a_container_of_another_project_may_publish(
    mode: str, target: str, published: int, asked: Command | None,
) -> None:
    ports = {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(published)}]} if published else {}
    item = {"Id": "w" * 16, "Name": "/web1", "Path": "nginx", "State": {"Status": "running"}, "Config": {},
            "HostConfig": {"NetworkMode": mode, "PortBindings": ports},
            "NetworkSettings": {"Networks": {mode: {"IPAddress": "", "Aliases": []}}}}
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    web = node(site=UNLISTED_CONTAINERS_SITE.format(target), name="web1", kind="container")
    views = views_of(capture(web, engine, kind="docker", address="web1"))
    containers = containers_of(views)
    assert named_container_query(sites_of(views, containers), containers, views) == asked


def test_a_port_that_a_container_was_refused_is_asked_for() -> None:
    item = {"Id": "w" * 16, "Name": "/web1", "Path": "nginx", "State": {"Status": "exited", "Error": "Bind for 1.2.3.4:80 failed: port "
            "is already allocated"}, "Config": {}, "HostConfig": {"NetworkMode": "net", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
            "NetworkSettings": {"Networks": {"net": {"IPAddress": "", "Aliases": []}}}}
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps([item]).encode())}, name="engine", nginx=False)
    views = views_of(capture(engine, kind="docker", address="web1"))
    containers = containers_of(views)
    assert named_container_query((), containers, views) == Command("docker-called", ("net", ":8080"))


def test_who_bears_an_asked_name_on_another_network_is_none_of_the_targets() -> None:
    def item(name: str, network: str, **host: object) -> dict[str, object]:
        return {"Id": name * 16, "Name": f"/{name}", "Path": "nginx" if name == "web1" else "uvicorn", "State": {"Status": "running"},
                "Config": {}, "HostConfig": {"NetworkMode": network, **host},
                "NetworkSettings": {"Networks": {network: {"IPAddress": "10.9.0.9", "Aliases": []}}}}

    asked = Command("docker-called", ("net", "desk", "till"))
    engine = node({Command("docker-container", ("web1",)): Answer("ok", json.dumps([item("web1", "net")]).encode()),
                   asked: Answer("ok", json.dumps([item("desk", "bridge"), item("till", "net")]).encode())}, name="engine", nginx=False)
    web = node(site=UNLISTED_CONTAINERS_SITE.format("http://desk:8000"), name="web1", kind="container")
    seen = build_snapshot(capture(web, engine, kind="docker", address="web1"))
    assert [box.name for box in seen.named_containers] == ["desk"]
    assert [s.name for s in seen.services if s.container is not None] == ["web1", "till"]
    assert seen.endpoints[0].configured_service is None
