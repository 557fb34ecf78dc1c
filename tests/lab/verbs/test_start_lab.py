"""Tests of lab/verbs/start_lab.py that need no engine; tests/lab/verbs/test_up.py starts real labs."""

from __future__ import annotations

import pytest

from lab.verbs.start_lab import sites_of
from tests.lab.verbs.test_orientation import paper_lab


def test_the_oracle_judges_the_second_site_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.stack.docker_engine.published_port", lambda container, port: 8080)
    counts = set()
    for seed in range(10):
        lab = paper_lab("host", seed)
        drawn, sites = lab.deployment, sites_of(lab)
        assert [site.host for site in sites] == [drawn.visit_name, drawn.second_name][:1 + drawn.second_site]
        assert all((site.user, site.password) == (drawn.login, drawn.password) for site in sites)
        counts.add(len(sites))
    assert counts == {1, 2}
