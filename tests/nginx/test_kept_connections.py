"""Idle connections that nginx keeps to a group, and the requests that may use them again."""

from __future__ import annotations

import pytest

from tests.nginx.config_builders import read

REUSED = b"proxy_http_version 1.1; proxy_set_header Connection '';"


def kept_of(inner: bytes, location: bytes = b"", above: bytes = b""):
    text = (b"upstream u { server a:1; " + inner + b" } " + above + b" server { location / { proxy_pass http://u; "
            + location + b" } }")
    return read(text).routes[0].kept


@pytest.mark.parametrize(("inner", "number", "seconds"), [
    (b"", None, 60.0),
    (b"keepalive 16;", 16, 60.0),
    (b"keepalive 16; keepalive_timeout 4s;", 16, 4.0),
    (b"keepalive_timeout 500ms;", None, 0.5),
    (b"keepalive 0;", 0, 60.0),
    (b"keepalive 32 local;", 32, 60.0),
])
def test_how_many_are_kept_and_for_how_long(inner: bytes, number: int | None, seconds: float) -> None:
    kept = kept_of(inner)
    assert (kept.number, kept.seconds) == (number, seconds)


@pytest.mark.parametrize(("location", "above", "allowed"), [
    (b"", b"", None),
    (REUSED, b"", True),
    (b"proxy_http_version 1.1;", b"", None),                                    # up to 1.29.6 nginx sends `close`
    (b"proxy_set_header Connection '';", b"", None),                            # up to 1.29.6 HTTP 1.0
    (b"proxy_http_version 1.0; proxy_set_header Connection '';", b"", False),
    (b"proxy_http_version 1.1; proxy_set_header connection close;", b"", False),
    (b"proxy_http_version 1.1; proxy_set_header Connection $how;", b"", False),
    (b"", REUSED, True),
    (b"proxy_set_header Host $host;", REUSED, None),                            # own headers replace all inherited ones
])
def test_whether_requests_leave_them_open(location: bytes, above: bytes, allowed: bool | None) -> None:
    assert kept_of(b"keepalive 16;", location, above).allowed is allowed


def test_a_limit_can_be_written_after_the_directive_that_keeps_them_else_after_the_last_server() -> None:
    text = b"upstream u {\nserver a:1;\nkeepalive 16;\nserver b:1;\n}\nserver { location / { proxy_pass http://u; } }"
    assert read(text).routes[0].kept.source.line == 5
    assert read(text.replace(b"keepalive 16;", b"")).routes[0].kept.source.line == 6


def test_nothing_is_kept_without_a_group() -> None:
    assert read(b"server { location / { proxy_pass http://a:1; } }").routes[0].kept is None
    assert read(b"upstream u { zone u 64k; state /x; } server { location / { proxy_pass http://u; } }").routes[0].kept is None
    assert read(b"upstream u { server a:1; keepalive 9; } server { location / { fastcgi_pass u; } }").routes[0].kept is None
