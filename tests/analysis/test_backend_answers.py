"""Tests of fixer/analysis/backend_answers.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.backend_answers import BackendAnswers, backend_answers
from fixer.analysis.case import open_case
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.nginx_config import StaticLocation
from fixer.model.snapshot import ProbeResult, Snapshot
from tests.causes.snapshot_builders import BAD_GATEWAY, GOOD, SITE, SLOW, file, healthy_scene, probe

NO_HTTP = Unknown("the upstream protocol is not HTTP")
NGINX_ANSWERS = probe(401, body="<hr><center>nginx/1.30</center>")


def made(http: Fact[ProbeResult], *probes: ProbeResult, servers: int = 1, conf: str = "", **route: Any) -> Snapshot:
    scene = healthy_scene().endpoint(http=http).answers(*probes)
    scene.files[0] = file(SITE, scene.files[0].data.replace(b"listen 80;", b"listen 80; " + conf.encode()))
    scene.route[0] = route
    snapshot = scene.snapshot()
    more = tuple(replace(snapshot.endpoints[0], id=f"m{number}") for number in range(servers - 1))
    ends = (*snapshot.endpoints, *more)
    facts = replace(snapshot.routes[0], endpoints=tuple(end.id for end in ends))
    return replace(snapshot, endpoints=ends, routes=(facts,))


def answers_of(snapshot: Snapshot) -> Fact[BackendAnswers]:
    case = open_case(snapshot, {})
    (judged,) = case.verdicts.values()
    return backend_answers(snapshot, snapshot.nginxes[0], judged, snapshot.endpoints)


def test_direct_answers_come_first() -> None:
    answers = answers_of(made(Known(probe(404, ms=7.0)), GOOD))
    assert isinstance(answers, Known) and answers.value.all_answered and answers.value.slowest_ms == 7.0
    assert answers.value.evidence[0].text == "answers 404 in 7 ms when asked directly"
    silent = answers_of(made(Known(SLOW), GOOD))
    assert isinstance(silent, Known) and not silent.value.all_answered and silent.value.evidence == ()


@pytest.mark.parametrize(("probes", "servers"), [
    ((GOOD,), 1), ((GOOD, probe(404, ms=9.0)), 2), ((NGINX_ANSWERS, GOOD), 1), ((GOOD, BAD_GATEWAY), 1),
])
def test_a_server_without_http_answers_through_nginx(probes: tuple[ProbeResult, ...], servers: int) -> None:
    answers = answers_of(made(NO_HTTP, *probes, servers=servers, kind="uwsgi_pass"))
    assert isinstance(answers, Known) and answers.value.all_answered
    assert "through nginx" in answers.value.evidence[0].text


@pytest.mark.parametrize("snapshot", [
    made(NO_HTTP, GOOD),                                                        # it speaks HTTP, and was not asked
    made(NO_HTTP, NGINX_ANSWERS, kind="uwsgi_pass"),                            # nginx itself
    made(NO_HTTP, GOOD, kind="uwsgi_pass", shadowed=True),                      # perhaps a file
    made(NO_HTTP, GOOD, kind="uwsgi_pass", denies_all=True),
    made(NO_HTTP, GOOD, kind="uwsgi_pass", conf="uwsgi_cache pages;"),
    made(NO_HTTP, GOOD, kind="uwsgi_pass", servers=2),                          # one of them
    made(NO_HTTP, GOOD, GOOD, BAD_GATEWAY, kind="uwsgi_pass", servers=2),       # perhaps twice the same
    made(NO_HTTP, SLOW, kind="uwsgi_pass"),
])
def test_unknown_what_another_may_have_answered(snapshot: Snapshot) -> None:
    answers = answers_of(snapshot)
    assert answers == Unknown("whether 127.0.0.1:8000 answers when asked directly")


def test_unknown_what_the_configuration_returns() -> None:
    snapshot = made(NO_HTTP, GOOD, kind="uwsgi_pass")
    config = snapshot.nginxes[0].config.or_else(None)
    assert config is not None
    source = snapshot.routes[0].route.source
    here = replace(config, statics=(StaticLocation(0, "/", 200, source),))
    nginx = replace(snapshot.nginxes[0], config=Known(here))
    assert isinstance(answers_of(replace(snapshot, nginxes=(nginx,))), Unknown)


def test_a_cache_that_is_off_answers_nothing() -> None:
    assert isinstance(answers_of(made(NO_HTTP, GOOD, kind="uwsgi_pass", conf="uwsgi_cache off;")), Known)
