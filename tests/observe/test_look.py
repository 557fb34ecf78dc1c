"""Tests of fixer/observe/look.py."""

from __future__ import annotations

from fixer.observe.look import look_at
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, node, process
from tests.observe.next_queries_builders import BACK, ROUTE, SITE


def test_what_the_answers_show() -> None:
    seen = node(site=SITE, running=[process(7, ["uvicorn", "a", "--port", "8000"])])
    look = look_at(capture(seen), ObserveOptions())
    (site,) = look.sites
    assert [*look.views] == ["local"] and site.view is look.views["local"] and look.containers == ()
    assert "uvicorn[7]" in {service.name for service in look.services}
    plan = look.plan(site)
    assert [*plan.by_address.values()] == [BACK] and ROUTE in [probe for some in plan.by_route.values() for probe in some]
    silent = look_at(capture(seen), ObserveOptions(probe=False))
    assert not silent.plan(silent.sites[0]).by_route
