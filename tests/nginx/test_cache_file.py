"""Tests of fixer/nginx/cache_file.py."""

from __future__ import annotations

import pytest

from fixer.nginx.cache_file import KeptAnswer, read_cache_file

HEADER = b"\x05\0\0\0\0\0\0\0" + b"\xa1\n" * 164       # 336 bytes, as nginx 1.30 on 64 bits writes


def kept(key: str, answer: bytes = b"HTTP/1.1 500 Internal Server Error\r\n") -> KeptAnswer | None:
    return read_cache_file(HEADER + f"\nKEY: {key}\n".encode() + answer)


@pytest.mark.parametrize(("key", "path"), [
    ("http127.0.0.1:8000/dashboard", "/dashboard"), ("httpshop_pool/a/b?q=1#x", "/a/b"), ("/login", "/login"),
    ("https://shop.example/", "/"), ("GETshop.example/cart", "/cart"), ("httplocalhost/x", "/x"),
])
def test_the_page_and_its_status(key: str, path: str) -> None:
    assert kept(key) == KeptAnswer(path, 500)


def test_the_head_of_an_answer_of_another_protocol() -> None:
    assert kept("uwsgi/x", b"Status: 404 Not Found\r\n") == KeptAnswer("/x", 404)


@pytest.mark.parametrize("data", [
    b"", HEADER, b"KEY: http/x\nHTTP/1.1 500 x", HEADER + b"\nKEY: nothing\nHTTP/1.1 500 x",
    HEADER + b"\nKEY: http/x y\nHTTP/1.1 500 x", HEADER + b"\nKEY: http/x\nHTTP/1.1 999 x",
    HEADER * 2 + b"\nKEY: http/x\nHTTP/1.1 500 x", HEADER + b"\nKEY: http/" + b"x" * 400 + b"\nHTTP/1.1 500 x",
])
def test_what_is_no_kept_answer(data: bytes) -> None:
    assert read_cache_file(data) is None
