"""The page's program for a web server: files, events, actions. Every request is judged before it is served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.errors import LabError
from lab.page.access import HEADERS, Access, Visitor
from lab.page.lab_view import ask_once, first_view, log_ends, present_lab, state_of_parts
from lab.page.page_actions import ACTIONS
from lab.page.watch import Look, Watch

_STATIC = Path(__file__).with_name("static")
_KINDS = {"index.html": "text/html; charset=utf-8", "app.js": "text/javascript; charset=utf-8",
          "style.css": "text/css; charset=utf-8"}
_LARGEST_BODY = 4096  # bytes
_REQUEST_SECONDS, _STATE_SECONDS, _LOG_SECONDS, _CLASS_SECONDS = 1.0, 3.0, 3.0, 3.0


@dataclass
class Page:
    """One page. `labs` are those that it may show, `classroom` asks for the state of a class if it is of one."""

    access: Access
    labs: Callable[[], Mapping[str, str]]  # name of a person, or empty, by lab
    classroom: Look | None = None
    watches: dict[str, Watch] = field(default_factory=dict)
    busy: dict[str, asyncio.Lock] = field(default_factory=dict)

    def watch(self, lab_id: str) -> Watch:
        """Return the watch of a lab, or of the class for an empty id; all who look at it share it."""
        if lab_id not in self.watches:
            if not lab_id:
                assert self.classroom is not None
                questions: dict[str, tuple[float, Look]] = {"class": (_CLASS_SECONDS, self.classroom)}
            else:
                questions = {name: (seconds, partial(_look, look, lab_id)) for name, seconds, look in (
                    ("request", _REQUEST_SECONDS, ask_once), ("state", _STATE_SECONDS, state_of_parts),
                    ("log", _LOG_SECONDS, log_ends))}
            self.watches[lab_id] = Watch(questions)
        return self.watches[lab_id]


def _look(look: Callable[[Any], dict[str, Any]], lab_id: str) -> dict[str, Any]:
    try:
        return look(present_lab(lab_id))
    except KeyError:
        raise LabError(f"{lab_id} is not up any more") from None


@dataclass(frozen=True)
class Gate:
    """Refuses requests by where they come from, and gives every answer its headers."""

    inner: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        headers = Headers(scope=scope)
        site = headers.get("sec-fetch-site", "") if scope["path"].startswith("/api/") else ""  # links may lead here
        reason = self.access.refusal(headers.get("host", ""), headers.get("origin", ""), site)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer: ASGIApp = Response(f"refused: {reason}\n", 403) if reason else self.inner
        await answer(scope, receive, send_safely)


def app_of(page: Page) -> ASGIApp:
    """Return the program of a page."""
    routes = [
        Route("/", partial(_file, "index.html")), Route("/app.js", partial(_file, "app.js")),
        Route("/style.css", partial(_file, "style.css")),
        Route("/api/me", partial(_me, page)), Route("/api/events", partial(_events, page)),
        Route("/api/{action}", partial(_act, page), methods=["POST"]),
    ]
    return Gate(Starlette(routes=routes), page.access)


async def _file(name: str, request: Request) -> Response:
    return Response((_STATIC / name).read_bytes(), media_type=_KINDS[name])


def _visitor(page: Page, request: Request) -> Visitor | None:
    return page.access.visitor(request.headers.get("authorization", ""))


def _no(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


async def _me(page: Page, request: Request) -> Response:
    """Tell a visitor which labs there are, and what may be done."""
    visitor = _visitor(page, request)
    if visitor is None:
        return _no(401, "this token is not known; open the whole address that was printed")
    labs = page.labs()
    mine = [lab_id for lab_id in labs if visitor.may("look", lab_id)]
    views = await asyncio.to_thread(lambda: [view for lab_id in mine for view in _first(lab_id)])
    return JSONResponse({
        "owner": visitor.is_owner, "class": visitor.is_owner and page.classroom is not None,
        "labs": [{**view, "person": labs[view["id"]]} for view in views],
        "actions": [action for action in ACTIONS if mine and visitor.may(action, mine[0])]})


def _first(lab_id: str) -> list[dict[str, Any]]:
    try:
        return [first_view(present_lab(lab_id))]
    except (KeyError, LabError):  # it is being removed, or broken again
        return []


async def _events(page: Page, request: Request) -> Response:
    """Send events until the visitor leaves."""
    visitor = _visitor(page, request)
    lab_id = request.query_params.get("lab", "")
    if visitor is None:
        return _no(401, "this token is not known")
    if not (visitor.is_owner and page.classroom is not None) if not lab_id else not (
            lab_id in page.labs() and visitor.may("look", lab_id)):
        return _no(403, "this is not yours to see")

    async def stream() -> AsyncIterator[str]:
        listening = page.watch(lab_id).listen()
        try:
            async for text in listening:
                yield text
        finally:
            await listening.aclose()  # type: ignore[attr-defined]

    return StreamingResponse(stream(), media_type="text/event-stream")


async def _act(page: Page, request: Request) -> Response:
    """Do one thing with a lab; one at a time."""
    visitor = _visitor(page, request)
    action = request.path_params["action"]
    if visitor is None:
        return _no(401, "this token is not known")
    if action not in ACTIONS:
        return _no(404, "there is no such action")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return _no(413, "too long")
    try:
        lab_id = str(json.loads(body)["lab"])
    except (ValueError, KeyError, TypeError):
        return _no(400, 'send {"lab": ID}')
    if lab_id not in page.labs() or not visitor.may(action, lab_id):
        return _no(403, "this is not yours to do")
    async with page.busy.setdefault(lab_id, asyncio.Lock()):
        try:
            return JSONResponse(await asyncio.to_thread(lambda: ACTIONS[action](present_lab(lab_id))))
        except KeyError:
            return _no(409, f"{lab_id} is not up any more")
        except LabError as error:
            return _no(409, error.message)
