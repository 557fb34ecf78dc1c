"""What nginx logged in the last 15 minutes: whose it was, what ends it, and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.logged_failures import logged_failures
from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.nginx_config import KeptConnections, Span
from fixer.model.snapshot import Endpoint, Snapshot
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    SITE,
    SLOW,
    Scene,
    at_level,
    healthy_scene,
    listener,
    probe,
    process,
    service,
)

REFUSAL = ("connect() failed (111: Connection refused)", 111, "connecting to upstream")
CLOSED = ("upstream prematurely closed connection", None, "reading response header from upstream")


def reasons(snapshot: Snapshot) -> list[str]:
    return [failure.over for failure in logged_failures(open_case(snapshot, {}))]


def restarted(ago: float) -> Scene:
    """The healthy host, whose service started that long ago."""
    scene = Scene().with_service(service(unit_changes={"active_enter": NOW - ago}), listener(8000, 200))
    scene.processes[-1] = replace(scene.processes[-1], started_at=NOW - ago)
    return scene


@pytest.mark.parametrize(("log", "count"), [(CLOSED, 1), (REFUSAL, 4)])
def test_one_answer_ends_nothing(log: tuple[Any, ...], count: int) -> None:
    scene = healthy_scene().logs(*log, count=count, path="/login", ago=100)
    scene.endpoint(http=Known(REFUSED), tcp=Known(REFUSED))
    assert reasons(scene.snapshot()) == [""]


def test_answers_in_a_row_end_what_they_ask_for() -> None:
    three = healthy_scene().answers(GOOD, GOOD, GOOD)
    assert "4 requests in a row were answered since 07:59:20 UTC" in reasons(three.logs(*CLOSED, ago=40).snapshot())[0]
    other = healthy_scene().answers(*[GOOD] * 8).logs(*CLOSED, ago=40, path="/report")
    assert reasons(other.snapshot()) == [""], "nobody has asked for that page again"
    posted = healthy_scene().answers(*[GOOD] * 8).logs(*CLOSED, ago=40)
    posted.events = [replace(event, request="POST / HTTP/1.1") for event in posted.events]
    assert reasons(posted.snapshot()) == [""], "a GET says nothing of a POST"
    refused = healthy_scene().answers(GOOD).logs(*REFUSAL, ago=40, path="/report")
    assert reasons(refused.snapshot())[0], "a connection is asked for by every request"


@pytest.mark.parametrize(("changed", "asked", "is_over"), [(20, "http://127.0.0.1:7999/", True), (80, "http://127.0.0.1:7999/", False),
                                                          (20, "http://127.0.0.1:8000/", False)])
def test_where_nginx_has_not_read_its_files_yet_its_answers_count(changed: float, asked: str, *, is_over: bool) -> None:
    """It asks the address of before, which answers again; nothing listens at the one that the files name by now."""
    scene = healthy_scene().answers(*[GOOD] * 8).logs(*REFUSAL, ago=50)
    scene.endpoint(listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None)
    scene.events = [replace(event, upstream=asked) for event in scene.events]
    scene.nginx |= {"loaded_at": Known(NOW - 70), "config_mtime": Known(NOW - changed)}
    assert [bool(why) for why in reasons(scene.snapshot())] == [is_over]


def test_a_start_at_the_address_of_unread_files_ends_no_failure_at_the_one_of_before() -> None:
    """The page failed at that very moment, and its failure was told to be over since a service listens elsewhere."""
    scene = restarted(100).logs(*REFUSAL, ago=60, path="/x").answers(BAD_GATEWAY)
    scene.events = [replace(event, upstream="http://127.0.0.1:7999/x") for event in scene.events]
    assert reasons(scene.snapshot())[0].endswith("listens now")
    scene.nginx |= {"loaded_at": Known(NOW - 90), "config_mtime": Known(NOW - 80)}
    assert reasons(scene.snapshot()) == [""]


@pytest.mark.parametrize(("errno", "is_over"), [(13, True), (111, False)])
def test_rights_do_not_come_and_go(errno: int, *, is_over: bool) -> None:
    """The folder of the socket was opened again: by its few lines of long ago a share of requests may still fail."""
    scene = healthy_scene().answers(*[GOOD] * 4)
    for ago in (40, 53, 56):
        scene.logs(f"connect() failed ({errno}: x)", errno, "connecting to upstream", ago=ago, path="/x")
    assert [bool(why) for why in reasons(scene.snapshot())] == [is_over]


@pytest.mark.parametrize(("started", "is_over"), [(20, True), (100, False)])
def test_what_a_check_before_a_page_met_ends_with_the_start_of_the_check(started: float, *, is_over: bool) -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:7000").with_service(service(), listener(8000, 200)).answers(probe(401))
    scene.with_service(service("check.service", 7000, 300), listener(7000, 300))
    scene.processes = [replace(one, started_at=NOW - started) if one.pid == 300 else one for one in scene.processes]
    scene.route[1] = {"location": "/check", "asked_first": True}
    scene.logs("auth request unexpected status: 502", None, "sending to client", ago=50, path="/")
    assert reasons(scene.snapshot()) == ["check.service started at 07:59:40 UTC" if is_over else ""]


def test_only_answers_for_the_page_that_failed_end_its_failure() -> None:
    """`/` redirects to /login: forty answers of the one say nothing of the other."""
    for pages, over in ((1, False), (3, True)):
        scene = healthy_scene().answers(*[GOOD] * 40, *[probe(200, page="/login")] * pages)
        (why,) = reasons(scene.logs(*CLOSED, ago=40, path="/login").snapshot())
        assert bool(why) is over, pages
        assert all(reasons(scene.answers(*[GOOD] * 4).snapshot())) is False


@pytest.mark.parametrize(("hosts", "is_over"), [((), True), ((("b.example",),), False)])
def test_answers_for_names_that_a_map_leads_elsewhere_end_nothing(hosts: tuple[tuple[str, ...], ...], *, is_over: bool) -> None:
    scene = healthy_scene().answers(GOOD, *[probe(200, host="b.example")] * 5).logs(*CLOSED, ago=40)
    scene.route[0] = {"mapped_hosts": hosts}
    assert bool(reasons(scene.snapshot())[0]) is is_over


CUT = ("upstream prematurely closed connection", None, "reading upstream")
LATE = ("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream")


def test_answers_of_other_pages_of_one_backend_end_no_failure_of_one_page() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    scene.answers(*[GOOD] * 8).answers(SLOW, route=1).logs(*CLOSED, ago=40, path="/1")
    assert reasons(scene.snapshot()) == [""]
    assert reasons(scene.answers(*[GOOD] * 8, route=1).snapshot()) != [""]


@pytest.mark.parametrize(("whole", "over"), [(None, False), (True, True)])
def test_only_answers_read_to_their_end_end_that_answers_were_cut_off(whole: bool | None, over: bool) -> None:
    said = probe(200, whole=whole)
    scene = healthy_scene().answers(*[said] * 8).endpoint(http=Known(said)).logs(*CUT, ago=40)
    assert [bool(why) for why in reasons(scene.snapshot())] == [over]


def test_on_kept_connections_answers_say_nothing_of_a_post() -> None:
    scene = healthy_scene().answers(*[GOOD] * 8).logs(*CLOSED, ago=40, count=2)
    scene.events[1] = replace(scene.events[1], request="POST / HTTP/1.1")
    assert reasons(scene.snapshot())[0]
    scene.route[0] = {"upstream": "shop", "kept": KeptConnections(16, 60.0, Span(SITE, 2, 0, 0), allowed=True)}
    assert reasons(scene.snapshot()) == [""]


def test_a_rare_failure_demands_more_answers() -> None:
    def told(answers: int, *ago: float) -> str:
        scene = healthy_scene().answers(*[GOOD] * answers)
        for moment in ago:
            scene.logs(*CLOSED, ago=moment)
        return reasons(scene.snapshot())[0]

    assert told(8, 60, 61, 62) and not told(8, 200, 180, 160, 140)
    assert told(60, 200, 180, 160, 140), "one second in 20, asked 60 times"
    assert not told(60, 200, 100, 50), "it has paused for as long before"


@pytest.mark.parametrize("ago", [899.0, 300.0, 31.0])
def test_the_start_of_the_service_ends_it(ago: float) -> None:
    assert reasons(restarted(30).logs(*CLOSED, ago=ago, path="/x").snapshot()) == ["backend.service started at 07:59:30 UTC"]
    assert reasons(restarted(ago + 10).logs(*CLOSED, ago=ago, path="/x").snapshot()) == [""]


def test_what_was_refused_before_and_after_the_start_is_over_since_it_listens() -> None:
    """The start is no end of what failed later."""
    scene = restarted(60.2).logs(*REFUSAL, ago=70, path="/x").logs(*REFUSAL, ago=60, path="/x")
    assert reasons(scene.snapshot()) == [
        "backend.service started at 07:58:59 UTC", "backend.service, which started at 07:58:59 UTC, listens now"]
    [note] = diagnose(scene.snapshot()).notes
    assert note.endswith("the last at 07:59:00 UTC. That is over: backend.service, which started at 07:58:59 UTC, listens now")


def test_a_refusal_belongs_to_the_start_until_the_service_listens() -> None:
    scene = restarted(60).logs(*REFUSAL, ago=50, path="/x")
    assert reasons(scene.snapshot()) == ["backend.service, which started at 07:59:00 UTC, listens now"], "it failed later"
    assert not reasons(scene.endpoint(tcp=Known(REFUSED), http=Known(REFUSED)).snapshot())[0]


@pytest.mark.parametrize(("worker_ages", "over"), [
    ((), False),
    ((117.0,), True),
    ((117.0, 10.0), True),
    ((119.0, 10.0), False),     # the second worker replaced one long after the start
])
def test_a_start_lasts_until_its_last_worker_is_there(worker_ages: tuple[float, ...], over: bool) -> None:
    """Its first worker takes all connections that waited for it: those that are too many wait too long."""
    scene = restarted(120).logs("upstream timed out (110: Connection timed out)", 110,
                                "reading response header from upstream", ago=98, path="/x")
    scene.route[0] = {"read_timeout": 20.0}     # asked 118 s ago
    pids = range(201, 201 + len(worker_ages))
    made = scene.services[0] = replace(scene.services[0], pids=(200, *pids))
    scene.processes += [replace(process(pid, *made.argv), started_at=NOW - age)
                        for pid, age in zip(pids, worker_ages, strict=True)]
    assert reasons(scene.snapshot()) == ["the start of backend.service was complete at 07:58:03 UTC, after that request had begun" if over else ""]


@pytest.mark.parametrize("error", ["closed", "reset"])
def test_a_start_that_ends_no_failure_is_no_end(error: str) -> None:
    """A program that ends again and again has always just started."""
    scene = restarted(3).logs(*CLOSED, ago=30, path="/x").endpoint(http=Known(probe(None, error)))
    assert reasons(scene.snapshot()) == [""]
    assert reasons(scene.endpoint(http=Known(GOOD)).snapshot()) != [""]


def test_restarts_by_hand_that_each_ended_it_are_over() -> None:
    """Each time a burst of refused connections, then well: it comes again only because it is restarted again."""
    scene = restarted(40)
    for moment in (800, 600, 400, 200, 41):
        scene.logs(*REFUSAL, ago=moment, count=5, path="/shop")
    snapshot = scene.snapshot()
    assert reasons(snapshot) == ["backend.service started at 07:59:20 UTC"]
    assert diagnose(snapshot).verdict == "healthy"
    scene.nginx["loaded_at"] = Known(NOW - 20)
    assert reasons(scene.snapshot()) == ["nginx loaded its configuration at 07:59:40 UTC"]


def test_a_line_of_the_second_of_a_load_is_not_older_than_it() -> None:
    """Lines have whole seconds: what ended this one is the start of the service, a moment before or after."""
    scene = restarted(20)
    scene.logs(*REFUSAL, ago=20, path="/shop")
    scene.nginx["loaded_at"] = Known(NOW - 19.6)
    assert reasons(scene.snapshot()) == ["backend.service, which started at 07:59:40 UTC, listens now"]


def test_a_repair_ends_what_was_before() -> None:
    scene = healthy_scene().logs(*CLOSED, ago=30, path="/x")
    assert reasons(replace(scene.snapshot(), seconds_since_repair=20.0)) == ["a repair changed something at 07:59:40 UTC"]
    assert reasons(replace(scene.snapshot(), seconds_since_repair=40.0)) == [""]


@pytest.mark.parametrize(("phase", "limit"), [
    ("reading response header from upstream", "read_timeout"), ("SSL handshaking to upstream", "connect_timeout"),
])
def test_a_limit_that_ends_after_a_repair_began_before_it(phase: str, limit: str) -> None:
    late = healthy_scene().logs("upstream timed out (110: Connection timed out)", 110, phase, ago=30, path="/x")
    late.route[0] = {limit: 20.0}
    assert reasons(replace(late.snapshot(), seconds_since_repair=40.0)) == [
        "a repair changed something at 07:59:20 UTC, after that request had begun"]
    assert reasons(replace(late.snapshot(), seconds_since_repair=51.0)) == [""]


def test_a_worker_that_was_replaced_is_no_reload() -> None:
    scene = healthy_scene().logs(*CLOSED, ago=30, path="/x")
    scene.nginx |= {"loaded_at": Known(NOW - 20), "config_mtime": Known(NOW - 25)}
    assert reasons(scene.snapshot())[0].startswith("nginx loaded")
    scene.events.append(replace(scene.events[0], at=NOW - 21, client="", kind="worker-killed"))
    assert reasons(scene.snapshot()) == [""]


@pytest.mark.parametrize(("line", "since_change", "is_over"), [
    (CLOSED, 25, True), (CLOSED, 40, False), (LATE, 40, False), (REFUSAL, 40, True),
])
def test_to_load_the_same_files_again_ends_nothing_that_the_backend_did(
    line: tuple[str, int | None, str], since_change: float, *, is_over: bool) -> None:
    scene = healthy_scene().logs(*line, ago=30, path="/x")
    scene.nginx |= {"loaded_at": Known(NOW - 20), "config_mtime": Known(NOW - since_change)}
    scene.route[0] = {"read_timeout": 1.0}
    assert reasons(scene.snapshot())[0].startswith("nginx loaded") is is_over


def test_only_lines_that_end_a_request_of_a_route_count() -> None:
    scene = healthy_scene().logs("an upstream response is buffered to a temporary file", None, "reading upstream")
    scene.logs(*CLOSED, path="/x").logs(*CLOSED, path="/x", ago=901).logs(*CLOSED, path="/x")
    scene.events[1] = at_level(scene.events[1], "warn")
    scene.events[-1] = replace(scene.events[-1], server="other.example")
    assert reasons(scene.snapshot()) == []


def test_our_own_probes_never_count() -> None:
    scene = healthy_scene().logs(*CLOSED, ago=200)
    mark = ', host: "shop.example", referrer: "http://shop.example/badgateway"'
    mine = replace(scene.events[0], client="127.0.0.1", raw=scene.events[0].raw + mark)
    for event, count in ((mine, 0), (replace(mine, client="10.0.0.9"), 1), (replace(mine, raw=scene.events[0].raw), 1),
                         (replace(mine, raw=scene.events[0].raw, at=NOW, request="GET / HTTP/1.1"), 0)):
        scene.events = [event]
        assert len(reasons(scene.snapshot())) == count


@pytest.mark.parametrize(("mine", "is_over"), [(CLOSED, True), (REFUSAL, False)])
def test_what_our_own_probe_met_counts_only_where_it_is_the_same_failure(mine: tuple[Any, ...], is_over: bool) -> None:
    """Its page is answered now: of a visitor's page that fails otherwise that shows nothing."""
    scene = healthy_scene().answers(*[GOOD] * 8).logs(*mine, ago=45).logs(*CLOSED, ago=40, path="/report")
    mark = ', host: "shop.example", referrer: "http://shop.example/badgateway"'
    first = scene.events[0]
    scene.events[0] = replace(first, client="127.0.0.1", raw=first.raw + mark)
    assert [bool(reason) for reason in reasons(scene.snapshot())] == [is_over]


def grouped(*lines: tuple[int, int], more: dict[str, Any] | None = None, started: float = 3600.0) -> list[str]:
    """A group of two servers, of which the first started that long ago; each line is (number of the connection, port)."""
    made = service(unit_changes={"active_enter": NOW - started})
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(made, listener(8000, 200), started_at=NOW - started)
    for number, port in lines:
        scene.logs(*REFUSAL, path="/x")
        last = scene.events[-1]
        scene.events[-1] = replace(last, upstream=f"http://127.0.0.1:{port}/x", request="GET /x HTTP/1.1",
                                   raw=f"2027/01/15 07:59:55 [error] 101#101: *{number} x")
    shown = scene.snapshot()
    route = replace(shown.routes[0].route, upstream="pool", **(more or {}))
    return reasons(replace(shown, routes=(replace(shown.routes[0], route=route, endpoints=("e0", "e1")),)))


def test_a_server_that_nginx_passed_over_ended_no_request() -> None:
    assert grouped((7, 8001), (8, 8001)) == []
    assert grouped((7, 8001), (7, 8000)) == [""], "both were tried"
    assert grouped((7, 8001), more={"one_try": "proxy_next_upstream off"}) == [""]


def test_a_request_that_failed_at_several_servers_is_over_once_one_of_them_has_started() -> None:
    """While the application started, nginx tried its dead neighbour too: that line was the request's last."""
    lines = ((7, 8000), (7, 8001))
    assert grouped(*lines, started=30.0) == ["backend.service, which started at 07:59:30 UTC, listens now"]
    assert grouped(*lines) == [""], "it runs since long before"
    assert grouped((7, 8001), more={"one_try": "proxy_next_upstream off"}, started=30.0) == [""], "only the dead one was tried"


def test_a_page_that_nginx_answers_itself_now_is_over() -> None:
    scene = healthy_scene().logs(*CLOSED, path="/x")
    scene.route[0] = {"denies_all": True}
    assert reasons(scene.snapshot()) == ["nginx answers such requests by itself now"]


def test_a_service_of_another_machine_has_no_start_to_see() -> None:
    scene = healthy_scene().logs(*CLOSED, path="/x")
    made = scene.snapshot()
    away: Endpoint = replace(made.endpoints[0], configured_service=None, listening_service=None)
    assert reasons(replace(made, endpoints=(away,))) == [""]
    assert process(1).pid == 1


@pytest.mark.parametrize(("refused", "behind"), [(40.0, True), (41.0, True), (200.0, False), (None, False)])
def test_in_the_second_of_a_start_the_order_of_the_log_tells(refused: float | None, behind: bool) -> None:
    """What follows a refused connection is of the new run: nothing listened in between. The last run may have served
    since an older refusal."""
    scene = restarted(39.3)
    if refused is not None:
        scene.logs(*REFUSAL, ago=refused)
    scene.logs(*CLOSED, ago=40.0, path="/report")
    scene.events = [replace(event, upstream=f"http://127.0.0.1:8000{path}")      # of other pages, at other depths
                    for event, path in zip(reversed(scene.events), ("/report/of/may", "/login"), strict=False)][::-1]
    (closed,) = (f for f in logged_failures(open_case(scene.snapshot(), {})) if f.events[-1].request.startswith("GET /report"))
    assert bool(closed.over) is not behind
