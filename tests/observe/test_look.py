"""Tests of fixer/observe/look.py."""

from __future__ import annotations

from fixer.lazy.dataclass import replace
from fixer.model.query import Answer, ReadFile
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


def test_a_round_of_probes_alone_leaves_the_services_as_they_were() -> None:
    """They are not worked out again; what another answer says is."""
    seen = node(site=SITE, running=[process(7, ["uvicorn", "a", "--port", "8000"])])
    first = look_at(capture(seen), ObserveOptions())
    heard = replace(seen, answers={**seen.answers, BACK: Answer("ok", data=b"{}")})
    probed = look_at(capture(heard), ObserveOptions())
    assert probed.services is first.services and BACK in probed.views["local"].node.answers
    read = replace(heard, answers={**heard.answers, ReadFile("/etc/os-release"): Answer("absent")})
    assert look_at(capture(read), ObserveOptions()).services is not first.services
