"""Which routes fail: nginx's own errors, the application's, those that are meant, and those nobody could judge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.route_verdict import route_verdict
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Listen, Span, StaticLocation
from fixer.model.query import FileStat
from fixer.model.snapshot import ProbeResult
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NGINX_PID,
    NOW,
    REFUSED,
    SITE,
    SLOW,
    Scene,
    healthy_scene,
    listener,
    probe,
    service,
    stopped_service,
    verdict_of,
)


@pytest.mark.parametrize("status", [200, 204, 301, 401, 403, 404, 405, 429])
def test_any_answer_below_500_is_an_answer(status: int) -> None:
    assert diagnose(healthy_scene().answers(probe(status)).snapshot()).verdict == "healthy"


@pytest.mark.parametrize(("tls", "where"), [(True, "https://0.0.0.0:443/"), (False, "http://0.0.0.0:443/")])
def test_what_was_asked_is_named_as_it_was_asked(tls: bool, where: str) -> None:
    seen = Scene("127.0.0.1:8001").with_service(service(), listener(8000, 200)).refused().snapshot()
    facts = seen.routes[0]
    route = replace(facts.route, listens=(Listen("0.0.0.0", 443, tls, False, False, Span(SITE, 2, 0, 0)),))
    told = diagnose(replace(seen, routes=(replace(facts, route=route),)))
    assert where in [one.where for one in told.findings[0].evidence]


def test_what_nginx_refuses_to_take_says_nothing_of_what_is_behind_it() -> None:
    """Without the certificate that it asks visitors for; where what is there was heard to answer, that counts."""
    refused = probe(400, body="<center>No required SSL certificate was sent</center><hr><center>nginx/1.26</center>")
    hung = healthy_scene().answers(refused).endpoint(http=Known(SLOW))
    told = diagnose(hung.snapshot())
    assert told.verdict == "unknown" and any("could not be judged: answers 400, from nginx itself" in note for note in told.notes)
    assert diagnose(healthy_scene().answers(refused).snapshot()).verdict == "healthy"
    own = healthy_scene().answers(probe(400, body="bad words")).endpoint(http=Known(SLOW))
    assert diagnose(own.snapshot()).verdict == "healthy"


def test_a_visitor_whom_nginx_is_told_to_leave_without_an_answer() -> None:
    """Geo blocks, robots: what the configuration ends so for some says nothing of what is behind it."""
    scene = healthy_scene().answers(probe(None, error="closed"))
    scene.statics = (StaticLocation(0, "server", 444, Span(SITE, 3, 0, 0), conditional=True),)
    told = diagnose(scene.snapshot())
    assert told.verdict == "unknown" and any("return 444" in note for note in told.notes)
    scene.logs("worker process 101 exited on signal 11", 0, "")
    assert diagnose(scene.snapshot()).verdict == "broken"
    elsewhere = healthy_scene().answers(probe(None, error="closed"))
    elsewhere.statics = (StaticLocation(1, "server", 444, Span(SITE, 3, 0, 0)),)
    assert diagnose(elsewhere.snapshot()).verdict == "broken"


def test_what_the_application_says_itself_is_a_note() -> None:
    scene = healthy_scene().endpoint(http=Known(probe(503))).answers(probe(503))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy" and "application itself" in diagnosis.notes[0]
    crash = healthy_scene().answers(probe(500, body="Internal Server Error"))
    assert diagnose(crash.snapshot()).verdict == "healthy"


def test_an_inner_gateways_502_is_not_this_nginxs() -> None:
    scene = healthy_scene().endpoint(http=Known(BAD_GATEWAY)).answers(BAD_GATEWAY)
    found = diagnose(scene.snapshot())
    assert found.verdict == "healthy" and any("answers 502" in note and "a gateway in front of it" in note for note in found.notes)


def test_nginxs_own_500_needs_its_page_and_its_log() -> None:
    own = probe(500, body="<center>nginx/1.26</center>")
    quiet = healthy_scene().answers(own)
    assert diagnose(quiet.snapshot()).verdict == "healthy"
    scene = healthy_scene().answers(own).logs("bind(10.9.9.9) failed (99)", 99, "connecting to upstream")
    assert diagnose(scene.snapshot()).verdict == "broken"


def test_a_hidden_error_page_is_still_a_502() -> None:
    styled = probe(502, body="<h1>We are sorry</h1>")
    assert diagnose(Scene().with_service(stopped_service()).refused().answers(styled).snapshot()).verdict == "broken"


@pytest.mark.parametrize("location", ["", "/"])
def test_a_return_502_on_purpose_is_healthy(location: str) -> None:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.statics = (StaticLocation(0, location, 502, Span(SITE, 3, 0, 0)),)
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_some_routes_or_some_requests_is_degraded() -> None:
    two = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200)).refused(1)
    assert diagnose(two.snapshot()).verdict == "degraded"
    assert diagnose(healthy_scene().answers(GOOD, BAD_GATEWAY).snapshot()).verdict == "degraded"


def test_nobody_could_be_asked() -> None:
    scene = healthy_scene()
    scene.probes[0] = Unknown("--no-probe")
    diagnosis = diagnose(scene.snapshot())
    assert (diagnosis.verdict, diagnosis.findings) == ("unknown", ())
    assert diagnose(healthy_scene().answers().snapshot()).verdict == "unknown"
    assert diagnose(healthy_scene().answers(probe(error="permission")).snapshot()).verdict == "unknown"


def test_a_route_of_an_nginx_that_was_not_read_is_left_alone() -> None:
    scene = Scene().with_service(stopped_service()).refused()
    scene.extra = {"nginxes": ()}
    assert diagnose(scene.snapshot()).findings == ()


@pytest.mark.parametrize("status", [200, 302, 401, 403])
def test_a_page_that_comes_from_elsewhere_does_not_hide_that_the_backend_is_gone(status: int) -> None:
    scene = Scene().with_service(stopped_service()).refused().answers(probe(status))
    diagnosis = diagnose(scene.snapshot())
    assert (diagnosis.verdict, diagnosis.findings[0].service) == ("degraded", "backend.service")
    scene.endpoint(listener=Unknown("not root"))
    assert diagnose(scene.snapshot()).verdict == "healthy"      # seen once only: it may just have been restarted


def test_where_the_configuration_always_answers_first_no_backend_is_missed() -> None:
    scene = Scene().with_service(stopped_service()).refused().answers(probe(410))
    scene.statics = (StaticLocation(0, "/", 410, Span(SITE, 3, 0, 0)),)
    assert diagnose(scene.snapshot()).verdict == "healthy"
    scene.statics = (replace(scene.statics[0], conditional=True),)
    assert diagnose(scene.snapshot()).verdict == "degraded"


def test_a_location_that_lets_nobody_in_misses_no_backend() -> None:
    scene = Scene().with_service(stopped_service()).refused().answers(probe(403))
    scene.route[0] = {"denies_all": True}
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_a_backend_that_sleeps_behind_a_maintenance_page_is_told_as_that() -> None:
    scene = Scene().with_service(stopped_service()).refused().answers(probe(503, body="<h1>Back soon</h1>"))
    scene.statics = (StaticLocation(0, "/", 503, Span(SITE, 3, 0, 0), conditional=True),)
    told = diagnose(scene.snapshot())
    assert (told.verdict, told.notes, [f.role for f in told.findings]) == ("healthy", (), ["advice"])
    assert "before anybody is asked" in told.findings[0].summary


def test_a_member_that_is_down_by_design_is_no_fault() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200))
    snapshot = scene.refused(1, down=True).answers(GOOD, route=1).snapshot()
    group = replace(snapshot.routes[0], endpoints=("e0", "e1"))
    assert diagnose(replace(snapshot, routes=(group,))).verdict == "healthy"
    failing = replace(group, probes=Known((BAD_GATEWAY,)))
    diagnosis = diagnose(replace(snapshot, routes=(failing,)))
    assert diagnosis.verdict == "broken" and diagnosis.findings == ()


def test_a_dead_member_of_a_group_that_answers_is_no_fault_but_is_blamed_when_pages_fail() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200))
    scene.with_service(stopped_service("second.service", 9000)).refused(1)
    snapshot = scene.snapshot()
    group = replace(snapshot.routes[0], endpoints=("e0", "e1"))
    told = diagnose(replace(snapshot, routes=(group,)))
    assert told.verdict == "healthy"
    assert [(f.role, f.service, f.repairs) for f in told.findings] == [("advice", "second.service", ())]
    sometimes = replace(group, probes=Known((GOOD, BAD_GATEWAY)))
    diagnosis = diagnose(replace(snapshot, routes=(sometimes,)))
    assert diagnosis.verdict == "degraded" and diagnosis.findings[0].service == "second.service"


def test_lines_of_other_sites_and_of_old_times_are_not_this_routes() -> None:
    scene = healthy_scene().answers(probe(502, body="plain"))
    scene.route[0] = {"server_names": ("shop.example",), "location": "/api", "path": "/api"}
    scene.logs("connect() failed (111)", 111, "connecting to upstream", path="/other")
    scene.logs("connect() failed (111)", 111, "connecting to upstream", path="/api", ago=9000)
    scene.logs("connect() failed (111)", 111, "connecting to upstream", path="/api")
    scene.events[-1] = replace(scene.events[-1], server="other.example")
    assert diagnose(scene.snapshot()).verdict == "healthy"          # the application's own 502
    scene.logs("connect() failed (111)", 111, "connecting to upstream", path="/api/x")
    assert diagnose(scene.snapshot()).verdict == "broken"
    scene.nginx["errors"] = Unknown("not root")
    assert diagnose(scene.snapshot()).verdict == "healthy"
    scene.nginx["config"] = Unknown("not root")
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_the_same_snapshot_gives_the_same_diagnosis() -> None:
    snapshot = Scene("127.0.0.1:8001").with_service(service(), listener(8000, 200)).refused().snapshot()
    assert diagnose(snapshot) == diagnose(snapshot)


def test_evidence_of_a_probe_is_kept_when_it_came_with_the_fact() -> None:
    scene = healthy_scene()
    scene.probes[0] = Known((GOOD,), (Evidence("probe", "http://shop/", "200"),))
    verdict = verdict_of(diagnose(scene.snapshot()), "wrong-port")
    assert isinstance(verdict, RuledOut) and verdict.evidence[0].where == "http://shop/"


def test_nginx_without_a_listener_of_its_own_fails_every_route() -> None:
    assert diagnose(healthy_scene().answers(REFUSED).snapshot()).verdict == "broken"
    assert FileStat("file", 0, 0, 0, 0, NOW, 0, 1).nlink == 1


def test_a_page_of_nginx_is_not_called_the_applications() -> None:
    scene = healthy_scene().answers(probe(503, body="<center>nginx</center>"))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy" and not diagnosis.notes


def test_a_page_that_gave_no_answer_beside_one_that_is_well_is_said() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    scene.with_service(service("b.service", 8001, 300), listener(8001, 300)).endpoint(1, http=Known(SLOW))
    scene.probes[1] = Known((SLOW,))
    seen = diagnose(scene.snapshot())
    assert not seen.findings and any("/1 on 0.0.0.0:80: no answer in time" in note and "--wait" in note for note in seen.notes)
    assert not diagnose(healthy_scene().snapshot()).notes


def test_a_backend_that_nobody_saw_answer_is_not_called_healthy_because_another_one_is() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    scene.with_service(service("b.service", 8001, 300), listener(8001, 300)).endpoint(1, http=Known(SLOW))
    scene.probes[1] = Known((SLOW,))
    seen = diagnose(scene.snapshot())
    assert (seen.verdict, [h.state for h in seen.health]) == ("unknown", ["ok", "unknown"])
    assert "nobody behind it was seen to answer" in seen.notes[0]
    alive = diagnose(scene.endpoint(1, http=Known(GOOD)).snapshot())
    assert alive.verdict == "healthy" and "nobody behind" not in alive.notes[0]      # a slow page of an application that lives
    both = scene.endpoint(1, http=Known(SLOW)).snapshot()
    other = replace(both.routes[0], endpoints=("e1",))
    assert diagnose(replace(both, routes=(other, both.routes[1]))).verdict == "healthy"    # another page of its answers


def test_what_answers_plain_http_is_not_seen_to_answer_tls() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    scene.endpoint(1, http=Known(probe(error="slow", phase="head")))
    scene.probes[1] = Known((SLOW,))
    assert diagnose(scene.snapshot()).verdict == "healthy"
    scene.route[1] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000"}
    assert diagnose(scene.snapshot()).verdict == "unknown"


@pytest.mark.parametrize(("direct", "pass_text", "verdict"), [
    (probe(200, ms=30.0), "http://$name:8001", "unknown"),
    (probe(200, ms=30.0), "http://127.0.0.1:8001/shop/", "healthy"),       # nginx asks for another page there
    (probe(200, ms=1500.0), "http://127.0.0.1:8001", "healthy"),           # slow for whoever asks
])
def test_a_page_that_its_backend_gives_at_once_is_not_just_slow(direct: ProbeResult, pass_text: str, verdict: str) -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    scene.with_service(service("b.service", 8001, 300), listener(8001, 300)).endpoint(1, http=Known(direct))
    scene.probes[1] = Known((SLOW,))
    made = scene.snapshot()
    routes = (made.routes[0], replace(made.routes[1], route=replace(made.routes[1].route, path="/", pass_text=pass_text)))
    seen = diagnose(replace(made, routes=routes))
    assert seen.verdict == verdict and ("the same page at once" in seen.notes[0]) == (verdict == "unknown")


def test_a_page_behind_an_address_that_takes_no_connection_is_not_just_slow() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200)).answers(GOOD)
    scene.answers(SLOW, route=1).endpoint(1, tcp=Known(SLOW), http=Known(SLOW), listener=Unknown("another machine"))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded"
    assert [h.state for h in diagnosis.health] == ["ok", "failing"]


def test_a_page_behind_a_name_that_leads_nowhere_is_not_just_slow() -> None:
    """A container that is down between two tries has no name: nginx waits at its old address, and nobody is there."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200)).answers(GOOD)
    scene.answers(SLOW, route=1)
    scene.endpoint(1, addresses=Known(()), tcp=Unknown("not asked"), http=Unknown("not asked"), listener=Unknown("not asked"))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded"
    assert [h.state for h in diagnosis.health] == ["ok", "failing"]


def test_what_comes_back_from_nginx_itself_is_no_applications_answer() -> None:
    scene = Scene("127.0.0.1:80").answers(BAD_GATEWAY).endpoint(http=Known(BAD_GATEWAY))
    scene.listeners = [listener(80, NGINX_PID, "0.0.0.0")]
    assert diagnose(scene.snapshot()).verdict == "broken"
    scene.listeners = [listener(80, 77, "0.0.0.0")]      # another program's, on another address
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_what_another_gateway_says_in_place_of_an_application_is_no_health() -> None:
    busy = probe(503, body="<h1>503 Service Unavailable</h1> No server is available to handle this request.")
    for gateway, status, verdict in (("haproxy", 503, "broken"), ("", 503, "healthy"), ("nginx", 503, "healthy"),
                                     ("haproxy", 500, "healthy")):
        told = replace(busy, status=status)
        scene = healthy_scene().answers(told).endpoint(http=Known(told))
        scene.services = [replace(scene.services[0], is_app_server=not gateway, gateway=gateway)]
        assert diagnose(scene.snapshot()).verdict == verdict, (gateway, status)


def test_what_came_of_another_gateway_counts_though_it_kept_a_page_for_the_look_at_it() -> None:
    """A cache answers the name that we ask by from what it keeps, and visitors with an error of its own."""
    error = probe(503, body="<h1>Error 503 Backend fetch failed</h1>")
    for gateway, answer, verdict in (("varnishd", error, "broken"), ("", error, "healthy"), ("varnishd", GOOD, "healthy")):
        scene = healthy_scene().answers(answer)
        scene.services = [replace(scene.services[0], is_app_server=not gateway, gateway=gateway)]
        assert diagnose(scene.snapshot()).verdict == verdict, (gateway, answer)


@pytest.mark.parametrize(("location", "names", "text", "judged"), [
    ("~ ^/x/(?<port>80\\d\\d)/", ("_",), "http://127.0.0.1:$port", "unknown"),
    ("~ ^/x/(80\\d\\d)/", ("_",), "http://127.0.0.1:$1/", "unknown"),
    ("/", ("~^(?<app>\\w+)\\.example$",), "http://${app}.internal:8000", "unknown"),
    ("/", ("_",), "http://$arg_backend", "unknown"), ("/", ("_",), "http://$http_x_pool", "unknown"),
    ("/", ("_",), "http://$backend", "failing"), ("~ ^/x/(?<page>\\w+)", ("_",), "http://127.0.0.1:8000/$page", "failing"),
    ("/", ("_",), "http://$http_host:8000", "failing"),
])
def test_where_the_request_chooses_the_address_ours_proves_nothing(
    location: str, names: tuple[str, ...], text: str, judged: str,
) -> None:
    scene = Scene().refused()
    scene.route[0] = {"location": location, "server_names": names, "pass_text": text}
    facts = scene.snapshot()
    assert route_verdict(facts.routes[0], facts.endpoints, facts.nginxes[0], facts).state == judged
