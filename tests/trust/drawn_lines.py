"""Files drawn by a seed, for the collectors in Python and in awk: secrets, names of containers, and what damages a line."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.trust.drawn_secrets import NAMES, PLACES, draw_value

HOSTS = ("store", "cache-1", "shop_db", "t1d9b99a0desk", "queue.internal")      # under which containers are asked
OTHERS = ("other", "127.0.0.1", "localhost", "db.example", "8000", "on", "shop.main:app", "/srv/shop/app.py", "$host", "${PORT:-8000}", "")
CALLS = (
    "socket.create_connection(({q}{v}{q}, 5258), timeout=5)", "s.connect(({q}{v}{q}, 80))", "getaddrinfo({q}{v}{q}, 80)", "HTTPConnection( {q}{v}{q},  80)", "connect({q}{v}{q})",
    "connect({q}me{q}, {q}{v}{q}, 5258)", "login({q}{v}{q}, 80)", "psycopg.connect(host={q}{v}{q}, port=5432)", "raise RuntimeError({q}no {v}{q})", "x = os.environ[{q}{v}{q}]",
    "asyncio.open_connection({q}{v}{q}, 6379)", "redis.Redis({q}{v}{q}, 6379, password={q}{w}{q})", "url = f{q}http://{v}:80/{w}{q}", "return {q}{v}{q}  # {w}", "connectAndWaitForTheServer({q}{v}{q}, 1)",
)
LINES = (
    "ERROR {n}: {v}", "ConnectionRefusedError: [Errno 111] Connection refused", "connection to server at {q}{v}{q}, port 5432 failed: {w}", "Error 111 connecting to {v}:6379. Connection refused.",
    "could not translate host name {q}{v}{q} to address: {w}", "INFO:     Started server process [7]", "pydantic: {n}\n  Field required", "KeyError: {q}{v}{q}", "{v}: {w}", "failed: {n}={v}; {w}",
    "exited: shop (exit status 1; not expected) {v}", "[2026-11-28 11:00:00 +0000] [7] [ERROR] {n} {v}", "2026-11-28T11:00:00.123456789Z error {n} {v}", "level=error msg={q}{v}{q} {n}={w}", "GET /x?{v} HTTP/1.1 failed",
    "/usr/bin/env: \u2018{v}\u2019: No such file or directory", "\u2018{n}\u2019={v} failed",
)
KINDS = ("nginx", "top", "unit", "env", "code", "script", "program", "argv", "log", "nginx-log", "journal")
SIGNS = ("\"", "'", "\\", " ", "\t", "#", ";", "{", "}", "=", ":", "$", "\r", "(", ")", "[", "]", ",", "`", "|", "&", "<", ">", "%", "\u00e9", "\u5bc6", "\u00e0", "\u5168", "\u2026", "\u3000", "\u00a0", "\x1b", "*/", "//", "/*", "${", "-", "--", "@", "?", "+=", "0")


def draw_file(dice: random.Random, harm: float = 0.4) -> tuple[str, str]:
    """Return a kind of file and a text for it; `harm` is the share of texts that are damaged."""
    kind = dice.choice(KINDS)
    text = "\n".join(_piece(dice, kind) for _ in range(dice.randint(1, 4)))
    if dice.random() < harm:
        for _ in range(dice.randint(1, 4)):
            text = _damage(dice, text)
    return kind, text


def _word(dice: random.Random) -> str:
    draws: tuple[Callable[[], str], ...] = (lambda: draw_value(dice)[1], lambda: dice.choice(HOSTS), lambda: dice.choice(OTHERS), lambda: dice.choice(NAMES))
    return dice.choice(draws)()


def _piece(dice: random.Random, kind: str) -> str:
    words = {"v": _word(dice), "w": _word(dice), "n": dice.choice(NAMES), "q": dice.choice(("'", '"'))}
    if kind in ("log", "journal"):
        if dice.random() < 0.4:
            call = dice.choice(CALLS).format(**words)
            return call if dice.random() < 0.3 else f'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in <module>\n    {call}\n    ^^^^^^^'
        if dice.random() < 0.6:
            return dice.choice(LINES).format(**words)
        kind = "log"
    if kind == "code" and dice.random() < 0.4:
        return dice.choice(CALLS).format(**words)
    name = words["n"] if dice.random() < 0.7 else dice.choice(("HOST", "PORT", "bind", "DATABASE_URL", "workers", "path"))
    return dice.choice(list(PLACES[kind].values()))(name, words["v"])


def _damage(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    match dice.randrange(4):
        case 0:
            return text[:at] + dice.choice(SIGNS) + text[at:]
        case 1:
            return text[:at] + text[at + dice.randint(1, 3):]
        case 2:
            return text[:at] + dice.choice(SIGNS) * dice.randint(1, 3) + text[at:]
        case _:
            return text[:at] + "\n" + text[at:]
