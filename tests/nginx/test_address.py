"""Addresses and amounts as a configuration writes them: hosts, ports, URLs, times, sizes."""

from __future__ import annotations

import pytest

from fixer.nginx.address import parse_authority, parse_duration, parse_port, parse_size, parse_url, text_of


@pytest.mark.parametrize(("text", "host", "port", "tail"), [
    (b"app", b"app", None, b""), (b"app:8000", b"app", 8000, b""), (b"app:8000/x", b"app", 8000, b"/x"),
    (b"[::1]:80", b"[::1]", 80, b""), (b"[::1]", b"[::1]", None, b""), (b"app:x", b"app", -1, b""), (b"app:", b"app", -1, b""),
    (b"app?a=b:1", b"app", None, b"?a=b:1"), (b"", b"", None, b""), (b"app$request_uri", b"app", None, b"$request_uri"),
    (b"$host:81", b"$host", 81, b""),
])
def test_host_and_port(text: bytes, host: bytes, port: int | None, tail: bytes) -> None:
    found = parse_authority(text, 0)
    assert (found.host, found.port, found.tail, found.unix) == (host, port, tail, None)
    assert text[found.start : found.end] + tail == text


@pytest.mark.parametrize("text", [b"http://app:8000/x", b"https://[::1]:9/"])
def test_the_digits_of_the_port_are_found(text: bytes) -> None:
    found = parse_url(text, b"proxy_pass").authority
    assert text[found.port_start : found.end] == str(found.port).encode()


@pytest.mark.parametrize(("text", "path", "tail"), [
    (b"unix:/run/a.sock", b"/run/a.sock", b""), (b"unix:/run/a.sock:/x", b"/run/a.sock", b":/x"), (b"UNIX:/run/a", b"/run/a", b""),
])
def test_a_unix_socket_ends_at_the_colon(text: bytes, path: bytes, tail: bytes) -> None:
    found = parse_authority(text, 0)
    assert (found.unix, text[found.start : found.end], found.tail, found.port) == (path, path, tail, 0)


@pytest.mark.parametrize(("text", "directive", "scheme"), [
    (b"http://a", b"proxy_pass", "http"), (b"HTTPS://a", b"proxy_pass", "https"), (b"grpc://a", b"grpc_pass", "http"),
    (b"grpcs://a", b"grpc_pass", "https"), (b"suwsgi://a", b"uwsgi_pass", "https"), (b"uwsgi://a", b"uwsgi_pass", "http"),
    (b"a:80", b"proxy_pass", None), (b"ftp://a", b"proxy_pass", None), (b"$scheme://a", b"proxy_pass", None),
    (b"grpc://a", b"proxy_pass", None), (b"http://a", b"uwsgi_pass", None), (b"http://a", b"fastcgi_pass", None),
])
def test_the_scheme_of_a_url(text: bytes, directive: bytes, scheme: str | None) -> None:
    assert parse_url(text, directive).scheme == scheme


@pytest.mark.parametrize(("text", "port"), [
    (b"1", 1), (b"65535", 65535), (b"65536", -1), (b"0", -1), (b"", -1), (b"-1", -1), (b"000080", -1), (b"80a", -1),
])
def test_a_port_is_a_number_that_tcp_has(text: bytes, port: int) -> None:
    assert parse_port(text) == port


@pytest.mark.parametrize(("text", "seconds"), [
    ("60", 60.0), ("90s", 90.0), ("1m 30s", 90.0), ("500ms", 0.5), ("2h", 7200.0), ("1M", 2592000.0), ("1m", 60.0), ("1y", 31536000.0),
    ("", None), ("x", None), ("1x", None), ("1.5s", None), ("-1", None),
])
def test_times(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "size"), [
    ("4096", 4096), ("16k", 16384), ("16K", 16384), ("1m", 1 << 20), ("2G", 2 << 30), ("", None), ("k", None), ("1x", None),
    ("1.5k", None), ("\u00b2k", None), ("9" * 16, None),
])
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    assert text_of(b"caf\xc3\xa9 \xff") == "caf\u00e9 \\xff"
