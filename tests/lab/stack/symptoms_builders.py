"""What the tests of lab/stack/symptoms.py and others are built of."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from typing import ClassVar


class Answers(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/slow":
            self.server.shutdown_asked.wait(5)  # type: ignore[attr-defined]
            return
        self.send_response(int(self.path.lstrip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if len(body) > 1000 else 303 if self.headers["Host"] == "www.example" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
