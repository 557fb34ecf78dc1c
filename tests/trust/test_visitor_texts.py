"""What a visitor writes changes no diagnosis: the path of a request, in an access log or in nginx's error.log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.nginx_config import Span, StaticLocation
from fixer.model.snapshot import LogLine, Service
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    SITE,
    Scene,
    failed_service,
    healthy_scene,
    listener,
    log_lines,
    probe,
    service,
    supervised_service,
)
from tests.crash.crash_draw import draw_by_day
from tests.formats.test_run_output import REQUESTS

# Each means something where a program or its server logs it.
PHRASES = (
    "[Errno 98] Address already in use", "[Errno 99] Cannot assign requested address: bind", "KeyError: 'DATABASE_URL'",
    "the environment variable DATABASE_URL is not set", "PermissionError: [Errno 13] Permission denied: '/srv/shop/x'",
    "FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/x'", "OSError: [Errno 28] No space left on device",
    "OSError: [Errno 24] Too many open files", "[Errno 97] Address family not supported by protocol", "MemoryError",
    "[Errno 12] Cannot allocate memory", "[Errno 11] Resource temporarily unavailable", "SyntaxError: x", "NameError: x",
    "ModuleNotFoundError: No module named 'x'", 'Error loading ASGI app. Could not import module "x".', "Worker failed to boot",
    "ConnectionRefusedError: [Errno 111] Connection refused", "could not connect to server: Connection refused",
    "Temporary failure in name resolution", "Application startup complete", "Started server process [7]", "Listening on x",
    "Shutting down", "Waiting for application shutdown", "Handling signal: term", "Finished server process [7]", "Killed",
    "Segmentation fault", "WORKER TIMEOUT (pid:8)", "Worker exiting (pid: 8)", "was sent SIGKILL! Perhaps out of memory?",
    "invalid request block size: 21573 (max 4096)...skip", "Main process exited, code=killed, status=9/KILL", "Exception in callback x",
)
SERVERS = ("uvicorn", "gunicorn", "uwsgi", "daphne")
ENDED = "backend.service: Main process exited, code=exited, status=1/FAILURE"
TRACE = ("Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 3, in <module>', "    import orjson")
RUNS: dict[str, Callable[[], Service]] = {
    "silent": lambda: failed_service(log=log_lines("Started backend.service.", "INFO:     Started server process [7]", ENDED)),
    "module": lambda: failed_service(log=log_lines("Started x.", *TRACE, "ModuleNotFoundError: No module named 'orjson'", ENDED)),
    "port": lambda: failed_service(log=log_lines(
        "Started x.", "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use", ENDED)),
    "variable": lambda: failed_service(log=log_lines("Started x.", "RuntimeError: DATABASE_URL is not set", ENDED)),
    "database": lambda: failed_service(log=log_lines(
        "Started x.", "ConnectionRefusedError: [Errno 111] Connection refused", "INFO:     Application startup failed. Exiting.", ENDED)),
    "unknown": lambda: failed_service(log=log_lines("Started x.", "LedgerError: the till is open", ENDED)),
    "supervised": lambda: supervised_service("FATAL", log=log_lines("INFO:     Started server process [7]", "LedgerError: the till is open")),
    "starting": lambda: supervised_service("STARTING", log=log_lines("INFO:     Started server process [7]")),
    "hung": lambda: service(log=log_lines("Started x.", "INFO:     Application startup complete.")),
}


def visited(made: Service, line: str) -> Service:
    """The same service, which logged a request before its last line."""
    assert isinstance(made.log, Known)
    lines = made.log.value
    return replace(made, log=Known((*lines[:-1], LogLine(lines[-1].at, line, "access"), lines[-1])))


def before_nginx(made: Service) -> Scene:
    """nginx, whose requests the service does not answer."""
    if made.name == "backend.service" and made.pids:
        return Scene().with_service(made, listener(8000, 200)).answers(BAD_GATEWAY).logs(
            "upstream prematurely closed connection", None, "reading response header from upstream")
    return Scene().with_service(made).refused()


@pytest.mark.parametrize(("server", "run"), draw_by_day([(server, run) for server in SERVERS for run in RUNS], "visitors", 12))
def test_the_path_of_a_request_changes_no_diagnosis(server: str, run: str) -> None:
    """By day a third of the pairs, drawn from the commit."""
    made = RUNS[run]()
    same = diagnose(before_nginx(visited(made, REQUESTS[server].format("shop"))).snapshot())
    for phrase in PHRASES:
        line = REQUESTS[server].format(phrase)
        found = diagnose(before_nginx(visited(made, line)).snapshot())
        assert found == same, phrase


# Each means something where nginx writes it of its own.
ERRORS = (
    "worker process 7 exited on signal 9", "app could not be resolved (3: Host not found)", "no resolver defined to resolve app",
    "no live upstreams while connecting to upstream", "upstream prematurely closed connection", "connect() failed (111: Connection refused)",
    "upstream timed out (110: Connection timed out)", "host not found in upstream", "768 worker_connections are not enough",
    "upstream sent too big header", "SSL_do_handshake() failed",
)


def unanswered() -> Scene:
    """nginx ends the request itself, by its configuration."""
    scene = healthy_scene().answers(probe(None, error="closed"))
    scene.statics = (StaticLocation(0, "server", 444, Span(SITE, 3, 0, 0), conditional=True),)
    return scene


def nameless() -> Scene:
    """A backend that answers and whose name nginx looks up at each request."""
    scene = healthy_scene().answers(BAD_GATEWAY).endpoint(written="$back:8000", host="app")
    return scene.logs("upstream prematurely closed connection", None, "reading response header from upstream")


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("scene", [healthy_scene, unanswered, nameless, lambda: before_nginx(RUNS["module"]())])
def test_a_path_that_nginx_did_not_find_changes_no_diagnosis(scene: Callable[[], Scene], error: str) -> None:
    plain, forged = scene(), scene()
    for made, path in ((plain, "shop"), (forged, error)):
        made.logs(f'open() "/srv/www/{path}" failed (2: No such file or directory)', 2, "")
        made.events[-1] = replace(made.events[-1], request="GET /shop HTTP/1.1")
    assert diagnose(forged.snapshot()) == diagnose(plain.snapshot())
