"""Tests of fixer/causes/wrong_protocol/websocket.py."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.snapshot import ProbeResult
from tests.causes.snapshot_builders import GOOD, Scene, finding_of, healthy_scene, listener, log_lines, probe, service

CAUSE = "wrong-protocol"
WANTED = probe(426, body="Failed to open a WebSocket connection: missing Connection header.\n\nYou cannot access a WebSocket server directly")
TOLD = [WANTED, probe(426), probe(400, body='Can "Upgrade" only to "WebSocket".'), probe(400, body="No WebSocket UPGRADE hdr: None"),
        probe(400, body="Bad Request\n'upgrade' token not found in 'Connection' header"), probe(400, body='"Connection" must be "Upgrade".')]
PASSES = {"upgrades": True, "http_version": "1.1", "connection": "$connection_upgrade"}


def sockets(said: ProbeResult = WANTED, direct: ProbeResult | None = None, **route: Any) -> Diagnosis:
    """The backend takes WebSocket at that address; fixer asks with a plain request."""
    scene = healthy_scene().answers(said).endpoint(http=Known(direct or said))
    scene.route[0] = {"location": "/live", "path": "/live", **route}
    return diagnose(scene.snapshot())


def advice(diagnosis: Diagnosis) -> list[tuple[str, str | None]]:
    return [(f.cause, f.variant) for f in diagnosis.findings]


@pytest.mark.parametrize("said", TOLD)
def test_a_hit_where_nginx_hands_on_no_upgrade(said: ProbeResult) -> None:
    diagnosis = sockets(said)
    found = finding_of(diagnosis, CAUSE)
    assert diagnosis.verdict == "healthy" and (found.role, found.confidence, found.variant) == ("advice", "certain", "websocket-not-passed")
    assert f"(a plain request gets {said.status}), and nginx does not hand on the header Upgrade" in found.summary
    assert "$connection_upgrade" in found.detail[0] and found.evidence[0].where.endswith("/shop:3") and found.service == "backend.service"


@pytest.mark.parametrize(("route", "lacks"), [
    ({**PASSES, "connection": "close"}, "sends Connection: close"), ({**PASSES, "connection": ""}, "sends no header Connection"),
    ({**PASSES, "http_version": "1.0"}, "asks in HTTP/1.0"), ({**PASSES, "upgrades": False, "http_version": "1.0"}, "Upgrade and asks in HTTP/1.0"),
])
def test_what_else_closes_the_way(route: dict[str, Any], lacks: str) -> None:
    assert lacks in finding_of(sockets(**route), CAUSE).summary


@pytest.mark.parametrize(("server", "told"), [("nginx/1.26.3", True), ("nginx/1.30.0", False), ("nginx", False)])
def test_what_the_version_of_nginx_decides(server: str, told: bool) -> None:
    """Up to 1.29.6 it asks in HTTP/1.0 and sends `close`; a version that nobody knows is no evidence."""
    said = probe(426, server=server)
    diagnosis = sockets(said, upgrades=True, http_version="", connection="upgrade")
    assert bool(advice(diagnosis)) is told
    assert not told or "asks in HTTP/1.0" in finding_of(diagnosis, CAUSE).summary


@pytest.mark.parametrize(("said", "route"), [
    (WANTED, PASSES), (WANTED, {**PASSES, "connection": "Upgrade"}), (probe(400, body="Invalid HTTP_HOST header"), {}),
    (probe(400, body="<center><h1>400 Bad Request</h1></center><hr><center>nginx</center> websocket"), {}), (probe(404, body="websocket"), {}),
    (probe(200, body="WebSocket test page"), {}),
])
def test_a_miss_of_what_is_handed_on_or_no_address_of_websocket(said: ProbeResult, route: dict[str, Any]) -> None:
    assert not advice(sockets(said, **route))


@pytest.mark.parametrize("direct", [Unknown("not asked"), Known(GOOD)])
def test_a_hit_where_the_backend_was_asked_for_another_page(direct: Fact[ProbeResult]) -> None:
    """Several locations lead to one address: what nginx hands on of this page is no answer of its own."""
    scene = healthy_scene().endpoint(http=direct)
    scene.answers(WANTED)
    diagnosis = diagnose(scene.snapshot())
    assert advice(diagnosis) and "without nginx" not in " ".join(e.text for f in diagnosis.findings for e in f.evidence)


def test_unknown_is_what_nobody_answered() -> None:
    assert not advice(diagnose(healthy_scene().endpoint(http=Unknown("--no-probe")).snapshot()))


PLAIN = probe(400, body="Unsupported upgrade request.")


@pytest.mark.parametrize(("said", "direct", "connection", "told"), [
    (PLAIN, probe(200), "upgrade", True), (PLAIN, probe(302), "Upgrade", True), (PLAIN, PLAIN, "upgrade", False),
    (PLAIN, probe(200), "$connection_upgrade", False), (probe(200), probe(200), "upgrade", False), (PLAIN, probe(200), None, False),
    (probe(400, body="<center>nginx</center>"), probe(200), "upgrade", False),
])
def test_pages_that_are_refused_because_each_request_asks_for_an_upgrade(said: ProbeResult, direct: ProbeResult, connection: str | None,
                                                                       told: bool) -> None:
    diagnosis = sockets(said, direct, upgrades=True, http_version="1.1", connection=connection)
    assert advice(diagnosis) == ([(CAUSE, "websocket-on-plain-requests")] if told else [])


LIBRARY = [
    "WARNING:  No supported WebSocket library detected. Please use \"pip install 'uvicorn[standard]'\", or install 'websockets' or 'wsproto' manually.",
    "WebSocket transport not available. Install simple-websocket for improved performance.",
    "you need to build uWSGI with SSL support to use the websocket handshake api function !!!",
]


def library(line: str, **changes: Any) -> list[Finding]:
    made = service(log=log_lines("INFO:     Started server process [200]", line), **changes)
    return list(diagnose(Scene().with_service(made, listener(8000, 200)).snapshot()).findings)


@pytest.mark.parametrize("line", LIBRARY)
def test_a_server_that_says_that_it_has_no_library(line: str) -> None:
    (found,) = library(line)
    assert (found.cause, found.variant, found.role, found.service) == (CAUSE, "websocket-library-missing", "advice", "backend.service")
    assert found.routes == ("r1",) and line in found.evidence[0].text


@pytest.mark.parametrize(("line", "changes"), [
    ('"WebSocket /live" [accepted]', {}), ('GET /?q=No+supported+WebSocket+library HTTP/1.1', {}), (LIBRARY[0], {"is_app_server": False}),
])
def test_other_words_about_websocket_say_nothing(line: str, changes: dict[str, Any]) -> None:
    assert not library(line, **changes)
