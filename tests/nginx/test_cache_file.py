"""Tests of fixer/nginx/cache_file.py."""

from __future__ import annotations

import pytest

from fixer.model.nginx_config import KeptAnswer
from fixer.nginx.cache_file import read_cache_file

UNTIL = 1_800_000_000
HEADER = b"\x05\0\0\0\0\0\0\0" + UNTIL.to_bytes(8, "little") + b"\xa1\n" * 160       # 336 bytes, as nginx 1.30 on 64 bits writes


def kept(key: str, answer: bytes = b"HTTP/1.1 500 Internal Server Error\r\n") -> KeptAnswer | None:
    return read_cache_file(HEADER + f"\nKEY: {key}\n".encode("latin-1") + answer)


@pytest.mark.parametrize(("key", "path"), [
    ("http127.0.0.1:8000/dashboard", "/dashboard"), ("httpshop_pool/a/b?q=1#x", "/a/b"), ("/login", "/login"),
    ("https://shop.example/", "/"), ("GETshop.example/cart", "/cart"), ("httplocalhost/x", "/x"),
    ("http://unix:/run/shop/app.sock:/login", "/login"), ("httpunix:/run/shop/app:/a/b?q=1", "/a/b"),
    ("http://unix:/run/shop.sock/app:/", "/"),
    # a variable gave the address without the colon: nginx takes one byte too many
    *((f"http://unix:/run/shop/app.sock{byte}/login", "/login") for byte in "tU/\0\x9b"),
])
def test_the_page_and_its_status(key: str, path: str) -> None:
    assert kept(key) == KeptAnswer(path, 500, UNTIL)


def test_the_head_of_an_answer_of_another_protocol() -> None:
    assert kept("uwsgi/x", b"Status: 404 Not Found\r\n") == KeptAnswer("/x", 404, UNTIL)


@pytest.mark.parametrize("data", [
    b"", HEADER, b"KEY: http/x\nHTTP/1.1 500 x", HEADER + b"\nKEY: nothing\nHTTP/1.1 500 x",
    HEADER + b"\nKEY: http/x y\nHTTP/1.1 500 x", HEADER + b"\nKEY: http/x\nHTTP/1.1 999 x",
    HEADER + b"\nKEY: http://unix:/run/app/login\nHTTP/1.1 500 x",       # where does the socket end?
    HEADER * 2 + b"\nKEY: http/x\nHTTP/1.1 500 x", HEADER + b"\nKEY: http/" + b"x" * 400 + b"\nHTTP/1.1 500 x",
])
def test_what_is_no_kept_answer(data: bytes) -> None:
    assert read_cache_file(data) is None


@pytest.mark.parametrize("start", [b"", HEADER[:8], b"\x05\0\0\0" + UNTIL.to_bytes(4, "little") + b"\xa1" * 20, b"\0" * 16])
def test_a_header_of_another_layout_tells_no_time(start: bytes) -> None:
    assert read_cache_file(start + b"\nKEY: http/x\nHTTP/1.1 500 x") == KeptAnswer("/x", 500)
