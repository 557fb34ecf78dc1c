"""A small back office: a login page, a signed session, a dashboard, and a report that takes its time."""

import asyncio
import hashlib
import hmac
import time
from html import escape
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app import settings

COOKIE = "session"
LIFETIME = 12 * 3600
LONGEST_REPORT = 30.0
ROWS = 4000


def sign(text: str) -> str:
    """Only the key decides, so a session made by one worker holds in all of them."""
    return hmac.new(settings.SIGNING_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def new_session(user: str) -> str:
    body = f"{user}.{int(time.time()) + LIFETIME}"
    return f"{body}.{sign(body)}"


def user_of(request: Request) -> str | None:
    body, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
    user, _, until = body.rpartition(".")
    if not user or not hmac.compare_digest(signature, sign(body)):
        return None
    return user if until.isdigit() and int(until) > time.time() else None


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    name = escape(settings.TITLE)
    head = f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title} - {name}</title></head>"
    return HTMLResponse(f"{head}<body><h1>{name}</h1>{body}</body></html>", status_code=status)


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def login_page(request: Request) -> Response:
    return page(
        "Log in",
        "<form method=post action=/api/login><label>User <input name=user></label>"
        "<label>Password <input name=password type=password></label><button>Log in</button></form>",
    )


async def login(request: Request) -> Response:
    as_json = "json" in request.headers.get("content-type", "")
    sent = await request.json() if as_json else dict(parse_qsl((await request.body()).decode()))
    user, password = str(sent.get("user", "")), str(sent.get("password", ""))
    known = settings.USERS.get(user, "")
    if not hmac.compare_digest(known, hashlib.sha256(password.encode()).hexdigest()):
        return JSONResponse({"error": "wrong user or password"}, status_code=401)
    answer: Response = JSONResponse({"user": user}) if as_json else RedirectResponse("/dashboard", status_code=303)
    answer.set_cookie(COOKIE, new_session(user), max_age=LIFETIME, httponly=True, samesite="lax")
    return answer


async def dashboard(request: Request) -> Response:
    user = user_of(request)
    if user is None:
        return RedirectResponse("/login", status_code=303)
    return page("Dashboard", f"<p>Signed in as <b>{escape(user)}</b>.</p><a href=/api/report>Report</a>")


async def who_am_i(request: Request) -> Response:
    user = user_of(request)
    return JSONResponse({"user": user} if user else {"error": "log in first"}, status_code=200 if user else 401)


def compute(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        hashlib.sha256(b"row" * 4096).digest()


async def report(request: Request) -> Response:
    """`how` and `seconds` override the settings; `nonce` comes back hashed, so no stored page can answer."""
    if user_of(request) is None:
        return JSONResponse({"error": "log in first"}, status_code=401)
    how = request.query_params.get("how", settings.REPORT_MODE)
    seconds = min(float(request.query_params.get("seconds", settings.REPORT_SECONDS)), LONGEST_REPORT)
    if how == "block":
        time.sleep(seconds)  # a database driver that waits inside the event loop
    elif how == "compute":
        compute(seconds)
    elif how == "rows":
        await asyncio.sleep(seconds)
        for _ in range(ROWS):
            hashlib.sha256(b"row" * 4096).digest()
    elif how == "thread":
        await run_in_threadpool(time.sleep, seconds)  # a handler that is not async
    else:
        await asyncio.sleep(seconds)
    nonce = request.query_params.get("nonce", "")
    rows = [{"day": day, "orders": (day * 37) % 101} for day in range(1, 31)]
    return JSONResponse({"rows": rows, "receipt": hashlib.sha256(nonce.encode()).hexdigest()})


app = Starlette(
    routes=[
        Route("/", dashboard),
        Route("/dashboard", dashboard),
        Route("/login", login_page),
        Route("/health", health),
        Route("/api/login", login, methods=["POST"]),
        Route("/api/whoami", who_am_i),
        Route("/api/report", report),
    ]
)
