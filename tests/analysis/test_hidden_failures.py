"""An error page that gives 502 a good status: the route is judged by what nginx's own log says of our request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.nginx_config import Span, StaticLocation
from fixer.model.snapshot import ErrorEvent, ProbeResult, Service, Snapshot
from tests.causes.packet_filter_builders import saved_firewall
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    SITE,
    SLOW,
    Scene,
    container_service,
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
)

PAGE = "error_page 502 504 =200 /sorry.html, /etc/nginx/sites-enabled/shop:9"
SORRY = probe(200, body="sorry")
CLOSED = probe(error="closed", phase="read")
READING = "reading response header from upstream"


def line(message: str = "connect() to unix:/run/a.sock failed (13: Permission denied)", errno: int | None = 13,
         phase: str = "connecting to upstream", *, at: float = NOW, client: str = "127.0.0.1", path: str = "/") -> ErrorEvent:
    return error_event(at, "crit", message, errno, phase, client, "", f"GET {path} HTTP/1.1", "http://127.0.0.1:8000/",
                      "/var/log/nginx/error.log:1", f"[crit] {message} while {phase}")


LATE = ("upstream timed out (110: Connection timed out)", 110, READING)
ENDED = ("upstream prematurely closed connection", None, READING)


def hidden(*lines: ErrorEvent, state: str = "S", masked_by: str = PAGE, **ends: Any) -> Scene:
    """The service runs and the page comes, with a status that says that all is well."""
    scene = Scene().with_service(service(), listener(8000, 200), state=state).answers(SORRY).endpoint(**ends)
    scene.route[0] = {"masked_by": masked_by}
    scene.events += lines
    return scene


@pytest.mark.parametrize("scene", [
    hidden(line()),                                                  # root may ask where nginx's account may not
    hidden(line(*LATE), http=Known(SLOW)), hidden(line(*ENDED), http=Known(CLOSED)), hidden(line(*ENDED)),
    hidden(line(*ENDED, at=NOW - 20, client="10.0.0.9"), http=Known(CLOSED)),
    hidden(line(*LATE, at=NOW - 20, client="10.0.0.9"), http=Known(SLOW)),
    hidden(line("no live upstreams", None), http=Known(GOOD)),
])
def test_a_page_in_place_of_a_failure_is_no_answer(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded"
    assert diagnosis.health[0].reason == f"answers 200 by an error page ({PAGE}): nginx gets no upstream answer"


def test_the_usual_cause_is_found_behind_it() -> None:
    diagnosis = diagnose(hidden(line(*LATE), state="T", http=Known(SLOW)).snapshot())
    assert roots(diagnosis) == ["backend-hung"] and diagnosis.findings[0].repairs[0].id == "continue-process"


@pytest.mark.parametrize("scene", [
    hidden(), hidden(http=Known(CLOSED)), hidden(http=Known(SLOW)),          # nginx logged no failure
    hidden(line(at=NOW - 30)), hidden(line(client="10.0.0.9")), hidden(line(path="/other")),     # not of our request
    hidden(line(*ENDED), http=Known(SORRY)),         # a kept connection had ended, and the next one answered
    hidden(line(*LATE, at=NOW - 20, client="10.0.0.9"), http=Known(SLOW), path="/health"),
    hidden(line(), masked_by=""), hidden(line(), down=True),
])
def test_a_page_that_may_well_be_the_applications_is_left_alone(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.health[0].state == "ok" and not roots(diagnosis)


LOCAL = "error_page 502 /sorry.html, /etc/nginx/sites-enabled/shop:9"


def lost_page(status: int, *lines: ErrorEvent) -> Scene:
    """An error page keeps the status, unless nginx cannot send it."""
    scene = hidden(*lines, masked_by="").answers(probe(status, body="<center>nginx</center>"))
    scene.route[0] = {"failing_page": LOCAL}
    return scene


@pytest.mark.parametrize("status", [403, 404])
def test_an_error_page_that_nginx_cannot_send_is_no_answer(status: int) -> None:
    diagnosis = diagnose(lost_page(status, line()).snapshot())
    assert diagnosis.verdict == "degraded"
    assert diagnosis.health[0].reason == f"answers {status} by an error page ({LOCAL}): nginx gets no upstream answer"


@pytest.mark.parametrize("scene", [lost_page(404), lost_page(200, line()), lost_page(401, line())])
def test_a_status_that_no_lost_error_page_gives_is_the_applications(scene: Scene) -> None:
    assert diagnose(scene.snapshot()).health[0].state == "ok"


def test_a_maintenance_that_answers_on_purpose_is_left_alone() -> None:
    scene = healthy_scene().answers(probe(502, body="<center>nginx</center>"))
    scene.route[0] = {"masked_by": PAGE}
    scene.statics = (StaticLocation(0, "/", 502, Span(SITE, 4, 0, 0)),)
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_one_of_two_servers_that_failed_is_none() -> None:
    """nginx asked the other one, and the page came from there."""
    made = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200)).answers(SORRY)
    made.route[0] = {"masked_by": PAGE, "upstream": "shop"}
    made.events.append(line())
    snapshot = made.snapshot()
    both = replace(snapshot, routes=(replace(snapshot.routes[0], endpoints=("e0", "e1")),))
    assert diagnose(both).health[0].state == "ok"


# One server of an upstream is gone, the others answer: degraded where it is meant to run, else told as advice.
TWO = ("127.0.0.1:8000", "127.0.0.1:8001")


def group(second: Service | None, one_try: str = "", **changes: Any) -> Snapshot:
    """One route before an upstream of two servers: the first answers, at the second nothing listens."""
    scene = Scene(*TWO).with_service(service("app@0.service", 8000), listener(8000, 200))
    if second is not None:
        scene.with_service(second)
    gone = {"listener": Known(None), "tcp": Known(REFUSED), "http": Known(REFUSED), "listening_service": None}
    made = scene.endpoint(1, **gone, **changes).snapshot()
    facts = made.routes[0]
    grouped = replace(facts, route=replace(facts.route, upstream="shop", one_try=one_try), endpoints=("e0", "e1"))
    return replace(made, routes=(grouped,))


def test_a_stopped_server_that_starts_at_boot_is_missed() -> None:
    diagnosis = diagnose(group(stopped_service("app@1.service", 8001)))
    assert diagnosis.verdict == "degraded" and roots(diagnosis) == ["backend-down"]
    found = finding_of(diagnosis, "backend-down")
    assert found.service == "app@1.service" and found.repairs[0].risk == "safe"
    assert diagnosis.health[0].state == "degraded"
    assert diagnosis.health[0].reason == "answers 200, but 1 of 2 servers of upstream shop is down"


def test_a_server_that_crashed_is_told_by_its_own_cause() -> None:
    crashed = failed_service("app@1.service", 8001, log=log_lines("RuntimeError: SHOP_TOKEN is not set"))
    diagnosis = diagnose(group(crashed))
    assert diagnosis.verdict == "degraded" and roots(diagnosis)[0] == "crash-missing-env"


@pytest.mark.parametrize("second", [
    stopped_service("app@1.service", 8001, unit_changes={"unit_file_state": "disabled", "active_state": "inactive"}), None,
])
def test_what_was_put_to_rest_or_has_no_owner_is_advice(second: Service | None) -> None:
    diagnosis = diagnose(group(second))
    assert diagnosis.verdict == "healthy" and not roots(diagnosis)
    assert "nginx skips it" in finding_of(diagnosis, "backend-down").summary


@pytest.mark.parametrize("word", ["backup", "down"])
def test_a_spare_is_no_matter(word: str) -> None:
    diagnosis = diagnose(group(stopped_service("app@1.service", 8001), **{word: True}))
    assert diagnosis.verdict == "healthy" and not diagnosis.findings


@pytest.mark.parametrize(("policy", "verdict"), [("always", "degraded"), ("unless-stopped", "healthy")])
def test_a_container_that_the_next_boot_starts_is_missed(policy: str, verdict: str) -> None:
    box = container_service("second", 8001)
    assert box.container is not None
    gone = replace(box, node="local", pids=(), container=replace(
        box.container, status="exited", exit_code=0, restart_policy=policy, pid=0))
    diagnosis = diagnose(group(gone, configured_service=gone.id))
    assert diagnosis.verdict == verdict and finding_of(diagnosis, "backend-down").service == gone.name


def test_where_no_other_is_asked_a_dead_server_is_never_passed_over() -> None:
    """By luck every request that was made went well."""
    resting = stopped_service("app@1.service", 8001, unit_changes={"unit_file_state": "disabled"})
    diagnosis = diagnose(group(resting, "proxy_next_upstream off, /etc/nginx/nginx.conf:9"))
    assert diagnosis.verdict == "degraded" and roots(diagnosis) == ["backend-down"]
    assert diagnosis.health[0].reason.endswith("nginx tries no other server (proxy_next_upstream off, /etc/nginx/nginx.conf:9)")


def test_why_some_requests_fail_is_said() -> None:
    snapshot = group(stopped_service("app@1.service", 8001), "proxy_next_upstream off, /etc/nginx/nginx.conf:9")
    facts = replace(snapshot.routes[0], probes=Known((GOOD, BAD_GATEWAY)))
    (health,) = diagnose(replace(snapshot, routes=(facts,))).health
    assert health.reason == ("answers 502 (1 of 2 requests); nginx tries no other server "
                             "(proxy_next_upstream off, /etc/nginx/nginx.conf:9)")


def waiting(state: str = "T", *lines: ErrorEvent, heard: ProbeResult = SLOW, connect: ProbeResult | None = None,
            **changes: Any) -> Snapshot:
    """Two servers run; the first answers, the second takes the connection (or not even that) and lets wait."""
    scene = Scene(*TWO).with_service(service("app@0.service", 8000), listener(8000, 200))
    scene.with_service(service("app@1.service", 8001, 201), listener(8001, 201), state=state)
    scene.endpoint(1, http=Known(heard), tcp=Known(connect or probe()), **changes)
    scene.events += lines
    made = scene.snapshot()
    facts = made.routes[0]
    grouped = replace(facts, route=replace(facts.route, upstream="shop"), endpoints=("e0", "e1"))
    return replace(made, routes=(grouped,))


def late(upstream: str, phase: str = "reading response header from upstream") -> ErrorEvent:
    return error_event(NOW - 5, "error", "upstream timed out (110: Connection timed out)", 110, phase, "10.0.0.9", "",
                      "GET / HTTP/1.1", upstream, "/var/log/nginx/error.log:1", f"[error] timed out {upstream}")


def test_a_server_that_a_signal_stopped_is_missed_though_the_others_answer() -> None:
    """Every other visitor waits for the whole time limit before nginx asks the next one."""
    diagnosis = diagnose(waiting())
    found = finding_of(diagnosis, "backend-hung")
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["backend-hung"])
    assert (found.variant, found.service, found.repairs[0].risk) == ("backend-sigstop", "app@1.service", "safe")
    assert diagnosis.health[0].reason == ("answers 200, but 1 of 2 servers of upstream shop does not answer "
                                          "(127.0.0.1:8001)")


def test_a_server_that_let_visitors_wait_too_hangs() -> None:
    """That another member answered says nothing of this one."""
    diagnosis = diagnose(waiting("S", late("http://127.0.0.1:8001/")))
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["backend-hung"])
    assert finding_of(diagnosis, "backend-hung").service == "app@1.service"


@pytest.mark.parametrize("snapshot", [
    waiting("S"), waiting("S", late("http://127.0.0.1:8000/")), waiting("S", late("http://127.0.0.1:80011/")),
    waiting(backup=True), waiting(down=True), waiting("S", late("http://127.0.0.1:8001/"), heard=probe(200)),
])
def test_one_slow_answer_is_no_fault_of_a_server(snapshot: Snapshot) -> None:
    diagnosis = diagnose(snapshot)
    assert diagnosis.verdict == "healthy" and not roots(diagnosis)


def test_a_server_to_which_packets_get_no_answer_is_missed() -> None:
    diagnosis = diagnose(waiting("S", connect=SLOW))
    assert diagnosis.verdict == "degraded"
    assert diagnosis.health[0].reason.endswith("1 of 2 servers of upstream shop does not answer (127.0.0.1:8001)")


def test_a_rule_that_drops_what_goes_to_one_server_is_named() -> None:
    snapshot = waiting("S", connect=SLOW)
    node = replace(snapshot.nodes[0], firewall=saved_firewall("INPUT -p tcp -m tcp --dport 8001 -j DROP"))
    diagnosis = diagnose(replace(snapshot, nodes=(node, *snapshot.nodes[1:])))
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["firewall-drop"])


def test_a_request_that_met_the_stopped_server_is_no_reason_not_to_know() -> None:
    snapshot = waiting()
    diagnosis = diagnose(replace(snapshot, routes=(replace(snapshot.routes[0], probes=Known((SLOW,))),)))
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["backend-hung"])


def copies(status: str = "paused", connect: ProbeResult | None = None) -> Snapshot:
    """One name that leads to two containers of one service; the second one's state is given."""
    scene = Scene("app:8000", "app:8000", node="web", back="app")
    scene.with_service(container_service("app"), listener(8000, 7, "0.0.0.0", "app"))
    second = container_service("app", pid=9)
    assert second.container is not None
    box = replace(second.container, status=status, id="second", name="p-app-2",
                  networks=(("p_default", "172.18.0.3", ("app",)),))
    scene.with_service(replace(second, id="two/p-app-2", node="two", container=box))
    both = Known(("172.18.0.2", "172.18.0.3"))
    scene.endpoint(0, addresses=both, single_address="172.18.0.2", configured_service="app/p-app-1")
    scene.endpoint(1, addresses=both, single_address="172.18.0.3", node="two", configured_service="two/p-app-2", listening_service=None, start=0,
                   http=Known(SLOW), tcp=Known(connect or probe()), listener=Known(None if connect else listener(
                       8000, 9, "0.0.0.0", "two")))
    made = scene.snapshot()
    return replace(made, routes=(replace(made.routes[0], endpoints=("e0", "e1")),))


def test_a_copy_that_is_paused_is_named_though_the_other_one_answers() -> None:
    diagnosis = diagnose(copies())
    found = finding_of(diagnosis, "backend-hung")
    assert (diagnosis.verdict, roots(diagnosis), found.variant) == ("degraded", ["backend-hung"], "container-paused")
    assert "p-app-2" in found.summary and found.repairs[0].summary == "unpause p-app-2"
    assert diagnosis.health[0].reason == ("answers 200, but 1 of 2 addresses of the name app does not answer "
                                          "(172.18.0.3:8000)")


def test_servers_that_answer_while_nginx_asks_none_of_them_are_said_to_be_asked_again_soon() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY).logs("no live upstreams", None, "connecting to upstream")
    assert "tries none again for fail_timeout (10 s" in " ".join(diagnose(scene.snapshot()).notes)


INNER = probe(502, body="<center>nginx</center>")
REFUSED_NAME = ("SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 unrecognized name:SSL alert number 112)",
                None, "SSL handshaking to upstream")


@pytest.mark.parametrize(("about", "state"), [
    ({"pass_text": "https://$where"}, "failing"), ({"pass_text": "https://shop", "upstream": "shop"}, "ok"),
])
def test_of_the_values_of_a_variable_one_request_is_handed_to_one_only(about: dict[str, Any], state: str) -> None:
    """Both lead to the same address, and one line says that it failed; in a group the other one had its turn."""
    scene = Scene(TWO[0], TWO[0]).with_service(service(), listener(8000, 200)).answers(INNER)
    scene.endpoint(http=Known(INNER)).endpoint(1, http=Known(INNER))
    scene.route[0] = about
    scene.events.append(line(*REFUSED_NAME))
    snapshot = scene.snapshot()
    both = replace(snapshot, routes=(replace(snapshot.routes[0], endpoints=("e0", "e1")),))
    assert diagnose(both).health[0].state == state


@pytest.mark.parametrize(("lines", "state"), [
    ((line(*REFUSED_NAME),), "failing"), ((), "ok"), ((line(*REFUSED_NAME, path="/other"),), "ok"),
    ((line(*REFUSED_NAME, at=NOW - 30),), "ok"), ((line(*ENDED),), "ok"),         # a kept connection is tried again
])
def test_an_error_is_nginxs_own_if_its_log_says_so_though_another_nginx_has_the_same_page(
        lines: tuple[ErrorEvent, ...], state: str) -> None:
    scene = Scene().with_service(service(), listener(8000, 200)).answers(INNER).endpoint(http=Known(INNER))
    scene.events += lines
    (health,) = diagnose(scene.snapshot()).health
    assert health.state == state
