"""The lines by which the end of a run is told."""

from __future__ import annotations

import pytest

from fixer.formats.run_output import ends_run, is_request_line, raised_name

REQUESTS = {
    "uvicorn": 'INFO:     127.0.0.1:5 - "GET /{} HTTP/1.1" 404 Not Found',
    "gunicorn": '127.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /{} HTTP/1.0" 404 9 "-" "curl"',
    "websocket": 'INFO:     127.0.0.1:5 - "WebSocket /{}" [accepted]',
    "uwsgi": "[pid: 7|app: 0|req: 1/1] 127.0.0.1 () {{30 vars in 400 bytes}} [now] GET /{} => generated 3 bytes in 1 msecs "
             "(HTTP/1.1 404) 2 headers in 71 bytes",
    "daphne": '127.0.0.1:5 - - [02/Jan/2026:03:04:05] "GET /{}" 404 9',
    "daphne-websocket": '127.0.0.1:5 - - [02/Jan/2026:03:04:05] "WSCONNECTING /{}" - -',
    "hypercorn": '[2026-01-02 03:04:05 +0000] [7] [INFO] 127.0.0.1:5 - - [now] "GET /{} 1.1" 404 9 "-" "curl"',
    "http.server": '127.0.0.1 - - [02/Jan/2026 03:04:05] code 400, message Bad request syntax (\'{}\')',
    "bad-request": "[2026-01-02 03:04:05 +0000] [7] [WARNING] Invalid request from ip=127.0.0.1: Invalid HTTP method: {}",
}


@pytest.mark.parametrize("server", REQUESTS)
def test_the_words_of_a_visitor_are_known_in_every_access_log(server: str) -> None:
    assert is_request_line(REQUESTS[server].format("x-address-already-in-use"))


@pytest.mark.parametrize("line", [
    "ConnectionError: http://127.0.0.1:9/a HTTP/1.1", "INFO:     Started server process [7]", "KeyError: 'GET /a'",
    'httpx.ConnectError: cannot get "http://db/a" in 3 s', "spawned uWSGI worker 1 (pid: 8, cores: 1)",
])
def test_the_words_of_the_program_are_none_of_a_visitor(line: str) -> None:
    assert not is_request_line(line)


@pytest.mark.parametrize(("line", "name", "ends"), [
    ("ValueError: x", "ValueError", True), ("a.b_c.MyException", "MyException", True),
    ("django.core.exceptions.ImproperlyConfigured: x", "ImproperlyConfigured", True), ("click.exceptions.CleanExit: 2", "CleanExit", True),
    ("UserInterrupt", "UserInterrupt", True), ("DeprecationWarning: x", "DeprecationWarning", False),
    ("SystemExit: 1", "SystemExit", False), ("asyncio.exceptions.CancelledError", "CancelledError", False),
    ("KeyboardInterrupt", "KeyboardInterrupt", False), ("gunicorn.errors.HaltServer: <HaltServer 3>", "HaltServer", False),
    ("Exception in callback f()", "", False), ("Error: x", "", False), ("  ValueError: x", "", False),
    ("lowerError: x", "", False), ("ValueErrors: x", "", False),
])
def test_an_exception_ends_a_run_unless_it_warns_or_carries_another(line: str, name: str, ends: bool) -> None:
    assert (raised_name(line), ends_run(line)) == (name, ends)
