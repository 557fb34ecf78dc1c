"""Looking things up in a snapshot, and answers that only a TLS server gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.snapshot import needs_tls
from tests.causes.snapshot_builders import SITE, Scene, file, healthy_scene, listener, probe, service


@pytest.mark.parametrize(("status", "body", "expected"), [
    (400, "<h1>400</h1>The plain HTTP request was sent to HTTPS port", True), (400, "Client sent an HTTP request to an HTTPS server.", True),
    (400, "Bad Request", False), (200, "The plain HTTP request was sent to HTTPS port", False), (None, "", False),
])
def test_a_tls_server_that_was_asked_in_plain(status: int | None, body: str, expected: bool) -> None:
    assert needs_tls(probe(status, body=body)) is expected


def test_what_is_there_is_found_by_its_name() -> None:
    seen = healthy_scene().snapshot()
    assert seen.node("local").name == "local"
    assert (seen.service("local/backend.service") or service("x")).name == "backend.service"


def test_what_is_not_there_is_none_or_an_error() -> None:
    seen = healthy_scene().snapshot()
    assert seen.service("local/gone.service") is None and seen.file("local", "/gone") is None and seen.file("web", SITE) is None
    with pytest.raises(KeyError):
        seen.node("web")


def test_a_file_has_the_name_that_is_used_and_its_own() -> None:
    seen = healthy_scene().snapshot()
    assert seen.file("local", SITE) is seen.file("local", "/etc/nginx/sites-available/shop") is not None
    scene = Scene().with_service(service(), listener(8000, 200))
    scene.files.append(file("/srv/a", "x", "web"))
    assert scene.snapshot().file("local", "/srv/a") is None


def test_a_node_with_several_nginx_finds_each_by_its_main_file() -> None:
    seen = healthy_scene().snapshot()
    (own,), (facts,) = seen.nginxes, seen.routes
    other = replace(own, conf_path="/opt/nginx.conf")
    both = replace(seen, nginxes=(own, other))
    assert both.nginx_of(replace(facts, conf="/opt/nginx.conf")) is other
    assert both.nginx_of(replace(facts, conf=own.conf_path)) is own
    assert both.nginx_of(facts) is own and both.nginx_of(replace(facts, node="web")) is None


def test_a_published_port_has_another_number_on_its_node() -> None:
    (endpoint,) = healthy_scene().snapshot().endpoints
    assert (endpoint.port_on_node, replace(endpoint, container_port=80).port_on_node) == (8000, 80)


def test_the_first_file_of_a_path_counts_and_each_snapshot_has_its_own() -> None:
    scene = healthy_scene()
    scene.files = [file("/srv/a", "one", real_path="/srv/b"), file("/srv/b", "two")]
    first = scene.snapshot()
    assert [found.data for path in ("/srv/a", "/srv/b") if (found := first.file("local", path))] == [b"one", b"one"]
    scene.files = [file("/srv/b", "two")]
    assert (found := scene.snapshot().file("local", "/srv/b")) is not None and found.data == b"two"
    assert (found := first.file("local", "/srv/b")) is not None and found.data == b"one"
