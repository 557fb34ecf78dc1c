"""Tests of fixer/formats/run_output.py."""

from __future__ import annotations

import pytest

from fixer.formats.run_output import (
    PROGRESS_LINE,
    STOPPING_LINE,
    TimedRequest,
    ends_run,
    ends_run_at,
    is_request_line,
    joins_exceptions,
    raised_name,
    says_goodbye,
    says_ready,
    says_starting,
    timed_request,
)

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


@pytest.mark.parametrize(("target", "took", "request_of"), [
    ("report?year=1", "1601 msecs", TimedRequest("GET", "/report", 404, 1.601)),
    ("report?x=[redacted: query]", "7 msecs", TimedRequest("GET", "/report", 404, 0.007)),
    ("", "1500000 micros", TimedRequest("GET", "/", 404, 1.5)),
    ("a => generated 3 bytes in 9 msecs (HTTP/1.1 200)", "1 msecs", None),
])
def test_uwsgi_says_how_long_it_worked_on_a_request(target: str, took: str, request_of: TimedRequest | None) -> None:
    assert timed_request(REQUESTS["uwsgi"].format(target).replace("1 msecs", took)) == request_of


@pytest.mark.parametrize("server", [name for name in REQUESTS if name != "uwsgi"])
def test_the_other_servers_do_not_say_it(server: str) -> None:
    assert timed_request(REQUESTS[server].format("report")) is None


@pytest.mark.parametrize("server", ["daphne", "daphne-websocket", "hypercorn"])
def test_a_quote_in_the_path_does_not_end_the_request(server: str) -> None:
    """These servers escape none; text after it was read as the program's."""
    assert is_request_line(REQUESTS[server].format('x"KeyError:"y'))


@pytest.mark.parametrize("line", [
    "ConnectionError: http://127.0.0.1:9/a HTTP/1.1", "INFO:     Started server process [7]", "KeyError: 'GET /a'",
    'httpx.ConnectError: cannot get "http://db/a" in 3 s', '"GET /a" failed', "spawned uWSGI worker 1 (pid: 8, cores: 1)",
])
def test_the_words_of_the_program_are_none_of_a_visitor(line: str) -> None:
    assert not is_request_line(line)


@pytest.mark.parametrize(("line", "name", "ends"), [
    ("ValueError: x", "ValueError", True), ("a.b_c.MyException", "MyException", True),
    ("django.core.exceptions.ImproperlyConfigured: x", "ImproperlyConfigured", True), ("click.exceptions.CleanExit: 2", "CleanExit", True),
    ("UserInterrupt", "UserInterrupt", True), ("DeprecationWarning: x", "DeprecationWarning", False),
    ("SystemExit: 1", "SystemExit", False), ("asyncio.exceptions.CancelledError", "CancelledError", False),
    ("KeyboardInterrupt", "KeyboardInterrupt", False), ("gunicorn.errors.HaltServer: <HaltServer 3>", "HaltServer", False),
    ("Exception in callback f()", "", False), ("Error: x", "", False),
    ("Error: ENOENT: no such file or directory, open '/a'", "Error", True), ("Uncaught Error: EACCES: permission denied", "Error", True),
    ("Error: listen EADDRINUSE: address already in use :::80", "Error", True), ("Error: Empty name", "", False), ("  ValueError: x", "", False),
    ("lowerError: x", "", False), ("ValueErrors: x", "", False),
])
def test_an_exception_ends_a_run_unless_it_warns_or_carries_another(line: str, name: str, ends: bool) -> None:
    assert (raised_name(line), ends_run(line)) == (name, ends)


@pytest.mark.parametrize("line", [
    "INFO:     Application startup complete.", "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
    "[2026-01-02 03:04:05 +0000] [7] [INFO] Listening at: http://127.0.0.1:8000 (7)",
    "[2026-01-02 03:04:05 +0000] [7] [INFO] Running on http://127.0.0.1:8000 (CTRL + C to quit)",          # hypercorn
    "2026-01-02 03:04:05,123 INFO     Listening on TCP address 127.0.0.1:8000",                            # daphne
    "[INFO] Listening at: http://127.0.0.1:8000",                                                          # granian
    "INFO:waitress:Serving on http://127.0.0.1:8000", " * Running on http://127.0.0.1:5000",
    "INFO:     Uvicorn running on unix socket /run/shop.sock (Press CTRL+C to quit)",
    "INFO:     Uvicorn running on socket ('127.0.0.1', 8000) (Press CTRL+C to quit)",
    "Serving HTTP on 0.0.0.0 port 8000 (http://0.0.0.0:8000/) ...", "* Listening on http://0.0.0.0:9292",   # http.server, puma
])
def test_every_server_says_when_it_is_ready(line: str) -> None:
    assert says_ready(line) and not says_goodbye(line)


@pytest.mark.parametrize("line", [
    "INFO:     Started server process [7]", "INFO:     Started parent process [7]", "INFO:     Started reloader process [7] using StatReload",
    "INFO:     Waiting for application startup.", "[2026-01-02 03:04:05 +0000] [7] [INFO] Starting gunicorn 23.0.0",
    "[2026-01-02 03:04:05 +0000] [8] [INFO] Booting worker with pid: 8",
])
def test_a_server_that_starts_is_not_ready_yet(line: str) -> None:
    assert says_starting(line) and PROGRESS_LINE.search(line) and not says_ready(line) and not says_goodbye(line)


def test_what_runs_on_something_else_is_not_ready() -> None:
    assert not says_ready("probably another instance of uWSGI is running on the same address (127.0.0.1:8000).")


def test_a_script_that_waits_for_an_application_has_started_no_server() -> None:
    """Three letters more of the line decide whether it is uvicorn's."""
    assert not says_starting("Waiting for app-db:5432") and not says_starting("INFO:     Waiting for application shutdown.")


@pytest.mark.parametrize(("line", "on_request"), [
    ("INFO:     Shutting down", True), ("INFO:     Waiting for connections to close. (CTRL+C to force quit)", True),
    ("INFO:     Application shutdown complete.", True), ("INFO:     Stopping parent process [7]", True),
    ("INFO:     Finished server process [7]", False), ("[2026-01-02 03:04:05 +0000] [7] [INFO] Handling signal: term", True),
    ("[2026-01-02 03:04:05 +0000] [7] [INFO] Shutting down: Master", True), ("shop: Shutting down: Master", False),
])
def test_a_server_that_ends_in_order_says_goodbye(line: str, on_request: bool) -> None:
    assert says_goodbye(line) and (STOPPING_LINE.search(line) is not None) is on_request


@pytest.mark.parametrize("line", [
    "ERROR:    Application shutdown failed. Exiting.", "the pump begins Shutting down", "[2026-01-02 03:04:05 +0000] [8] [INFO] Worker exiting (pid: 8)",
])
def test_what_is_no_goodbye_of_a_server(line: str) -> None:
    """A worker that exits is replaced."""
    assert not says_goodbye(line)


@pytest.mark.parametrize("words", ["Listening on x", "Started server process", "Finished server process", "Shutting down: Master"])
@pytest.mark.parametrize("server", REQUESTS)
def test_the_path_of_a_request_neither_starts_nor_ends_a_server(server: str, words: str) -> None:
    line = REQUESTS[server].format(words)
    assert not says_ready(line) and not says_starting(line) and not says_goodbye(line)


@pytest.mark.parametrize(("line", "joins"), [
    ("During handling of the above exception, another exception occurred:", True),
    ("The above exception was the direct cause of the following exception:", True),
    ("Traceback (most recent call last):", False), ("app: During handling of the above exception", False), ("", False),
])
def test_what_stands_between_two_exceptions(line: str, joins: bool) -> None:
    assert joins_exceptions(line) is joins


TRACEBACK = "Traceback (most recent call last):"
FRAME = ('  File "/srv/shop/web.py", line 3, in <module>', "    connect(HOST)", "    ~~~~~~~^^^^^^")
JOIN = "The above exception was the direct cause of the following exception:"
LOWER = "socket.gaierror: [Errno -2] Name or service not known"


@pytest.mark.parametrize(("lines", "ends"), [
    ((TRACEBACK, *FRAME, LOWER), True), ((*FRAME[1:], LOWER), False), ((*FRAME, LOWER), True), ((TRACEBACK, *FRAME[1:], LOWER), True),
    ((LOWER,), False), ((TRACEBACK, LOWER), False), ((TRACEBACK, *FRAME, "ValueError: x", LOWER), False), (("ValueError: x",), True),
    ((TRACEBACK, *FRAME, "SystemExit: 1"), False), ((TRACEBACK, *FRAME, "DeprecationWarning: old"), False),
    ((TRACEBACK, *FRAME, "unable to load app 0"), False), ((TRACEBACK, *FRAME, "shop.NotReady"), True),
    (("KeyError: 'db'", "", JOIN, "", TRACEBACK, *FRAME, "shop.NotReady: db"), False),      # the one above may say why
    (("KeyError: 'db'", JOIN, TRACEBACK, *FRAME, "shop.NotReadyError"), True), (("begun", "", TRACEBACK, *FRAME, LOWER), True),
    ((TRACEBACK, *FRAME, "ValueError: x", "  of two lines", "shop.service: Main process exited"), False),
])
def test_the_frames_above_an_exception_show_it_by_any_name(lines: tuple[str, ...], ends: bool) -> None:
    assert ends_run_at(lines, len(lines) - 1) is ends
