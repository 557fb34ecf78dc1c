"""Tests of fixer/analysis/other_pages.py: pages beyond a route's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.other_pages import asked_paths, endpoints_for_page, failed_paths, redirect_path, site_url
from fixer.model.facts import Known
from fixer.model.snapshot import Snapshot
from tests.causes.snapshot_builders import GOOD, Scene, healthy_scene, probe


def seen(page: str = "/login") -> Snapshot:
    scene: Scene = healthy_scene().answers(GOOD, probe(502, page=page))
    scene.direct = {0: probe(500, page=page)}
    return scene.snapshot()


@pytest.mark.parametrize(("location", "path"), [
    ("/login", "/login"), ("/login?next=/", "/login"), ("http://127.0.0.1/login", "/login"), ("/", ""), ("//other/login", ""),
    ("http://other.example/login", ""), ("https://127.0.0.1/login", ""), ("/a b", ""), ("/x$(id)", ""), ("login", ""),
])
def test_only_a_plain_path_of_the_same_site_is_followed(location: str, path: str) -> None:
    route = seen().routes[0].route
    assert (redirect_path(route, location), site_url(route)) == (path, "http://127.0.0.1")


def test_the_paths_that_were_asked() -> None:
    facts = seen().routes[0]
    assert asked_paths(facts) == {"/", "/login"}
    assert asked_paths(replace(facts, probes=Known(()))) == frozenset()


def test_the_paths_that_failed() -> None:
    facts = seen().routes[0]
    assert failed_paths(facts) == {"/login"}
    assert failed_paths(replace(facts, probes=Known((GOOD, probe(error="slow"))))) == {"/"}
    assert failed_paths(replace(facts, probes=Known((GOOD,)))) == {"/"}, "it may be an error page"


def test_the_backend_s_own_answer_for_a_page() -> None:
    snapshot = seen()
    for page, status in (("", 200), ("/other", 200), ("/login", 500)):
        (end,) = endpoints_for_page(snapshot.endpoints, snapshot.routes[0], page)
        assert isinstance(end.http, Known) and end.http.value.status == status
