"""Tests of lab/page/page_app.py, through a real server on a free port."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from lab.page import page_app
from lab.page.access import HEADERS, Access
from lab.page.page_app import Page, app_of
from lab.page.watch import Watch
from lab.stack.compose_overlays import free_ports
from tests.lab.classroom.class_builders import wait_until


@dataclass
class Served:
    """A page of two labs, and how to ask it."""

    page: Page
    port: int
    asked: list[str]

    def ask(self, method: str, path: str, token: str = "", body: object = None, **headers: str) -> tuple[int, http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **{name.replace("_", "-"): text for name, text in headers.items()}}
        connection.request(method, path, None if body is None else body if isinstance(body, bytes) else json.dumps(body), sent)
        reply = connection.getresponse()
        return reply.status, reply, b"" if "events" in path and reply.status == 200 else reply.read()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    (port,) = free_ports(1)
    asked: list[str] = []
    monkeypatch.setattr(page_app, "present_lab", lambda lab_id: lab_id)
    monkeypatch.setattr(page_app, "first_view", lambda lab: {"id": lab})
    monkeypatch.setattr(page_app, "ACTIONS", {name: lambda lab, name=name: asked.append(f"{name} {lab}") or {"text": name}
                                              for name in ("hint", "check", "plan", "apply", "undo")})
    access = Access("own", (f"http://127.0.0.1:{port}",), lambda: {"ada": "shop-1", "ben": "shop-2"})
    page = Page(access, lambda: {"shop-1": "Ada", "shop-2": "Ben"}, lambda: {"people": []})
    page.watches["shop-1"] = Watch({"request": (0.01, lambda: asked.append("looked") or {"ok": True})})  # type: ignore[func-returns-value]
    server = uvicorn.Server(uvicorn.Config(app_of(page), port=port, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    wait_until(lambda: server.started)
    yield Served(page, port, asked)
    server.should_exit = True
    thread.join()


def test_every_answer_has_its_headers_and_the_files_need_no_token(served: Served) -> None:
    for path, status in (("/", 200), ("/app.js", 200), ("/style.css", 200), ("/none", 404), ("/api/me", 401), ("/api/../app.js", 404)):
        code, reply, _ = served.ask("GET", path)
        assert code == status, path
        assert {name: reply.headers[name] for name in HEADERS} == dict(HEADERS)
    assert served.ask("GET", "/", Host="evil.example")[0] == 403


def test_each_token_has_its_own(served: Served) -> None:
    owner = json.loads(served.ask("GET", "/api/me", "own")[2])
    assert owner["owner"] and owner["class"] and len(owner["labs"]) == 2 and owner["actions"] == ["hint", "check", "plan", "apply", "undo"]
    ada = json.loads(served.ask("GET", "/api/me", "ada")[2])
    assert ada == {"owner": False, "class": False, "labs": [{"id": "shop-1", "person": "Ada"}], "actions": ["hint", "check"]}


@pytest.mark.parametrize(("token", "action", "body", "status"), [
    ("own", "apply", {"lab": "shop-2"}, 200), ("ada", "hint", {"lab": "shop-1"}, 200), ("", "hint", {"lab": "shop-1"}, 401),
    ("guess", "hint", {"lab": "shop-1"}, 401), ("ada", "apply", {"lab": "shop-1"}, 403), ("ada", "hint", {"lab": "shop-2"}, 403),
    ("own", "hint", {"lab": "other-1"}, 403), ("own", "shell", {"lab": "shop-1"}, 404), ("own", "hint", b"{", 400), ("own", "hint", [], 400),
    ("own", "hint", b" " * 5000, 413)])
def test_actions_need_a_token_that_may(served: Served, token: str, action: str, body: object, status: int) -> None:
    assert served.ask("POST", f"/api/{action}", token, body)[0] == status
    assert served.asked == ([f"{action} {body['lab']}"] if status == 200 and isinstance(body, dict) else [])


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Host": "evil.example"}])
def test_an_action_of_another_origin_is_refused(served: Served, headers: dict[str, str]) -> None:
    assert served.ask("POST", "/api/apply", "own", {"lab": "shop-1"}, **headers)[0] == 403
    assert served.asked == []


def test_nothing_is_asked_while_nobody_listens(served: Served) -> None:
    """The questions begin with the first event stream, and end when the browser has gone."""
    assert served.ask("GET", "/api/me", "ada")[0] == 200 and served.asked == []
    status, reply, _ = served.ask("GET", "/api/events?lab=shop-1", "ada")
    assert status == 200 and reply.headers["content-type"].startswith("text/event-stream")
    assert reply.readline() == b": welcome\n" and reply.readline() == b"\n" and reply.readline() == b"event: request\n"
    assert "looked" in served.asked
    reply.close()
    wait_until(lambda: served.page.watches["shop-1"].is_idle)
    for token, lab, expected in (("ada", "shop-2", 403), ("ada", "", 403), ("", "shop-1", 401), ("own", "none", 403)):
        assert served.ask("GET", f"/api/events?lab={lab}", token)[0] == expected


def test_the_files_load_nothing_from_elsewhere() -> None:
    folder = Path(page_app.__file__).with_name("static")
    assert sorted(path.name for path in folder.iterdir()) == ["app.js", "index.html", "style.css"]
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text and "innerHTML" not in text and " style=" not in text and "onclick" not in text
