"""upstream-speaks-http-not-tls: TLS to a port that takes plain HTTP only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span
from fixer.model.plan import WriteFile
from tests.causes.backend_hung_builders import BUSY, HUNG, late_handshake
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    SITE,
    Scene,
    file,
    finding_of,
    listener,
    probe,
    roots,
    service,
    stopped_service,
    verdict_of,
)

ANSWERED = Known(GOOD)
CAUSE = "upstream-speaks-http-not-tls"
NO_TLS = probe(error="tls", phase="tls", body="[SSL: WRONG_VERSION_NUMBER] wrong version number")


def judged(heard: Any = NO_TLS, other: Any = ANSWERED, **changes: Any) -> Diagnosis:
    made = Scene().with_service(service(), listener(8000, 200)).answers(BAD_GATEWAY)
    made.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000"}
    page = next(f for f in made.files if f.path == SITE)
    made.files = [file(SITE, page.data.replace(b"http://", b"https://"), real_path=page.real_path)]
    made.route[0]["source"] = Span(SITE, 3, made.files[0].data.index(b"proxy_pass"), 0)
    made.endpoint(http=Known(heard), tcp=Known(probe()), other_scheme_probe=other, **changes)
    made.logs("SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)", None,
              "SSL handshaking to upstream")
    return diagnose(made.snapshot())


def test_hit_it_refuses_tls_and_answers_plainly() -> None:
    diagnosis = judged()
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence) == ("tls-to-plain-backend", "certain")
    assert any("SSL_do_handshake" in e.text for e in found.evidence)
    write = found.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"proxy_pass http://127.0.0.1:8000;" in (write.after or b"")
    assert found.repairs[0].risk == "safe"


def test_a_backend_whose_certificate_nginx_verifies_is_not_asked_in_the_clear_unasked() -> None:
    """A verified way with a certificate authority of its own was made plain, and called safe."""
    made = Scene().with_service(service(), listener(8000, 200)).answers(BAD_GATEWAY)
    made.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000"}
    page = next(f for f in made.files if f.path == SITE)
    text = page.data.replace(b"proxy_pass http://", b"proxy_ssl_verify on; proxy_pass https://")
    made.files = [file(SITE, text, real_path=page.real_path)]
    made.route[0]["source"] = Span(SITE, 3, text.index(b"proxy_pass"), 0)
    made.endpoint(http=Known(NO_TLS), tcp=Known(probe()), other_scheme_probe=ANSWERED)
    (repair,) = finding_of(diagnose(made.snapshot()), CAUSE).repairs
    assert repair.risk == "manual" and "nginx verifies its certificate" in repair.manual


@pytest.mark.parametrize(("ago", "hit"), [(5.0, True), (1000.0, False)])
def test_of_grpc_nginxs_own_handshake_tells(ago: float, *, hit: bool) -> None:
    made = Scene().with_service(service(runtime="python"), listener(8000, 200)).answers(BAD_GATEWAY)
    made.route[0] = {"scheme": "https", "kind": "grpc_pass", "pass_text": "grpcs://127.0.0.1:8000"}
    made.endpoint(http=Unknown("the upstream protocol is not HTTP"), tcp=Known(GOOD))
    made.logs("SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)", None,
              "SSL handshaking to upstream", ago=ago)
    diagnosis = diagnose(made.snapshot())
    assert (CAUSE in roots(diagnosis)) is hit
    if hit:
        found = finding_of(diagnosis, CAUSE)
        assert found.confidence == "likely" and "write grpc:// in place of the scheme" in found.repairs[0].manual


def by_hand(uid: int = 1000, check: bytes = b"", *others: Any, told: bool = True, **changes: Any) -> Diagnosis:
    """An application that some user started, without a manager, at the address that nginx asks with TLS."""
    bare = service("node[200]", 8000, 200, unit=None, manager="none", runtime="node", **changes)
    made = Scene().with_service(bare, listener(8000, 200)).answers(BAD_GATEWAY)
    for other in others:
        made.with_service(other)
    made.processes = [replace(p, uid=uid) for p in made.processes]
    page = next(f for f in made.files if f.path == SITE)
    data = page.data.replace(b"http://", b"https://")
    made.files = [file(SITE, data + check, real_path=page.real_path)]
    made.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000", "source": Span(SITE, 3, data.index(b"proxy_pass"), 0)}
    made.endpoint(http=Known(NO_TLS), tcp=Known(probe()), other_scheme_probe=ANSWERED, **({} if told else {"configured_service": None}))
    return diagnose(made.snapshot())


@pytest.mark.parametrize(("uid", "check", "risk"), [
    (1000, b"", "disruptive"), (0, b"", "safe"),    # what root started, nobody else chose
    (1000, b"proxy_ssl_verify off;", "disruptive"),
    (1000, b"proxy_ssl_verify on;", "manual"),      # a certificate keeps a user's program from the requests: it stays so
])
def test_an_application_that_a_user_started_is_spoken_to_if_it_could_have_the_requests_anyway(
    uid: int, check: bytes, risk: str,
) -> None:
    (found,) = [f for f in by_hand(uid, check).findings if f.cause == CAUSE]
    assert found.repairs[0].risk == risk and bool(found.repairs[0].steps) is (risk != "manual")
    assert found.confidence == ("certain" if uid == 0 else "likely")


def test_a_users_application_is_not_spoken_to_while_another_may_be_meant() -> None:
    seen = by_hand(1000, b"", stopped_service("shop.service", 9102))
    assert not [r for f in seen.findings for r in f.repairs if f.cause == CAUSE and r.steps]


@pytest.mark.parametrize(("check", "risk"), [(b"", "disruptive"), (b"proxy_ssl_verify on;", "manual")])
def test_a_managed_service_is_asked_plainly_whatever_its_program_is(check: bytes, risk: str) -> None:
    """The address stays as it is, so no program gets a request that it could not have had."""
    made = Scene().with_service(service("files.service", 8000, 200, is_app_server=False, bindings=Known(())), listener(8000, 200))
    made.answers(BAD_GATEWAY)
    page = next(f for f in made.files if f.path == SITE)
    data = page.data.replace(b"http://", b"https://")
    made.files = [file(SITE, data + check, real_path=page.real_path)]
    made.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000", "source": Span(SITE, 3, data.index(b"proxy_pass"), 0)}
    made.endpoint(http=Known(NO_TLS), tcp=Known(probe()), other_scheme_probe=ANSWERED, configured_service=None)
    (found,) = [f for f in diagnose(made.snapshot()).findings if f.cause == CAUSE]
    assert (found.service, found.repairs[0].risk) == ("files.service", risk)


@pytest.mark.parametrize("changes", [{"is_app_server": False}, {"told": False}])
def test_a_users_program_that_is_no_application_told_to_listen_there_is_not_spoken_to(changes: dict[str, Any]) -> None:
    seen = by_hand(1000, b"", **changes)
    assert not [r for f in seen.findings for r in f.repairs if f.cause == CAUSE and r.steps]


def test_hit_the_way_to_another_machine_is_not_stripped_of_its_tls() -> None:
    found = judged(node=None).findings[0]
    assert (found.cause, found.repairs[0].risk, found.repairs[0].steps) == (CAUSE, "manual", ())


def test_miss_a_handshake_that_fails_for_another_reason() -> None:
    assert isinstance(verdict_of(judged(other=Known(replace(NO_TLS, error="closed"))), CAUSE), RuledOut)


def test_miss_a_port_that_says_that_it_takes_tls_refuses_this_handshake_alone() -> None:
    """A server without a certificate for whoever names nobody answers plain requests by that 400."""
    said = probe(400, body="<center>The plain HTTP request was sent to HTTPS port</center>")
    assert isinstance(verdict_of(judged(other=Known(said)), CAUSE), RuledOut)


def test_unknown_where_it_could_not_be_asked_plainly() -> None:
    assert isinstance(verdict_of(judged(other=Unknown("not asked")), CAUSE), Undetermined)


SILENT = probe(error="slow", phase="tls")


def test_hit_it_waits_for_the_end_of_a_plain_request() -> None:
    found = next(f for f in judged(SILENT).findings if f.cause == CAUSE)
    assert (found.confidence, found.repairs[0].risk) == ("certain", "safe")
    assert any(e.text == "no TLS: no answer to the handshake" for e in found.evidence)


@pytest.mark.parametrize(("heard", "other"), [
    (SILENT, probe(status=400, body="<center>The plain HTTP request was sent to HTTPS port</center>")),
    (SILENT, probe(error="slow", phase="head")), (probe(error="slow", phase="head"), GOOD),
])
def test_miss_a_slow_one_that_takes_tls(heard: Any, other: Any) -> None:
    assert isinstance(verdict_of(judged(heard, Known(other)), CAUSE), RuledOut)


@pytest.mark.parametrize(("error", "phase", "hit"), [
    ("reset", "tls", True), ("closed", "tls", True), ("reset", "head", False), ("reset", "connect", False),
])
def test_a_server_that_hangs_up_in_the_handshake_takes_no_tls_if_it_answers_plainly(error: str, phase: str, hit: bool) -> None:
    found = judged(probe(error=error, phase=phase))
    assert (CAUSE in roots(found)) is hit
    assert CAUSE not in roots(judged(probe(error=error, phase=phase), Known(probe(error="reset"))))


def test_hit_over_a_unix_socket_that_answers_plainly_while_nginxs_handshake_fails() -> None:
    socket = {"unix": "/run/shop/s.sock", "host": "", "port": 0}
    found = judged(GOOD, **socket).findings[0]
    assert found.cause == CAUSE and "unix:/run/shop/s.sock with TLS" in found.summary and found.repairs[0].risk == "safe"
    assert CAUSE not in roots(judged(probe(error="closed"), **socket))


PLAIN_COMMAND = ("/usr/bin/uwsgi", "--http-socket", "127.0.0.1:8000", "--module", "app.main")


def queued_handshakes(*, ended: int = 2, queued: int = 7, phase: str = "tls", **changes: Any) -> Scene:
    """It takes nginx's handshakes for requests, and others wait in its queue: no question of ours gets through."""
    scene = late_handshake(queued=queued, established=queued, **{"argv": PLAIN_COMMAND, "runtime": "uwsgi", **changes})
    waited = Unknown("not asked") if phase == "connect" else Known(probe(error="slow", phase="head"))
    scene.endpoint(http=Known(probe(error="slow", phase=phase)), other_scheme_probe=waited)
    return scene.logs("peer closed connection in SSL handshake", None, "SSL handshaking to upstream", count=ended)


@pytest.mark.parametrize("phase", ["connect", "tls"])
def test_hit_behind_a_queue_its_command_and_nginxs_log_tell(phase: str) -> None:
    """Its queue may be full, so that not even a connect of ours is answered."""
    found = finding_of(diagnose(queued_handshakes(phase=phase).snapshot()), CAUSE)
    assert (found.role, found.confidence, found.repairs[0].risk) == ("root", "likely", "manual")
    assert "configured without a certificate, and ends the handshakes" in found.summary
    assert any("peer closed connection" in e.text for e in found.evidence)


@pytest.mark.parametrize(("upstream", "ago", "is_found"), [
    ("https://127.0.0.1:8000/", 100.0, True),
    ("https://127.0.0.1:9000/", 100.0, False),       # another address
    ("https://127.0.0.1:8000/", 5000.0, False),      # of an earlier run of the service
])
def test_hit_where_the_queue_is_full_by_now_and_no_handshake_ends(upstream: str, ago: float, is_found: bool) -> None:
    """What ended them a while ago ends them still; nginx waits for its own turn only."""
    scene = queued_handshakes(ended=0, unit_changes={"active_enter": NOW - 600, "state_change": NOW - 600})
    scene.logs("peer closed connection in SSL handshake", None, "SSL handshaking to upstream", ago=ago)
    scene.events[-1] = replace(scene.events[-1], upstream=upstream)
    scene.events.sort(key=lambda event: event.at)
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis) == [CAUSE]) is is_found
    if is_found:
        texts = [e.text for e in finding_of(diagnosis, CAUSE).evidence]
        assert any("peer closed" in text for text in texts) and any("timed out" in text for text in texts)


@pytest.mark.parametrize("scene", [
    queued_handshakes(ended=0), queued_handshakes(queued=0), queued_handshakes(phase="head"), queued_handshakes(state="T"),
    queued_handshakes(argv=("/usr/bin/gunicorn", "app.main", "--certfile", "/etc/tls/shop.pem"), runtime="gunicorn"),
    queued_handshakes(runtime="node"),
    queued_handshakes().endpoint(listening_service="local/other"),
])
def test_miss_behind_a_queue_where_another_thing_may_be_wrong(scene: Scene) -> None:
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_what_keeps_its_workers_with_handshakes_is_no_overload() -> None:
    diagnosis = diagnose(queued_handshakes().snapshot())
    assert roots(diagnosis) == [CAUSE]
    assert finding_of(diagnosis, BUSY).role == "consequence"


def test_an_event_loop_that_stands_still_is_a_fault_of_its_own() -> None:
    """It ends a handshake at once: what fills its queue is no handshake."""
    standing = queued_handshakes(argv=("/usr/bin/uvicorn", "app.main:app"), runtime="uvicorn")
    assert roots(diagnose(standing.snapshot())) == [HUNG, CAUSE]


def test_a_server_that_answers_plainly_at_once_is_not_overloaded_by_handshakes() -> None:
    answering = queued_handshakes(ended=0).endpoint(other_scheme_probe=Known(GOOD))
    assert roots(diagnose(answering.snapshot())) == [CAUSE]


def test_requests_that_wait_as_well_are_an_overload_of_their_own() -> None:
    scene = queued_handshakes().logs(
        "upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=4)
    assert roots(diagnose(scene.snapshot())) == [BUSY, CAUSE]
