"""Whether a fault that leaves the oracle's pages well goes on, asked of a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from lab.scenario.catalog import scenario_named
from lab.stack.symptoms import has_symptom_again


@contextmanager
def page(limit: int) -> Iterator[str]:
    """A form that takes so many bytes, and answers 504 to more."""

    class Form(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            self.rfile.read(size)
            self.send_response(200 if size <= limit else 504)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Form)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("limit", "goes_on"), [(1_000_000, True), (100_000_000, False)])
def test_a_form_that_is_too_long_is_sent_once_more(limit: int, goes_on: bool) -> None:
    variant = scenario_named("timeout-too-short").variant("send-timeout-upload")
    with page(limit) as url:
        lab: Any = SimpleNamespace(stack="host", url=url, visit_name="", params={"login": "a", "password": "b"},
                                   record=SimpleNamespace(scenario="timeout-too-short"))
        assert has_symptom_again(lab, variant) is goes_on
