"""A small back office on a thread, healthy or with a trick: what the oracle's fast tests ask."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

from lab.oracle import Site

LOGIN_PAGE = "<html><h1>Shop</h1><form method=post action=/api/login></form></html>"
Reply = tuple[int, str, str, dict[str, str]]
Trick = Callable[["OfficeRequest"], Reply | None]


@dataclass(frozen=True)
class OfficeRequest:
    """What came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, str]
    session: str


def sign(text: str) -> str:
    return hmac.new(b"key of the shop", text.encode(), hashlib.sha256).hexdigest()


def html_reply(text: str, status: int = 200) -> Reply:
    return status, "text/html", text, {}


def json_reply(content: object, status: int = 200, **headers: str) -> Reply:
    return status, "application/json", json.dumps(content), headers


def healthy_office(ask: OfficeRequest) -> Reply:
    """The honest back office."""
    user = "ann" if hmac.compare_digest(ask.session, f"ann.{sign('ann')}") else None
    match ask.path:
        case "/login":
            return html_reply(LOGIN_PAGE)
        case "/health":
            return json_reply({"status": "ok"})
        case "/api/login":
            if ask.form.get("password") != "secret":
                return json_reply({"error": "no"}, 401)
            return 303, "", "", {"Location": "/dashboard", "Set-Cookie": f"session=ann.{sign('ann')}"}
        case "/dashboard":
            return html_reply("<b>ann</b>") if user else (303, "", "", {"Location": "/login"})
        case "/api/whoami":
            return json_reply({"user": user}) if user else json_reply({"error": "log in"}, 401)
        case "/api/report":
            if not user:
                return json_reply({"error": "log in"}, 401)
            nonce = ask.query.get("nonce", [""])[0]
            return json_reply({"rows": [1, 2, 3], "receipt": hashlib.sha256(nonce.encode()).hexdigest()})
    return html_reply("not here", 404)


@contextmanager
def serve_office(trick: Trick | None = None) -> Iterator[Site]:
    """The office on a free port; `trick` answers first where it returns something."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            cookie = self.headers.get("cookie", "").partition("session=")[2].strip('"')
            ask = OfficeRequest(self.command, url.path, parse_qs(url.query), dict(parse_qsl(body)), cookie)
            status, kind, text, headers = (trick and trick(ask)) or healthy_office(ask)
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = answer
        do_POST = answer

        def log_message(self, *args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_port}", user="ann", password="secret", pages=("/nothing",))
    finally:
        server.shutdown()
        server.server_close()


class Server(ThreadingHTTPServer):
    """Takes a crowd: the default backlog of 5 drops connections, which then cost a second each."""

    request_queue_size = 128
    daemon_threads = True


class OneAtATime:
    """A trick that works on one report at a time, as a worker that blocks its event loop does."""

    def __init__(self, seconds: float, limit: float, workers: int = 1) -> None:
        self.room = threading.Semaphore(workers)
        self.seconds = seconds
        self.limit = limit

    def __call__(self, ask: OfficeRequest) -> Reply | None:
        if ask.path != "/api/report":
            return None
        start = time.monotonic()
        got = self.room.acquire(timeout=self.limit)
        if not got:
            return html_reply("Gateway Time-out", 504)
        try:
            time.sleep(self.seconds)
        finally:
            self.room.release()
        return html_reply("Gateway Time-out", 504) if time.monotonic() - start > self.limit else None
