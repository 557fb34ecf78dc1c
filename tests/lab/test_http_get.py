"""Tests of lab/http_get.py."""

from __future__ import annotations

import socket

from lab.http_get import REFUSED, SLOW, get_status


def test_what_one_request_gets(url: str) -> None:
    assert get_status(url, "/200") == 200
    assert get_status(url, "/502") == 502
    assert get_status(url, "/slow", timeout=0.2) == SLOW


def test_a_port_that_refuses_or_hangs_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert get_status(f"http://127.0.0.1:{free.getsockname()[1]}", "/") == REFUSED
