"""Tests of fixer/observe/nginx/page_probes.py: pages beyond each route's own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture
from fixer.model.query import Answer, Probe
from fixer.model.snapshot import RouteFacts
from fixer.model.target import TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.nginx.page_probes import hands_on_paths, route_of_url
from fixer.observe.nginx.sites import sites_of
from fixer.observe.view.node_view import views_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, node, probe_answer
from tests.observe.next_queries_builders import BACK, LISTENS, ROUTE, SITE, WELL, asked, failure

LOGIN = replace(ROUTE, path="/login")
NEAR_LOGIN = replace(BACK, path="/login")


def goes_to(location: str) -> Answer:
    return probe_answer(302, head=f"HTTP/1.1 302 Found\r\nLocation: {location}")


def further(location: str, site: str = SITE, answers: Mapping[Probe, Answer] | None = None) -> list[Probe]:
    """The requests that follow when `/` redirects there."""
    seen = node({**WELL, ROUTE: goes_to(location), **(answers or {})}, site=site, listening=LISTENS)
    return [query for query in asked(seen) if isinstance(query, Probe)]


def test_the_route_that_a_url_asks_for() -> None:
    (site,) = sites_of(views_of(capture(node(site=SITE))), ())
    assert route_of_url(site, "http://a.example:80/") == "r1" and route_of_url(site, "nonsense") is None
    exact = SITE.replace("location /", "location = /")
    (site,) = sites_of(views_of(capture(node(site=exact))), ())
    assert [route_of_url(site, f"http://a.example{path}") for path in ("/", "/login")] == ["r1", None]


def test_a_url_of_a_name_with_a_star_leads_to_its_server() -> None:
    other = "server { listen 80; server_name *.b.example; location / { proxy_pass http://127.0.0.1:9000; } }"
    (site,) = sites_of(views_of(capture(node(site=f"{SITE} {other}"))), ())
    assert [route_of_url(site, f"http://{host}/") for host in ("x.b.example", "a.example", "c.example")] == ["r2", "r1", "r1"]


@pytest.mark.parametrize("location", ["/login", "http://a.example/login", "/login?next=/", "/login#top"])
def test_a_redirect_is_followed_on_the_same_site(location: str) -> None:
    assert further(location) == [LOGIN]


@pytest.mark.parametrize("location", ["/login", "http://localhost/login"])
def test_a_redirect_stays_in_its_server_though_another_has_the_same_port(location: str) -> None:
    """A server for every name is not the first that a lookup by port and name finds."""
    other = "server { listen 80; server_name b.example; location / { proxy_pass http://127.0.0.1:9000; } }"
    unnamed = replace(ROUTE, host_header="localhost")
    seen = node({**WELL, unnamed: goes_to(location), replace(ROUTE, host_header="b.example"): probe_answer(200),
                 replace(BACK, host_header="127.0.0.1"): probe_answer(200)},
                site=f"{other} {SITE.replace('a.example', '_')}", listening=LISTENS)
    assert [query for query in asked(seen) if isinstance(query, Probe) and query.path == "/login"] == [
        replace(unnamed, path="/login")]


@pytest.mark.parametrize(("location", "site"), [
    ("http://b.example/login", SITE), ("https://a.example/login", SITE), ("/", SITE), ("", SITE),
    ("/login?token=x\r\n", SITE.replace("location /", "location = /")),
    ("/login", SITE.replace("location /", "location = /")),              # no route serves it
    ("/login", SITE.replace(" location", " location /login { return 200; } location")),      # nginx answers it itself
    ("/login", SITE.replace(" location", " location ^~ /lo { root /srv; } location")),
])
def test_it_is_not_followed_where_no_backend_is_asked(location: str, site: str) -> None:
    assert further(location, site) == []


def test_a_page_whose_failures_are_logged_is_asked_as_often_as_its_route() -> None:
    seen = node({**WELL, ROUTE: goes_to("/login"), LOGIN: probe_answer(200)}, site=SITE, listening=LISTENS,
                log=failure(30, "/login"))
    again = [q for q in asked(seen, ObserveOptions(repeat=5)) if isinstance(q, Probe)]
    assert again == [replace(probe, attempt=n) for probe in (ROUTE, LOGIN) for n in (1, 2)], "they share the attempts"


def test_a_browser_follows_more_than_one_but_no_circle() -> None:
    assert further("/a", answers={replace(ROUTE, path="/a"): goes_to("/b")}) == [replace(ROUTE, path="/b")]
    assert further("/a", answers={replace(ROUTE, path="/a"): goes_to("/")}) == []
    endless = {replace(ROUTE, path=f"/{n}"): goes_to(f"/{n + 1}") for n in range(9)}
    assert further("/0", answers=endless) == []
    assert len(facts_of(goes_to("/0"), endless).probes.or_else(())) == 4


def facts_of(first: Answer, answers: Mapping[Probe, Answer]) -> RouteFacts:
    seen = node({**WELL, ROUTE: first, **answers}, site=SITE, listening=LISTENS)
    (facts,) = build_snapshot(Capture(TargetRef("local", ""), (seen,), ())).routes
    return facts


def test_a_page_that_fails_is_asked_of_the_backend_itself() -> None:
    failed = {LOGIN: probe_answer(500)}
    assert further("/login", answers=failed) == [NEAR_LOGIN]
    assert further("/login", answers={LOGIN: probe_answer(200)}) == []
    assert further("/login", answers={LOGIN: probe_answer(200, whole=False)}) == [NEAR_LOGIN], "it ends early"
    with_uri = SITE.replace("8000;", "8000/shop/;")      # the backend gets another path
    assert NEAR_LOGIN not in further("/login", with_uri, failed)
    for text, plain in (("http://unix:/run/a.sock", True), ("http://unix:/run/a.sock:/", False), ("http://$to", True)):
        route = replace(facts_of(probe_answer(200), {}).route, pass_text=text)
        assert hands_on_paths(route) is plain and not hands_on_paths(replace(route, kind="scgi_pass"))
    assert hands_on_paths(replace(route, kind="uwsgi_pass", pass_text="unix:/run/a.sock"))
    facts = facts_of(goes_to("/login"), {**failed, NEAR_LOGIN: probe_answer(200)})
    assert [(found.page, found.status) for found in facts.probes.or_else(())] == [("", 302), ("/login", 500)]
    assert [(end, found.page, found.status) for end, found in facts.direct] == [(facts.endpoints[0], "/login", 200)]


MAPPED = ("map $host $to { default one; b.example two; c.example two; d.example $to_d; }\n"
          "upstream one { server 127.0.0.1:8000; } upstream two { server 127.0.0.1:9000; }\n"
          "server { listen 80; server_name a.example b.example c.example www.a.example;"
          " location / { proxy_pass http://$to; } }")
NAME_B = replace(ROUTE, host_header="b.example")
FAR = {replace(BACK, port=9000): probe_answer(200)}


def test_one_name_of_each_address_to_which_a_map_leads_is_asked() -> None:
    """The first name of a server reaches only its own."""
    seen = node({**WELL, ROUTE: probe_answer(200), **FAR}, site=MAPPED, listening=LISTENS)
    assert [query for query in asked(seen) if isinstance(query, Probe)] == [NAME_B]
    domain = node({**WELL, ROUTE: probe_answer(200), **FAR}, listening=LISTENS,
                  site=MAPPED.replace("b.example c.example www.a.example", ".b.example"))
    assert NAME_B in asked(domain), "a domain with its hosts is asked by its own name"
    star = node({**WELL, ROUTE: probe_answer(200), **FAR}, listening=LISTENS, site=MAPPED.replace(
        "a.example b.example c.example www.a.example", "a.example *.example"))
    assert NAME_B in asked(star)
    other = "server { listen 80; server_name b.example c.example; location / { return 200; } }"
    others = node({**WELL, ROUTE: probe_answer(200), **FAR}, listening=LISTENS,
                  site=MAPPED.replace("b.example c.example www.a.example", "www.a.example") + other)
    assert NAME_B not in asked(others), "another server answers that name"


def test_a_name_that_fails_is_named_with_its_share() -> None:
    seen = node({**WELL, ROUTE: probe_answer(200), NAME_B: probe_answer(502), **FAR}, site=MAPPED,
                listening=LISTENS)
    (facts,) = build_snapshot(Capture(TargetRef("local", ""), (seen,), ())).routes
    assert [(found.host, found.status) for found in facts.probes.or_else(())] == [("", 200), ("b.example", 502)]
