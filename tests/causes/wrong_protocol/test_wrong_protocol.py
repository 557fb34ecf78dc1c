"""wrong-protocol: the pass of nginx speaks what its backend does not take."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from tests.causes.snapshot_builders import (
    GOOD,
    finding_of,
    log_lines,
    probe,
    roots,
    verdict_of,
)
from tests.causes.wrong_protocol.wrong_protocol_builders import CAUSE, CLOSED, MISREAD, judged, written


@pytest.mark.parametrize("page", ["http://127.0.0.1:8000", "http://127.0.0.1:8000/"])
def test_hit_http_is_spoken_to_a_socket_of_uwsgis_own(page: str) -> None:
    diagnosis = judged(page=page, log=log_lines(MISREAD))
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("backend-is-uwsgi", "certain", "safe")
    assert {"socket = :8000", MISREAD} <= {e.text for e in found.evidence}
    assert written(diagnosis) == "location / { include uwsgi_params; uwsgi_pass 127.0.0.1:8000; }\n"


def test_hit_by_its_log_alone_where_no_file_of_it_was_read() -> None:
    """An emperor's vassal: its command names no socket."""
    assert roots(judged(key="", log=log_lines(MISREAD))) == [CAUSE]
    assert CAUSE not in roots(judged(key="", log=log_lines("invalid request block size: 5213 (max 4096)...skip")))
    assert CAUSE not in roots(judged(key="", log=log_lines(f"GET /{MISREAD}")))


@pytest.mark.parametrize(("words", "kind", "is_hit"), [
    (("--socket", "127.0.0.1:8000"), "proxy_pass", True), (("-s", ":8000"), "proxy_pass", True),
    (("--http-socket=127.0.0.1:8000",), "uwsgi_pass", True), (("--http-socket=127.0.0.1:8000",), "proxy_pass", False),
    (("--socket", ":8000"), "uwsgi_pass", False), (("--socket", ":8000", "--http", ":8001"), "proxy_pass", False),
])
def test_hit_what_its_command_says_of_its_sockets(words: tuple[str, ...], kind: str, is_hit: bool) -> None:
    page = "127.0.0.1:8000" if kind == "uwsgi_pass" else "http://127.0.0.1:8000"
    diagnosis = judged(kind, "", page, argv=("/usr/bin/uwsgi", "--module", "app:app", *words))
    assert (CAUSE in roots(diagnosis)) is is_hit


PLUGIN = "-- unavailable modifier requested: 0 --"


@pytest.mark.parametrize(("kind", "key", "page"), [
    ("uwsgi_pass", "socket", "127.0.0.1:8000"), ("proxy_pass", "http-socket", "http://127.0.0.1:8000"),
])
def test_hit_uwsgi_has_no_plugin_for_the_application(kind: str, key: str, page: str) -> None:
    diagnosis = judged(kind, key, page, log=log_lines("*** uWSGI is running in multiple interpreter mode ***", PLUGIN))
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("uwsgi-plugin-missing", "certain", "manual")
    assert "plugin = python3` to /srv/shop/app.ini" in found.repairs[0].manual
    assert any(e.source == "service-log" and e.text == PLUGIN for e in found.evidence)


def test_miss_a_plugin_that_was_missing_before_the_last_start() -> None:
    assert CAUSE not in roots(judged("uwsgi_pass", "socket", "127.0.0.1:8000", log=log_lines(PLUGIN, ago=7200.0)))


def test_hit_uwsgi_is_spoken_to_http() -> None:
    diagnosis = judged("uwsgi_pass", "http-socket", "127.0.0.1:8000", Unknown("not asked"),
                       "location / {\n    include uwsgi_params;\n    PASS;\n}\n")
    assert roots(diagnosis) == [CAUSE]
    assert finding_of(diagnosis, CAUSE).variant == "uwsgi-pass-to-http"
    assert "    proxy_set_header Host $http_host;\n" in written(diagnosis)
    assert "\n    proxy_pass http://127.0.0.1:8000;\n}" in written(diagnosis)


@pytest.mark.parametrize("runtime", ["gunicorn", "sanic", "puma", "http.server"])
def test_hit_fastcgi_is_spoken_to_http_and_headers_that_are_there_stay_alone(runtime: str) -> None:
    diagnosis = judged("fastcgi_pass", "", "127.0.0.1:8000", Unknown("not asked"),
                       "location / { proxy_set_header Host $host; PASS; }\n", runtime=runtime, argv=(runtime, "a:b"))
    assert finding_of(diagnosis, CAUSE).variant == "fastcgi-pass-to-http"
    assert written(diagnosis) == "location / { proxy_set_header Host $host; proxy_pass http://127.0.0.1:8000; }\n"


@pytest.mark.parametrize("error", ["closed", "reset"])
def test_hit_http_is_spoken_to_fastcgi(error: str) -> None:
    diagnosis = judged(key="", runtime="php-fpm", argv=("php-fpm: master process",), http=Known(probe(error=error, phase="head")),
                       line=("recv() failed (104: Connection reset by peer)", 104))
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence) == ("backend-is-fastcgi", "certain")
    (repair,) = found.repairs
    assert repair.risk == "manual" and "fastcgi_pass 127.0.0.1:8000" in repair.manual and "SCRIPT_FILENAME" in repair.manual


@pytest.mark.parametrize(("kind", "heard"), [
    ("fastcgi_pass", CLOSED), ("proxy_pass", Known(GOOD)), ("proxy_pass", Unknown("not asked")),
])
def test_miss_a_server_of_fastcgi_that_is_asked_so_or_was_not_asked(kind: str, heard: Any) -> None:
    page = "http://127.0.0.1:8000" if kind == "proxy_pass" else "127.0.0.1:8000"
    diagnosis = judged(kind, "", page, runtime="php-fpm", argv=("php-fpm: master process",), http=heard)
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


NO_HTTP = ("upstream sent no valid HTTP/1.0 header", None)
SETTINGS = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("frame", [SETTINGS, "\x00\x00\x12" + SETTINGS[3:] + "\x00\x03\x00\x00\x00\x64"])
def test_hit_a_server_that_answers_with_a_frame_of_http2(frame: str) -> None:
    diagnosis = judged(page="http://127.0.0.1:8000", line=NO_HTTP, key="", runtime="node", argv=("node", "server.js"),
                       http=Known(probe(error="not-http", phase="head", first_bytes=frame)),
                       answer=probe(error="not-http", phase="head", first_bytes=frame))
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence, found.service) == ("backend-is-http2-only", "certain", "backend.service")
    (repair,) = found.repairs
    assert (repair.risk, repair.steps) == ("manual", ()) and "grpc_pass grpc://127.0.0.1:8000" in repair.manual


@pytest.mark.parametrize("first", ["", "SSH-2.0-OpenSSH", "\x00\x00\x00\x07\x00\x00\x00\x00\x00", "220 mail ESMTP"])
def test_miss_what_else_is_no_http(first: str) -> None:
    heard = Known(probe(error="not-http", phase="head", first_bytes=first))
    diagnosis = judged(line=NO_HTTP, key="", runtime="node", argv=("node", "server.js"), http=heard)
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


FRAME = ("upstream sent too large http2 frame: 4740180", None)
HTTP_SERVER: dict[str, Any] = {"key": "", "runtime": "uvicorn", "argv": ("uvicorn", "a:b"), "http": Unknown("not asked")}


@pytest.mark.parametrize("page", ["127.0.0.1:8000", "grpc://127.0.0.1:8000"])
def test_hit_http2_is_spoken_to_http1(page: str) -> None:
    diagnosis = judged("grpc_pass", page=page, line=FRAME, **HTTP_SERVER)
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("grpc-pass-to-http", "certain", "safe")
    assert "proxy_pass http://127.0.0.1:8000;" in written(diagnosis)
    assert any(FRAME[0] in e.text for e in found.evidence)


@pytest.mark.parametrize("line", [("upstream sent too large http2 frame: 4740181", None),
                                  ("upstream prematurely closed connection", None)])
def test_miss_a_server_of_grpc_that_fails_otherwise(line: tuple[str, int | None]) -> None:
    assert isinstance(verdict_of(judged("grpc_pass", page="127.0.0.1:8000", line=line, **HTTP_SERVER), CAUSE), RuledOut)


def test_a_pass_of_grpc_over_tls_is_a_persons_to_edit() -> None:
    (repair,) = finding_of(judged("grpc_pass", page="grpcs://127.0.0.1:8000", line=FRAME, **HTTP_SERVER), CAUSE).repairs
    assert (repair.risk, repair.steps) == ("manual", ())


@pytest.mark.parametrize("changes", [
    {"key": "http-socket"}, {"kind": "uwsgi_pass", "page": "127.0.0.1:8000"}, {"http": Known(GOOD)}, {"key": ""},
    {"key": "", "runtime": "gunicorn", "argv": ("gunicorn", "a:b")},
    {"kind": "uwsgi_pass", "page": "127.0.0.1:8000", "key": "", "runtime": "gunicorn",
     "argv": ("gunicorn", "--protocol", "uwsgi", "a:b")},
])
def test_miss_where_both_speak_alike_or_nothing_says_what_is_spoken(changes: dict[str, Any]) -> None:
    assert isinstance(verdict_of(judged(**changes), CAUSE), RuledOut)


@pytest.mark.parametrize(("kind", "spoken", "variant", "steps"), [
    ("uwsgi_pass", "http", "uwsgi-pass-to-http", True), ("proxy_pass", "fastcgi", "backend-is-fastcgi", False),
    ("fastcgi_pass", "scgi", None, False), ("scgi_pass", "uwsgi", None, False), ("uwsgi_pass", "fastcgi", None, False),
    ("scgi_pass", "http", None, False),
])
def test_hit_the_file_of_uwsgi_names_another_protocol(kind: str, spoken: str, variant: str | None, steps: bool) -> None:
    page = "http://127.0.0.1:8000" if kind == "proxy_pass" else "127.0.0.1:8000"
    found = finding_of(judged(kind, page=page, spoken=spoken, http=Unknown("not asked")), CAUSE)
    assert (found.variant, found.confidence, bool(found.repairs[0].steps)) == (variant, "certain", steps)
    assert f"with {kind}, but backend.service takes" in found.summary
    assert Evidence("file", "/srv/shop/app.ini", f"protocol = {spoken}") in found.evidence or spoken == "uwsgi"
    assert steps or f"{'proxy' if spoken == 'http' else spoken}_pass" in found.repairs[0].manual


@pytest.mark.parametrize(("kind", "spoken"), [("fastcgi_pass", "fastcgi"), ("scgi_pass", "scgi")])
def test_miss_uwsgi_takes_what_the_pass_sends(kind: str, spoken: str) -> None:
    made = judged(kind, page="127.0.0.1:8000", spoken=spoken, http=Unknown("not asked"))
    assert isinstance(verdict_of(made, CAUSE), RuledOut)


@pytest.mark.parametrize("kind", ["fastcgi_pass", "uwsgi_pass", "scgi_pass"])
def test_unknown_what_a_program_of_no_known_server_takes(kind: str) -> None:
    made = judged(kind, key="", page="127.0.0.1:8000", http=Unknown("not asked"), runtime="",
                  argv=("/usr/bin/python3", "/srv/shop/metrics.py"))
    assert isinstance(verdict_of(made, CAUSE), Undetermined)


def test_unknown_who_holds_the_socket_is_no_claim() -> None:
    assert CAUSE not in roots(judged(pid=None))


@pytest.mark.parametrize("line", [
    ("readv() failed (104: Connection reset by peer)", 104), ("SSL_read() failed (104: Connection reset by peer)", 104),
    ('upstream sent invalid "Content-Length" header: "Content-Length: abc"', None), ("upstream sent no valid HTTP/1.0 header", None),
    ("upstream timed out (110: Connection timed out)", 110),
])
def test_whatever_the_misread_answer_looks_like_to_nginx_is_shown(line: tuple[str, int | None]) -> None:
    shown = finding_of(judged(log=log_lines(MISREAD), line=line), CAUSE).evidence
    assert any(line[0] in one.text for one in shown)


@pytest.mark.parametrize("number", ["22", "71", "80"])
def test_a_first_byte_of_another_protocol_is_no_missing_plugin(number: str) -> None:
    """uWSGI reads it as a modifier: 22 begins a TLS handshake, which fixer itself tries, 71 is the G of GET."""
    line = f"-- unavailable modifier requested: {number} --"
    diagnosis = judged("proxy_pass", "socket", "http://127.0.0.1:8000", log=log_lines("*** uWSGI is running ***", line))
    assert finding_of(diagnosis, CAUSE).variant == "backend-is-uwsgi"
