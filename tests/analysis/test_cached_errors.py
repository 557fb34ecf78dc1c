"""Errors that only nginx's cache can have given, and what a `*_cache_valid` keeps."""

from __future__ import annotations

import pytest

from fixer.analysis.cached_errors import cached_error, keeps, reveal_cached_error
from fixer.analysis.case import open_case
from fixer.analysis.directives_in_effect import PlacedDirective
from fixer.model.facts import Known
from fixer.nginx.tree import parse
from tests.causes.snapshot_builders import GOOD, Scene, healthy_scene, probe
from tests.causes.test_cached_error import APP, keeping


@pytest.mark.parametrize(("text", "status", "kept"), [
    ("proxy_cache_valid any 1m;", 502, True), ("proxy_cache_valid 502 504 1m;", 502, True),
    ("proxy_cache_valid 502 504 1m;", 503, False), ("proxy_cache_valid 1m;", 502, False),
    ("proxy_cache_valid 1m;", 200, True), ("proxy_cache_valid any 0;", 502, False),
])
def test_what_it_keeps(text: str, status: int, kept: bool) -> None:
    directive = parse(text.encode()).directives[0]
    assert keeps(PlacedDirective("/f", 1, directive), status) is kept


def found_in(scene: Scene) -> object:
    snapshot = scene.snapshot()
    facts, nginx = snapshot.routes[0], snapshot.nginxes[0]
    return cached_error(facts, (snapshot.endpoints[0],), nginx, snapshot)


def test_an_error_that_only_the_cache_can_have_given() -> None:
    assert found_in(keeping()) is not None
    assert found_in(healthy_scene()) is None
    assert found_in(keeping().endpoint(down=True)) is None        # no server says that it is well
    assert found_in(keeping().answers(probe(error="slow"))) is None


def test_the_application_s_own_error_fails_the_route_only_if_it_is_cached() -> None:
    for scene, state in ((keeping(page=APP), "failing"), (keeping(page=APP).endpoint(http=Known(APP)), "ok"),
                         (keeping(page=GOOD), "ok")):
        snapshot = scene.snapshot()
        case = open_case(snapshot, {})
        assert [verdict.state for verdict in case.verdicts.values()] == [state]
        verdict = next(iter(case.verdicts.values()))
        assert reveal_cached_error(verdict, (snapshot.endpoints[0],), None, snapshot) is verdict
