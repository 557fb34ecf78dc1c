"""Tests of fixer/observe/nginx/probes.py."""

from __future__ import annotations

import pytest

from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture
from fixer.model.facts import Known, Unknown
from fixer.model.query import Probe
from fixer.model.target import TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, node, probe_answer
from tests.observe.next_queries_builders import LISTENS, SITE, WELL, asked, failure

ROUTE = Probe("127.0.0.1", 80, "/", host_header="a.example")
BACK = Probe("127.0.0.1", 8000, "/", host_header="a.example")


def test_the_second_round_probes_and_then_all_is_said() -> None:
    seen = node(site=SITE, listening=LISTENS)
    assert asked(seen) == [BACK, ROUTE]
    assert asked(node(WELL, site=SITE, listening=LISTENS)) == []
    assert asked(seen, ObserveOptions(probe=False)) == []


@pytest.mark.parametrize(("path", "asked_again"), [
    ("/api/users/", "/api/users/"), ("/api/x", "/api/"), ("/other", "/"), ("/api/users/7?a=1", "/api/users/"),
])
def test_the_longest_location_of_the_failed_request_is_asked_again(path: str, asked_again: str) -> None:
    locations = "".join(f"location {at} {{ proxy_pass http://127.0.0.1:8000; }} " for at in ("/", "/api/", "/api/users/"))
    others = SITE.replace("a.example", "b.example").replace("location /", "location /api/users/7")
    site = f"server {{ listen 80; server_name a.example; {locations}}} {others}"
    first = [q for q in asked(node(site=site, listening=LISTENS)) if isinstance(q, Probe)]
    seen = node({probe: probe_answer(200) for probe in first}, site=site, listening=LISTENS, log=failure(30, path))
    again = {(q.host_header, q.path) for q in asked(seen, ObserveOptions(repeat=2)) if isinstance(q, Probe)}
    assert again == {("a.example", asked_again)}


def test_slower_probes_when_asked_to_wait() -> None:
    assert {q.timeout for q in asked(node(site=SITE, listening=LISTENS), ObserveOptions(wait=9)) if isinstance(q, Probe)} == {9}


def test_with_a_number_of_requests_every_route_is_asked_as_often() -> None:
    """Several share what one look may send; nothing is asked again where the first request failed."""
    again = [q.attempt for q in asked(node(WELL, site=SITE, listening=LISTENS), ObserveOptions(requests=6)) if isinstance(q, Probe)]
    assert again == [1, 2, 3, 4, 5]
    bad = node({**WELL, ROUTE: probe_answer(502)}, site=SITE, listening=LISTENS)
    assert not [q for q in asked(bad, ObserveOptions(requests=6)) if isinstance(q, Probe)]
    sites = "".join(SITE.replace("a.example", f"{name}.example") for name in "abcd")
    first = {q: probe_answer(200) for q in asked(node(site=sites, listening=LISTENS)) if isinstance(q, Probe)}
    many = [q for q in asked(node(first, site=sites, listening=LISTENS), ObserveOptions(requests=200)) if isinstance(q, Probe)]
    assert {name: sum(q.host_header == f"{name}.example" for q in many) for name in "abcd"} == dict.fromkeys("abcd", 99)
    told = Capture(TargetRef("local", ""), (node(first, site=sites, listening=LISTENS),), (), ObserveOptions(requests=200).pairs())
    assert [note for note in build_snapshot(told).notes if "100 times" in note]
    told = replace(told, options=ObserveOptions(requests=100).pairs())
    assert not [note for note in build_snapshot(told).notes if "times" in note]


def test_failing_routes_share_the_attempts_and_what_was_asked_counts() -> None:
    log = failure(30) + failure(30).replace("a.example", "b.example")
    sites = SITE + SITE.replace("a.example", "b.example")
    first = {q: probe_answer(200) for q in asked(node(site=sites, listening=LISTENS)) if isinstance(q, Probe)}
    again = [q for q in asked(node(first, site=sites, listening=LISTENS, log=log), ObserveOptions(repeat=9)) if isinstance(q, Probe)]
    assert sorted((q.host_header, q.attempt) for q in again) == [(f"{name}.example", n) for name in "ab" for n in (1, 2, 3, 4)]
    made = {replace(ROUTE, attempt=n): probe_answer(502) for n in range(1, 9)}      # as an earlier version did
    told = Capture(TargetRef("local", ""), (node({**first, **made}, site=sites, listening=LISTENS, log=log),), (), ObserveOptions(repeat=9).pairs())
    probes = build_snapshot(told).routes[0].probes
    assert isinstance(probes, Known) and len(probes.value) == 9


def test_a_route_that_failed_just_now_is_asked_again() -> None:
    seen = node(WELL, site=SITE, listening=LISTENS, log=failure(30))
    again = asked(seen, ObserveOptions(repeat=4))
    assert [q.attempt for q in again if isinstance(q, Probe)] == [1, 2, 3]
    older = asked(node(WELL, site=SITE, listening=LISTENS, log=failure(800)), ObserveOptions(repeat=4))
    assert [q.attempt for q in older if isinstance(q, Probe)] == [1, 2, 3]
    assert asked(node(WELL, site=SITE, listening=LISTENS, log=failure(1000))) == []
    bad = node({**WELL, ROUTE: probe_answer(502)}, site=SITE, listening=LISTENS, log=failure(30))
    assert not [q for q in asked(bad) if isinstance(q, Probe)]
    repeated = {Probe("127.0.0.1", 80, "/", host_header="a.example", attempt=n): probe_answer(504) for n in (1, 2, 3)}
    told = Capture(TargetRef("local", ""), (node({**WELL, **repeated}, site=SITE, listening=LISTENS, log=failure(30)),), (),
                   ObserveOptions(repeat=4).pairs())
    probes = build_snapshot(told).routes[0].probes
    assert isinstance(probes, Known) and [p.status for p in probes.value] == [200, 504, 504, 504]


def test_at_most_fifty_probes_distinct_endpoints_first() -> None:
    site = "server { listen 80; " + "".join(f"location /{n} {{ proxy_pass http://127.0.0.1:{9000 + n}; }} " for n in range(40)) + "}"
    probes = [q for q in asked(node(site=site)) if isinstance(q, Probe)]
    assert len(probes) == 50 and len({q.port for q in probes if q.port >= 9000}) == 40
    seen = build_snapshot(capture(node(site=site)))
    assert any("30 probes were skipped: fixer makes at most 50 probes per node" in note for note in seen.notes)
    assert isinstance(seen.routes[-1].probes, Unknown)


def test_hundreds_of_sites_before_one_backend_are_asked_through_nginx_too() -> None:
    sites = "".join(SITE.replace("a.example", f"s{n}.example") for n in range(300))
    probes = [q for q in asked(node(site=sites, listening=LISTENS)) if isinstance(q, Probe)]
    assert len(probes) == 50 and [q.port for q in probes].count(8000) == 1
    assert len({q.host_header for q in probes if q.port == 80}) == 49


def test_of_hundreds_of_backends_some_are_asked_through_nginx_and_what_failed_just_now_first() -> None:
    sites = "".join(SITE.replace("a.example", f"s{n}.example").replace("8000", str(9000 + n)) for n in range(300))
    quiet = [q for q in asked(node(site=sites, listening=LISTENS)) if isinstance(q, Probe)]
    assert len(quiet) == 50 and sum(q.port == 80 for q in quiet) == 10
    line = failure(5).replace("server: a.example", "server: s250.example")
    loud = [q for q in asked(node(site=sites, listening=LISTENS, log=line)) if isinstance(q, Probe)]
    assert {(q.port, q.host_header) for q in loud} >= {(9250, "s250.example"), (80, "s250.example")} and len(loud) == 50


def test_the_users_own_url_first() -> None:
    options = ObserveOptions(url="http://a.example/login?x=1")
    first = next(q for q in asked(node(site=SITE, listening=LISTENS), options) if isinstance(q, Probe) and q.port == 80)
    assert (first.path, first.host_header, first.timeout) == ("/login?x=1", "a.example", 65.0)
    short = SITE.replace("location / {", "location / { proxy_connect_timeout 3; proxy_send_timeout 4; proxy_read_timeout 5;")
    limits = [q.timeout for q in asked(node(site=short, listening=LISTENS), options) if isinstance(q, Probe) and q.port == 80]
    assert limits == [12.0, 2.0], "as long as that nginx waits"
    late = Capture(TargetRef("local", ""), (node({**WELL, first: probe_answer(error="timeout")}, site=SITE, listening=LISTENS),),
                   (), options.pairs())
    assert [facts.url_asked for facts in build_snapshot(late).routes] == [True]
