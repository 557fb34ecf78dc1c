"""Tests of fixer/redaction/log_lines.py."""

from __future__ import annotations

import pytest

from fixer.redaction.log_lines import mask_log, mask_logs
from fixer.redaction.masks import Masks

S = "Zx9Kq7LmT4vB2nW8"


@pytest.mark.parametrize("line", [
    f"error 密碼\uff1a{S}", f"error 資料庫密碼={S}", f"error 密碼是 {S}", f"error password\uff1a{S}", f"error password\uff1d{S}", f"error password \u2192 {S}", f"error password -> {S}", f"loaded {S}", "loaded letmein",
    f"refused: smtp://me@corp.example:{S}@host", f"error at /bot1234567890:AA{S}/getMe", f"error laravel_session={S}", f"error sid={S}; a", f'error "GET /x%3Ftoken%3D{S} HTTP/1.1"', f"cannot connect to shop:{S}@tcp(127.0.0.1:3306)/shop",
    "ERROR could not start: Kennwort: Wah8-79c3.md.6RgUg", "ERROR could not start: phrase: mwhlmafrbplclu", "ERROR could not start: app_session: mafrb=a--2As.vG78R",
    f'{{"level": "error", "key": "{S}", "message": "refused"}}',
])
def test_a_secret_of_a_line(line: str) -> None:
    said = mask_log(line, Masks())
    assert not any(secret in said for secret in (S, "letmein", "79c3", "mafrb"))


@pytest.mark.parametrize("line", [
    "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)", "KeyError: 'DATABASE_URL'", "ModuleNotFoundError: No module named 'orjson'", "[Errno 98] Address already in use",
    "1795864846.254273 web systemd[1]: shop.service: Main process exited, code=exited, status=1/FAILURE", "INFO:     Child process [132] died",
    "error: unknown group: accountservices", "RuntimeError: NotConfigured2.SettingsError", "error: chdir: /srv/Desk2/current-release",
    "/srv/tickets/counter.js:18", "2026-11-30T14:26:34.015869125Z /srv/tickets/app/main.mjs:7",
    '2026/11/28 11:00:00 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, server: a, request: "GET /api HTTP/1.1", upstream: "http://127.0.0.1:8000/api", host: "a"',
])
def test_a_line_that_causes_read_stays(line: str) -> None:
    assert mask_log(line, Masks()) == line


def test_time_and_number_of_lines_stay() -> None:
    text = "1795864846.254273 web shop[7]: hello there\n\n2026-11-28T11:00:00Z hello there\n"
    assert mask_logs(text, Masks()) == "1795864846.254273 web shop[7]: [masked 1]\n\n2026-11-28T11:00:00Z [masked 1]\n"


def test_the_line_of_code_that_a_traceback_quotes() -> None:
    text = f'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in <module>\n    connect(password="letmein", host="db")\nOSError: {S}'
    said = mask_logs(text, Masks())
    assert "letmein" not in said and S not in said and 'File "/srv/a.py", line 3, in <module>\n    connect(password=' in said
