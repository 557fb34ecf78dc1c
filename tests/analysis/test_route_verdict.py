"""Which routes fail: nginx's own errors, the application's, those that are meant, and those nobody could judge."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.route_verdict import events_since, has_unloaded_config, route_verdict
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Chooser, Listen, Span, StaticLocation, UpstreamServer
from fixer.model.query import FileStat
from fixer.model.snapshot import ErrorEvent, ProbeResult, RouteFacts, Service, Snapshot
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NGINX_PID,
    NOW,
    REFUSED,
    SITE,
    SLOW,
    Scene,
    causes_of,
    error_event,
    failed_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stopped_service,
    unit,
)


@pytest.mark.parametrize(("later", "unloaded"), [(-0.4, False), (0.08, False), (0.4, False), (0.6, True), (60.0, True)])
def test_a_file_and_a_worker_of_one_moment_are_in_no_order(later: float, unloaded: bool) -> None:
    """An entry point writes the files and becomes nginx at once; clock and uptime are not read at one moment."""
    nginx = healthy_scene().snapshot().nginxes[0]
    assert has_unloaded_config(replace(nginx, config_mtime=Known(nginx.loaded_at.or_else(0.0) + later))) is unloaded


@pytest.mark.parametrize("status", [200, 204, 301, 401, 403, 404, 405, 429])
def test_any_answer_below_500_is_an_answer(status: int) -> None:
    assert diagnose(healthy_scene().answers(probe(status)).snapshot()).verdict == "healthy"


def test_an_answer_that_ends_early_is_none() -> None:
    """Its status went out first: browsers show half a page, or an error."""
    early = probe(200, whole=False)
    seen = healthy_scene().answers(early, GOOD).snapshot()
    (judged,) = open_case(seen, {}).verdicts.values()
    assert (judged.state, judged.reason) == ("degraded", "answers 200, and ends early (1 of 2 requests)")
    assert diagnose(seen).verdict == "degraded"
    assert diagnose(healthy_scene().answers(probe(200, whole=True)).snapshot()).verdict == "healthy"


@pytest.mark.parametrize(("tls", "where"), [(True, "https://0.0.0.0:443/"), (False, "http://0.0.0.0:443/")])
def test_what_was_asked_is_named_as_it_was_asked(tls: bool, where: str) -> None:
    seen = Scene("127.0.0.1:8001").with_service(service(), listener(8000, 200)).refused().snapshot()
    facts = seen.routes[0]
    route = replace(facts.route, listens=(Listen("0.0.0.0", 443, tls, False, False, Span(SITE, 2, 0, 0)),))
    told = diagnose(replace(seen, routes=(replace(facts, route=route),)))
    assert where in [one.where for one in told.findings[0].evidence]


@pytest.mark.parametrize(("direct", "verdict"), [("not-http", "broken"), ("", "unknown")])
def test_visitors_who_get_what_is_no_http_have_no_page(direct: str, verdict: str) -> None:
    """nginx hands such bytes on; whether they come from the backend, only a request to it shows."""
    scene = healthy_scene().answers(probe(error="not-http", phase="head"))
    if direct:
        scene.endpoint(http=Known(probe(error=direct, phase="head")), tcp=Known(probe()))
    assert diagnose(scene.snapshot()).verdict == verdict


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


@pytest.mark.parametrize(("said", "verdict"), [
    ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)", "broken"),
    ("[SSL: TLSV1_UNRECOGNIZED_NAME] tlsv1 unrecognized name (_ssl.c:1006)", "unknown"),
])
def test_a_handshake_that_nginx_cuts_fails_for_everybody_and_one_that_it_refuses_for_us(said: str, verdict: str) -> None:
    """A cut shows as a reset or as an end, as it happens: two looks must not differ by that."""
    scene = healthy_scene().answers(probe(error="tls", phase="tls", body=said))
    assert diagnose(scene.snapshot()).verdict == verdict


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


def test_nginxs_own_500_is_known_by_its_page_and_its_log_or_the_backends_own_answer() -> None:
    """Its log may lie anywhere, and a line of a moment ago is not always there."""
    own = probe(500, body="<center>nginx/1.26</center>")
    quiet = healthy_scene().answers(own)
    assert diagnose(quiet.snapshot()).verdict == "broken", "the backend answers 200"
    unasked = healthy_scene().answers(own).endpoint(http=Unknown("not asked"))
    assert diagnose(unasked.snapshot()).verdict == "unknown", "another nginx behind it may have said so"
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
    unsure = diagnose(scene.snapshot())                         # seen once only: it may just have been restarted
    assert ({h.state for h in unsure.health}, roots(unsure)) == ({"ok"}, [])
    scene.events = []
    assert diagnose(scene.snapshot()).verdict == "healthy"


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
    assert (told.verdict, [f.role for f in told.findings]) == ("healthy", ["advice"])
    assert [note.partition("That is over: ")[2] for note in told.notes] == ["nginx answers such requests by itself now"]
    assert "before nginx connects there" in told.findings[0].summary


def test_a_member_that_is_down_by_design_is_no_fault() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200))
    snapshot = scene.refused(1, down=True).answers(GOOD, route=1).snapshot()
    group = replace(snapshot.routes[0], endpoints=("e0", "e1"))
    assert diagnose(replace(snapshot, routes=(group,))).verdict == "healthy"
    failing = replace(group, probes=Known((BAD_GATEWAY,)))
    diagnosis = diagnose(replace(snapshot, routes=(failing,)))
    assert diagnosis.verdict == "broken" and causes_of(diagnosis) == []


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


def test_nginx_without_a_listener_of_its_own_fails_every_route() -> None:
    assert diagnose(healthy_scene().answers(REFUSED).snapshot()).verdict == "broken"
    assert FileStat("file", 0, 0, 0, 0, NOW, 0, 1).nlink == 1


def test_a_page_of_nginx_is_not_called_the_applications() -> None:
    scene = healthy_scene().answers(probe(503, body="<center>nginx</center>"))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "broken" and not any("application itself" in note for note in diagnosis.notes)


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


# A variable leads to one of several places: no other of them answers for one that is dead.
ADDRESSES = ("127.0.0.1:8000", "127.0.0.1:8001")


def refused(port: int) -> ErrorEvent:
    """A visitor was led to the place just now."""
    return error_event(
        at=NOW - 5, level="error", message="connect() failed (111: Connection refused)", errno=111,
        phase="connecting to upstream", client="10.0.0.9", server="", request="GET / HTTP/1.1",
        upstream=f"http://127.0.0.1:{port}/", where="/var/log/nginx/error.log:9", raw="",
    )


def mapped(second: Service | None, *events: ErrorEvent, groups: tuple[str, str] = ("", "")) -> Snapshot:
    """`proxy_pass http://$pool`, which is one of two addresses: the first answers, at the second nothing listens."""
    scene = Scene(*ADDRESSES).with_service(service("one.service", 8000), listener(8000, 200))
    if second is not None:
        scene.with_service(second)
    scene.events += events
    scene.endpoint(1, listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None)
    made = scene.snapshot()
    servers = tuple(
        UpstreamServer(text, text, 0, None, Span(SITE, *spot), group=group)
        for text, spot, group in zip(ADDRESSES, scene.spots, groups, strict=True)
    )
    route = replace(made.routes[0].route, pass_text="http://$pool", servers=servers)
    return replace(made, routes=(replace(made.routes[0], route=route, endpoints=("e0", "e1")),))


GROUPS = [("", ""), ("a_pool", "b_pool")]


@pytest.mark.parametrize("groups", GROUPS)
def test_visitors_who_were_refused_just_now_make_it_degraded(groups: tuple[str, str]) -> None:
    diagnosis = diagnose(mapped(stopped_service("two.service", 8001), refused(8001), groups=groups))
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["backend-down"])
    assert diagnosis.health[0].reason == "answers 200, but 1 of 2 targets of http://$pool is down"


def unresolved(name: str, ago: float = 5.0) -> ErrorEvent:
    return replace(refused(8001), at=NOW - ago, message=f"{name} could not be resolved (3: Host not found)", errno=3, phase="",
                   upstream="", kind="name-not-resolved")


@pytest.mark.parametrize(("ago", "cause"), [(5.0, "dns-unresolved"), (300.0, "unexplained")])
def test_a_name_that_nginx_did_not_resolve_for_a_visitor_is_no_address_that_answered(ago: float, cause: str) -> None:
    """The other values of the variable answer: they say nothing of this one."""
    made = mapped(None, unresolved("two.lan", ago))
    ends = tuple(replace(end, host="two.lan", addresses=Known(()), tcp=Unknown("no address"), http=Unknown("no address"))
                 if end.id == "e1" else end for end in made.endpoints)
    routes = tuple(replace(one, probes=Known((GOOD,) * 40)) for one in made.routes)
    diagnosis = diagnose(replace(made, endpoints=ends, routes=routes))
    assert (diagnosis.verdict, diagnosis.findings[0].cause) == ("degraded", cause)


def test_a_service_that_failed_makes_it_degraded() -> None:
    crashed = failed_service("two.service", 8001, log=log_lines("RuntimeError: SHOP_TOKEN is not set"))
    diagnosis = diagnose(mapped(crashed, groups=("a_pool", "b_pool")))
    assert diagnosis.verdict == "degraded" and roots(diagnosis)[0] == "crash-missing-env"


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("events", [(), (refused(8000),), (replace(refused(8001), at=NOW - 5000),)])
def test_one_that_nobody_was_led_to_is_advice(groups: tuple[str, str], events: tuple[ErrorEvent, ...]) -> None:
    diagnosis = diagnose(mapped(stopped_service("two.service", 8001), *events, groups=groups))
    assert diagnosis.verdict == "healthy" and not roots(diagnosis)
    assert "requests to it fail" in finding_of(diagnosis, "backend-down").summary


def test_a_dead_server_of_a_group_that_answers_is_passed_over() -> None:
    diagnosis = diagnose(mapped(None, refused(8001), groups=("pool", "pool")))
    assert diagnosis.verdict == "healthy" and not roots(diagnosis)


# Locations that no visitor asks himself: what `auth_request` asks first (dead, it makes the page answer 500, whatever
# is behind the page itself), and where answers send him (`X-Accel-Redirect`).
PAGE = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx/1.26.3</center>")


def guarded(scene: Scene) -> Diagnosis:
    """Route 0 is the page, route 1 what is asked first: nobody can ask that from outside."""
    scene.route[0] = {"auth": "/_gate"}
    scene.route[1] = {"location": "= /_gate", "path": None, "internal": True, "asked_first": True}
    return diagnose(scene.snapshot())


def scene() -> Scene:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8600").with_service(service(port=8000), listener(8000, 200))
    made.refused(1).answers(route=1)
    return made.answers(PAGE)


def test_what_does_not_run_there_is_named_for_both_and_started() -> None:
    found = guarded(scene().with_service(stopped_service("gate.service", 8600))).findings[0]
    assert (found.cause, found.service, found.repairs[0].risk) == ("backend-down", "gate.service", "safe")
    assert len(found.routes) == 2 and "/_gate" in found.detail[0]


def test_the_pages_own_address_is_not_blamed_nor_a_reload_offered() -> None:
    made = scene()
    made.nginx = {"loaded_at": Known(made.snapshot().taken_at - 8.0), "config_mtime": Known(made.snapshot().taken_at - 8.1)}
    made.events = [replace(event, upstream="http://127.0.0.1:8600/check") for event in made.events]
    diagnosis = guarded(made)
    assert "nginx-not-reloaded" not in roots(diagnosis) and diagnosis.verdict == "broken"


def test_a_login_that_answers_blames_nobody() -> None:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8600").with_service(service(port=8000), listener(8000, 200))
    made.with_service(service("gate.service", 8600, 300), listener(8600, 300)).answers(route=1)
    assert guarded(made).verdict == "healthy"
    assert healthy_scene().snapshot().routes[0].route.asked_first is False


def redirected(upstream: str, more: str = "", *, included: bool = False, internal: bool = True,
               ago: float = 0.0) -> Diagnosis:
    """Route 0 answers; route 1 is where its answers send visitors to (`X-Accel-Redirect`), and nobody is there."""
    made = scene().answers(probe(200)).with_service(stopped_service("store.service", 8600))
    made.events = [replace(event, upstream=upstream, raw=event.raw + more, at=event.at - ago) for event in made.events]
    made.route[1] = {"location": "/kept/", "path": None, "internal": internal, "included": included}
    return diagnose(made.snapshot())


def test_an_internal_location_that_visitors_were_sent_to_just_now_is_missed() -> None:
    assert redirected("http://127.0.0.1:8600/x").findings[0].service == "store.service"
    assert redirected("http://127.0.0.1:8999/x").findings == ()
    assert redirected("http://127.0.0.1:8600/x", ', subrequest: "/kept/"').findings == ()      # a mirror


@pytest.mark.parametrize(("ago", "is_found"), [(0.0, True), (300.0, True), (1000.0, False)])
def test_a_pass_in_an_if_that_visitors_met_is_missed(ago: float, is_found: bool) -> None:
    found = redirected("http://127.0.0.1:8600/x", internal=False, ago=ago).findings
    assert [(f.cause, f.service) for f in found] == [("backend-down", "store.service")] * is_found


def test_a_part_of_a_page_that_is_put_together_is_missed() -> None:
    more = ', subrequest: "/kept/"'
    assert redirected("http://127.0.0.1:8600/x", more, included=True).findings[0].service == "store.service"


# Lines of the log and the routes they can belong to: looked up, with the outcome of comparing each with each.
LOCATIONS = ["/", "/api", "/api/v1/", "= /exact", "^~ /img", "~ \\.php$", "@app", "/a b"]
NAMES: list[tuple[str, ...]] = [("_",), (), ("",), ("a.example",), ("a.example", "b.example"), ("_", "a.example")]
SERVERS = ["", "_", "a.example", "c.example"]
REQUESTS = ["", "GET", "GET / HTTP/1.1", "GET /api HTTP/1.1", "GET /api/v1/x?y=/z HTTP/1.1", "GET /exact2 HTTP/1.1",
            "GET /img HTTP/1.1", "GET x HTTP/1.1", "GET  HTTP/1.1", "\x16\x03", "GET /a b HTTP/1.1"]


def compared(event: ErrorEvent, facts: RouteFacts, known: set[str]) -> bool:
    shown = set(facts.route.server_names) or {""}
    if event.server not in shown and (event.server in known or not (event.server == "" or shown & {"", "_"})):
        return False
    parts = event.request.split(" ")
    path = parts[1] if len(parts) > 1 else ""
    wanted = facts.route.location.split(" ")[-1] if facts.route.path is not None else ""
    return not path or not wanted.startswith("/") or path.startswith(wanted)


@pytest.mark.parametrize("blocks", [[("_",)], [("_",), (), ("a.example", "b.example")], []])
def test_looked_up_as_compared_one_by_one(blocks: list[tuple[str, ...]]) -> None:
    seen = Scene().snapshot()
    first, nginx = seen.routes[0], seen.nginxes[0]
    routes = [
        replace(first, route=replace(first.route, location=location, server_names=names, path=path))
        for location, names, path in product(LOCATIONS, NAMES, ("/x", None))
    ]
    events = tuple(
        error_event(NOW - 1, "error", "connect() failed", 111, "connecting to upstream", "10.0.0.9", server, request, "", "l:1",
                   "")
        for server, request in product(SERVERS, REQUESTS)
    )
    assert isinstance(nginx.config, Known)
    config = replace(nginx.config.value, server_names=tuple(enumerate(blocks)))
    known = {name for names in blocks for name in names or ("",)}
    nginx = replace(nginx, errors=Known(events), config=Known(config))
    for some in (routes[:0], *([route] for route in routes), routes[2::7], routes[40:60], routes):
        assert events_since(nginx, some, 0) == tuple(e for e in events if any(compared(e, route, known) for route in some))


CLOSED = replace(probe(error="closed"), phase="head")


def _live(**changes: object) -> Scene:
    made = service("live.service", runtime="python", argv=("/usr/bin/python3", "ws.py"), is_app_server=False, **changes)
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(made, listener(8000, 200))
    scene.with_service(service("shop.service", 8001, 201), listener(8001, 201))
    scene.route[0] = {"upgrades": True}
    return scene.endpoint(http=Known(CLOSED)).answers(BAD_GATEWAY)


def test_what_takes_only_websockets_is_not_called_broken() -> None:
    diagnosis = diagnose(_live().snapshot())
    assert (diagnosis.verdict, diagnosis.findings) == ("healthy", ())
    assert "WebSocket" in next(h.reason for h in diagnosis.health if h.route == "r1")


@pytest.mark.parametrize("why", ["no upgrade", "restarted", "a server that answers all"])
def test_what_else_hangs_up_is_broken(why: str) -> None:
    scene = _live(unit=unit("live.service", n_restarts=2)) if why == "restarted" else _live()
    if why == "no upgrade":
        scene.route[0] = {}
    if why == "a server that answers all":
        scene.services[0] = replace(scene.services[0], runtime="uvicorn")
    assert diagnose(scene.snapshot()).verdict == "degraded"


@pytest.mark.parametrize(("status", "state"), [(200, "unknown"), (502, "failing")])
def test_a_page_that_may_answer_for_all_hides_a_dead_backend_only_where_it_is_there(status: int, state: str) -> None:
    scene = Scene().with_service(stopped_service()).refused()
    scene.route[0] = {"shadowed": True}
    if status == 200:
        scene.answers(probe(200))
    diagnosis = diagnose(scene.snapshot())
    assert [h.state for h in diagnosis.health] == [state]
    assert [f.cause for f in diagnosis.findings] == (["backend-down"] if status == 502 else [])


# A value of a variable, and what makes a request lead to it.
def chosen(by: Chooser, second: Service | None = None, *events: ErrorEvent) -> Diagnosis:
    made = mapped(second, *events)
    one, two = made.routes[0].route.servers
    route = replace(made.routes[0].route, servers=(replace(one, chosen_by="config"), replace(two, chosen_by=by)))
    return diagnose(replace(made, routes=(replace(made.routes[0], route=route),)))


def test_a_value_that_a_host_or_a_path_chooses_must_accept_connections() -> None:
    diagnosis = chosen("config")
    assert diagnosis.verdict == "degraded"
    assert diagnosis.health[0].reason == "answers 200, but 1 of 2 targets of http://$pool is down"


def test_a_value_that_only_a_header_chooses_is_missed_once_a_visitor_was_led_there() -> None:
    crashed = failed_service("two.service", 8001, log=log_lines("RuntimeError: SHOP_TOKEN is not set"))
    healthy = chosen("request", crashed)
    assert healthy.verdict == "healthy"
    (note,) = [note for note in healthy.notes if "accepts no connection" in note]
    assert note.startswith("127.0.0.1:8001 accepts no connection. Only a header, a cookie or an argument of a request leads there")
    assert not [note for note in chosen("never", crashed).notes if "accepts no connection" in note]
    assert chosen("request", crashed, refused(8001)).verdict == "degraded"


def test_a_value_that_no_request_chooses_is_nothing() -> None:
    assert chosen("never").verdict == chosen("never", stopped_service("two.service", 8001), refused(8000)).verdict == "healthy"


LIMITED = probe(503, body="<center><h1>503 Service Temporarily Unavailable</h1></center><hr><center>nginx/1.26.3</center>")
MARKED = ', request: "GET / HTTP/1.1", host: "shop.example", referrer: "http://shop.example/badgateway"'


@pytest.mark.parametrize(("raws", "page", "is_well"), [
    ((MARKED, MARKED), LIMITED, True),
    ((MARKED, ""), LIMITED, False),                  # visitors are turned away, too
    ((), LIMITED, False),
    ((MARKED,), BAD_GATEWAY, False),
])
def test_a_limit_that_only_our_own_requests_met_is_no_failure(raws: tuple[str, ...], page: ProbeResult, is_well: bool) -> None:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    made.with_service(service("two.service", 8001, 201), listener(8001, 201))
    made.answers(page).answers(GOOD, route=1)
    made.events = [replace(unresolved("x"), kind="limit-requests", message='limiting requests, excess: 0.3 by zone "login"', raw=raw)
                   for raw in raws]
    diagnosis = diagnose(made.snapshot())
    assert (diagnosis.verdict == "healthy" and not roots(diagnosis)) is is_well


OWN_BUSY_PAGE = probe(503, body="<h1>Too many visitors</h1>")


@pytest.mark.parametrize(("pages", "lines", "state"), [
    ((probe(405, body="no"), probe(405, body="no"), LIMITED, LIMITED), 2, "ok"),
    ((GOOD, OWN_BUSY_PAGE, OWN_BUSY_PAGE), 2, "ok"),        # `error_page 503`
    ((GOOD, LIMITED, BAD_GATEWAY), 1, "degraded"), ((replace(GOOD, whole=False), LIMITED), 1, "unknown"),
])
def test_a_limit_that_met_only_our_repetitions_leaves_the_others_to_judge(
    pages: tuple[ProbeResult, ...], lines: int, state: str) -> None:
    made = healthy_scene().answers(*pages)
    made.events = [replace(unresolved("x"), kind="limit-requests", message='limiting requests, excess: 5.8 by zone "login"',
                           raw=MARKED)] * lines
    (judged,) = diagnose(made.snapshot()).health
    assert (judged.state, judged.reason.startswith("answers")) == (state, True)


@pytest.mark.parametrize(("line", "is_well"), [(b"limit_req zone=login;\n", True), (b"", False)])
def test_a_limit_that_our_own_request_met_after_the_log_was_read(line: bytes, is_well: bool) -> None:
    made = healthy_scene().answers(LIMITED)
    made.files[0] = replace(made.files[0], data=made.files[0].data.replace(b"proxy_pass", line + b"proxy_pass", 1))
    assert (diagnose(made.snapshot()).health[0].state == "unknown") is is_well


# The operator's own page (`--url`), which is waited for as long as nginx would wait.
@pytest.mark.parametrize(("probes", "state"), [((SLOW, GOOD), "degraded"), ((SLOW,), "failing"), ((GOOD, SLOW), "ok")])
def test_no_answer_at_the_operators_url_is_never_well(probes: tuple[ProbeResult, ...], state: str) -> None:
    made = healthy_scene().answers(*probes).snapshot()
    diagnosis = diagnose(replace(made, routes=(replace(made.routes[0], url_asked=True),)))
    assert diagnosis.health[0].state == state
    assert diagnosis.verdict == {"degraded": "degraded", "failing": "broken", "ok": "healthy"}[state]


def test_a_page_that_stays_out_after_its_head_is_slow() -> None:
    seen = healthy_scene().answers(replace(SLOW, phase="body")).snapshot()
    (judged,) = open_case(seen, {}).verdicts.values()
    assert (judged.state, judged.reason) == ("slow", "no complete answer in time (1 of 1 requests)")
