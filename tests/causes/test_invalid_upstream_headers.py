"""invalid-upstream-headers: nginx names the header that it does not take, of an answer that we get without it."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import ProbeResult
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    Scene,
    at_level,
    causes_of,
    finding_of,
    healthy_scene,
    listener,
    roots,
    service,
    verdict_of,
)

CAUSE = "invalid-upstream-headers"
HEAD = "reading response header from upstream"
BOTH = 'upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time'


def told(message: str, *, count: int = 1, ok: bool = False, path: str = "/", **route: object) -> Scene:
    scene = healthy_scene().answers(GOOD if ok else BAD_GATEWAY)
    scene.route[0] = route
    return scene.logs(message, None, HEAD, count=count, path=path)


def of(scene: Scene) -> Diagnosis:
    return diagnose(scene.snapshot())


@pytest.mark.parametrize(("message", "what"), [
    (BOTH, "Content-Length and Transfer-Encoding"),
    ('upstream sent duplicate header line: "Content-Length: 3", previous value: "Content-Length: 3"', "Content-Length"),
    ('upstream sent invalid "Content-Length" header: "Content-Length: abc"', "Content-Length"),
    ('upstream sent unknown "Transfer-Encoding": "gzip"', "Transfer-Encoding"),
    ('upstream sent invalid header: "X-A: a\\x00..."', "X-A"), ('upstream sent invalid header: "X\\x20..."', "X, whose name holds a blank"),
    ('upstream sent invalid header: "X-A\\x0b..."', "X-A, whose name holds the byte x0b"),
])
def test_hit(message: str, what: str) -> None:
    diagnosis = of(told(message))
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence, found.service) == ("header-invalid", "certain", "backend.service")
    assert f"({what})" in found.summary and found.evidence[0].source == "nginx-log"
    (repair,) = found.repairs
    assert repair.risk == "manual" and f"Correct what sets {what.partition(',')[0]} in backend.service" in repair.manual
    assert ("exclude each other" in repair.manual) is ("Length" in what or "Encoding" in what)


@pytest.mark.parametrize(("argv", "named"), [
    (("/usr/bin/uvicorn", "app.main:app"), " (/srv/shop/app/main.py)"), (("/usr/bin/node", "server.js"), " (/srv/shop/server.js)"),
    (("/opt/shop/serve",), ""),
])
def test_where_the_application_begins_is_named(argv: tuple[str, ...], named: str) -> None:
    scene = told(BOTH)
    scene.services[0] = service(argv=argv, unit_changes={"working_directory": "/srv/shop"})
    manual = finding_of(of(scene), CAUSE).repairs[0].manual
    assert f"in backend.service{named}, or in" in manual


def test_of_another_page_of_a_route_that_fails_us_it_is_likely() -> None:
    found = finding_of(of(told(BOTH, path="/login")), CAUSE)
    assert found.confidence == "likely" and "backend.service answers /login (location /) with headers" in found.summary


def test_of_a_page_that_was_not_asked_no_cause_is_proven() -> None:
    diagnosis = of(told(BOTH, ok=True, path="/export", count=4))
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut) and diagnosis.verdict == "degraded"
    assert causes_of(diagnosis) == []
    assert any("for /export:" in note for note in diagnosis.notes)


@pytest.mark.parametrize("scene", [
    told("upstream sent too big header"), told("upstream sent no valid HTTP/1.0 header"), healthy_scene(),
    told(BOTH).refused(),           # nobody is there now: those were answers of before
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(of(scene), CAUSE), RuledOut)


@pytest.mark.parametrize(("message", "kind", "protocol"), [
    (BOTH, "fastcgi_pass", "FastCGI"), ("upstream sent invalid status \"abc\"", "uwsgi_pass", "uwsgi"),
    ("upstream sent unexpected FastCGI request id low byte: 3", "fastcgi_pass", "FastCGI"),
    ("upstream violated stream flow control, received 9 data frame with window 1", "grpc_pass", "HTTP/2 (gRPC)"),
])
def test_hit_an_answer_that_breaks_the_rules_of_another_protocol(message: str, kind: str, protocol: str) -> None:
    diagnosis = of(told(message, kind=kind))
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("answer-breaks-protocol", "likely", "manual")
    assert f"breaks the rules of {protocol}" in first.summary and message[:80] in first.repairs[0].manual


def test_hit_what_answers_is_no_http() -> None:
    scene = told("upstream sent no valid HTTP/1.0 header")
    scene.endpoint(http=Known(ProbeResult(None, "not-http", None, "response", 3.0, first_bytes="220 shop ESMTP")))
    first = finding_of(of(scene), CAUSE)
    assert first.variant == "answer-breaks-protocol" and "220 shop ESMTP" in first.evidence[-1].text


def tolerated() -> Scene:
    """nginx ignored one of two headers, and the page fails for another reason."""
    scene = told('upstream sent duplicate header line: "Date: a", previous value: "Date: b", ignored')
    scene.events = [at_level(event, "warn") for event in scene.events]
    return scene


@pytest.mark.parametrize("scene", [
    told("upstream sent invalid FastCGI record type: 7", kind="fastcgi_pass", ok=True),         # one visitor's
    tolerated(),
])
def test_miss_an_answer_that_nginx_took(scene: Scene) -> None:
    assert isinstance(verdict_of(of(scene), CAUSE), RuledOut)


def test_unknown() -> None:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.nginx["errors"] = Unknown("permission denied")
    verdict = verdict_of(of(scene), CAUSE)
    assert isinstance(verdict, Undetermined) and "permission denied" in " ".join(verdict.missing)


# The chunks of a body: nginx has sent the status before.
CHUNKS, BODY = "upstream sent invalid chunked response", "reading upstream"


def cut(message: str = CHUNKS, *, count: int = 3, ago: float = 5.0, started: float = 3600.0) -> Scene:
    made = Scene().with_service(service(unit_changes={"active_enter": NOW - started}), listener(8000, 200),
                                started_at=NOW - started)
    return made.answers(GOOD).logs(message, None, BODY, count=count, ago=ago, path="/login")


@pytest.mark.parametrize(("count", "confidence"), [(1, "likely"), (3, "certain"), (8, "certain")])
def test_hit_a_body_whose_chunks_are_none(count: int, confidence: str) -> None:
    diagnosis = of(cut(count=count))
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict != "healthy"
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence) == ("invalid-chunked-body", confidence)
    (repair,) = found.repairs
    assert repair.risk == "manual" and "chunks in backend.service" in repair.manual


@pytest.mark.parametrize("scene", [
    cut(started=2.0),                                                   # the program that sent it runs no more
    cut(ago=120.0), cut("upstream prematurely closed connection"),      # a process that dies, or an exception
])
def test_miss_no_chunk_is_rejected_now(scene: Scene) -> None:
    assert CAUSE not in causes_of(of(scene))
