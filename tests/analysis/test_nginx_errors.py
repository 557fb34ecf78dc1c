"""Which lines of nginx's log count as the symptom of a failing address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.nginx_errors import Kinds, events_for, recent_lines_by_route, symptom_evidence, was_logged_since
from fixer.model.facts import Known
from fixer.nginx.error_kinds import CONNECT_FAILED, CONNECTING, CUT_OFF, READ_TIMEOUT
from tests.causes.snapshot_builders import Scene

UP, HEAD = "connecting to upstream", "reading response header from upstream"


@pytest.mark.parametrize(("message", "errno", "phase", "kinds"), [
    ("768 worker_connections are not enough", None, UP, CONNECT_FAILED),
    ("768 worker_connections are not enough", None, UP, CONNECTING),
    ("client timed out (110: Connection timed out) for an upstream", 110, "reading client request headers", READ_TIMEOUT),
    ('FastCGI sent in stderr: "PHP message: invalid argument"', None, HEAD, CUT_OFF),
    ('upstream sent duplicate header line: "X-State: invalid", previous value: "X-State: a"', None, HEAD, CUT_OFF),
    ('open() "/srv/upstream could not be resolved (3: x)" failed (2: No such file)', 2, "", {"name-not-resolved"}),
])
def test_a_line_that_only_looks_like_a_symptom(message: str, errno: int | None, phase: str, kinds: Kinds) -> None:
    snapshot = Scene().refused().logs(message, errno, phase, ago=1.0).snapshot()
    case = open_case(snapshot, {})
    found = events_for(case, case.failing_addresses[0], kinds)
    assert message not in {event.message for event in found}
    assert message in {event.message for event in snapshot.nginxes[0].errors.or_else(())}


def test_a_line_is_quoted_whole_however_long_its_request_is() -> None:
    """nginx names the upstream after the request: what is cut at the end is the proof."""
    case = open_case(Scene().refused().logs("connect() failed (111: Connection refused)", 111, UP, ago=1.0,
                                            path=f"/search/{'word/' * 200}").snapshot(), {})
    quoted = symptom_evidence(case, case.failing_addresses[0])[0].text
    assert quoted.endswith('word/?0 HTTP/1.1"') and len(quoted) > 1000


@pytest.mark.parametrize(("server", "route"), [("_", "r2"), ("", "r1")])
def test_a_line_belongs_to_the_server_that_wrote_it(server: str, route: str) -> None:
    """nginx hands on to an inner server of its own, which has no name and the same location."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:6810").refused().refused(1)
    scene.route.update({0: {"server_index": 0, "server_names": ()}, 1: {"server_index": 1, "location": "/", "path": "/"}})
    scene.events.clear()
    scene.logs("connect() failed (111: Connection refused)", 111, UP, ago=1.0)
    scene.events[:] = [replace(event, server=server) for event in scene.events]
    snapshot = scene.snapshot()
    nginx = snapshot.nginxes[0]
    assert isinstance(nginx.config, Known)
    config = replace(nginx.config.value, server_names=((0, ()), (1, ("_",))))
    snapshot = replace(snapshot, nginxes=(replace(nginx, config=Known(config)),))
    case = open_case(snapshot, {})
    assert list(recent_lines_by_route(case, snapshot.nginxes[0], CONNECT_FAILED)) == [route]
    told = {trouble.endpoint.port for trouble in case.failing_addresses if events_for(case, trouble, CONNECT_FAILED)}
    assert told == {8000 if route == "r1" else 6810}


@pytest.mark.parametrize(("upstream", "counts"), [
    ("http://127.0.0.1:3000/", False), ("http://127.0.0.1:8000/", True), ("http://127.0.0.1:9000/", True), ("", True),
])
def test_a_line_that_names_another_endpoint_is_about_that_one(upstream: str, counts: bool) -> None:
    """Paths overlap: `/api/1/` of another upstream also begins with `/`. What nothing names is an older setting."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:3000").refused()
    scene.events = [replace(event, upstream=upstream) for event in scene.events]
    case = open_case(scene.snapshot(), {})
    assert bool(events_for(case, case.failing_addresses[0], CONNECT_FAILED)) is counts


@pytest.mark.parametrize(("start", "since"), [(57.0, True), (57.9, True), (58.0, False), (60.0, False), (0.0, True)])
def test_a_line_of_the_second_of_a_start_is_no_older(start: float, since: bool) -> None:
    """nginx writes 57 from 57.0 to 57.9; the start of a program is known to the millisecond."""
    event = replace(Scene().logs("x", None, UP).events[0], at=57.0)
    assert was_logged_since(event, start) is since
