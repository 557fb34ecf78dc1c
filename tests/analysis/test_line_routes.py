"""The routes that a line of nginx's error log can belong to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.line_routes import LineRoutes
from fixer.model.nginx_config import Span, StaticLocation
from tests.causes.snapshot_builders import SITE, Scene


def told(path: str, *locations: str, server: str = "", **changes: Any) -> list[str]:
    scene = Scene(*(f"127.0.0.1:{8000 + n}" for n in range(len(locations))))
    scene.route.update({n: {"location": at, "server_names": ("shop.example",)} for n, at in enumerate(locations)})
    scene.statics = (StaticLocation(0, "/static", None, Span(SITE, 3, 0, 0)),)
    scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", path=path)
    event = replace(scene.events[0], server=server, **changes)
    snapshot = scene.snapshot()
    case = open_case(snapshot, {})
    return [judged.facts.route.location for judged in LineRoutes(case, snapshot.nginxes[0]).of(event)]


@pytest.mark.parametrize(("path", "expected"), [
    ("/api/users", ["/api"]), ("/login", ["/"]), ("/exact", ["= /exact"]), ("/exact/more", ["/"]), ("/static/x.js", ["/"]),
])
def test_the_longest_location_is_chosen(path: str, expected: list[str]) -> None:
    upstream = "http://127.0.0.1:8000/" if path.startswith("/static") else ""
    assert told(path, "/", "/api", "= /exact", upstream=upstream) == expected


def test_a_pattern_may_be_chosen_too() -> None:
    assert told("/a.php", "/", r"~ \.php$") == ["/", r"~ \.php$"]
    assert told("/a.php", "/", r"~ \.php$", upstream="http://127.0.0.1:8001/a.php") == [r"~ \.php$"]


def test_the_address_tells_what_a_rewrite_hides() -> None:
    assert told("/old", "/", "@app", upstream="http://127.0.0.1:8001/new") == ["@app"]


@pytest.mark.parametrize(("server", "expected"), [("shop.example", ["/"]), ("", ["/"]), ("other.example", [])])
def test_the_server_must_be_one_of_ours(server: str, expected: list[str]) -> None:
    assert told("/x", "/", server=server) == expected


def test_a_line_without_a_request_is_the_servers() -> None:
    assert told("/x", "/", "/api", request="") == ["/", "/api"]


def test_a_subrequest_has_its_own_path() -> None:
    assert told("/x", "/", "/auth", raw='x", subrequest: "/auth", upstream') == ["/auth"]
