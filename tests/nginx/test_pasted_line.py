"""A line of nginx's error log as people paste it: whole, bare, cut off, only its errno."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.nginx.error_kinds import KINDS
from fixer.nginx.pasted_line import kinds_of_line

REFUSED = "connect() failed (111: Connection refused) while connecting to upstream"
WHOLE = (f'2026/11/28 10:00:00 [error] 29#29: *7 {REFUSED}, client: 10.0.0.9, server: shop.example, request: "GET / HTTP/1.1", '
         'upstream: "http://127.0.0.1:8000/", host: "shop.example"')


@pytest.mark.parametrize(("text", "kinds"), [
    (WHOLE, ("refused",)),
    (f"web-1  | {WHOLE}", ("refused",)),
    (f"  '{REFUSED}'\n", ("refused",)),
    ("connect() failed (111: Connection refused)", ("refused",)),
    ("connect() failed (111", ("refused",)),
    ("connect() failed (111: Connection refused) while connec", ("refused",)),
    ("29#29: *7 connect() failed (113: No route to host) while connecting to upstream", ("host-unreachable",)),
    ("111", ("refused",)), ("Connection refused", ("refused",)), ("(111: Connection refused)", ("refused",)),
    ("No route to host", ("host-unreachable",)), ("13: Permission denied", ("connect-denied",)),
    ("Too many open files", ("files-exhausted", "connect-files-exhausted")),
    ("upstream timed out (110: Connection timed out) while reading response header from upstream", ("timeout-read",)),
    ("upstream timed out while reading upstream", ("timeout-body",)),
    ("upstream timed out", ("timeout-connect", "timeout-read", "timeout-body", "timeout-tls", "timeout-send")),
    ("recv() failed (104: Connection reset by peer)", ("reset-before-answer", "reset-in-body")),
    ("upstream prematurely closed connection while reading response header from upstream", ("closed-before-answer",)),
    ("upstream sent too big header while reading response header from upstream", ("header-too-big",)),
    ("no live upstreams while connecting to upstream", ("no-live-upstreams",)),
    ('nginx: [emerg] host not found in upstream "app" in /etc/nginx/conf.d/shop.conf:3', ("host-not-found",)),
    ("host not found in upstream", ("host-not-found",)),
    ("app could not be resolved (3: Host not found)", ("name-not-resolved",)),
    ('[emerg] unknown directive "proxy_pas" in /etc/nginx/nginx.conf:12', ("emerg-config",)),
    ("bind() to 0.0.0.0:80 failed (98: Address already in use)", ("emerg-bind",)),
    ('open() "/etc/nginx/snippets/tls.conf" failed (2: No such file or directory)', ("emerg-open",)),
    ('open() "/var/lib/nginx/body/0000000012" failed (13: Permission denied)', ("temp-file-failed",)),
    ('open() "/usr/share/nginx/html/favicon.ico" failed (2: No such file or directory)', ()),
    ("accept4() failed (24: Too many open files)", ("files-exhausted",)),
    ("worker process 812 exited on signal 9", ("worker-killed",)),
    ("wrong-port", ()), ("502", ()), ("", ()), ("200", ()), ("111: No route to host", ()), ("a page is broken", ()),
    ("2026/11/28 10:00:00 [notice] 1#1: signal process started", ()),
])
def test_the_kinds_of_a_pasted_line(text: str, kinds: tuple[str, ...]) -> None:
    assert kinds_of_line(text) == kinds


@given(st.text(max_size=300))
def test_any_text_has_only_known_kinds(text: str) -> None:
    assert set(kinds_of_line(text)) <= KINDS - {"other"}
