"""Tests of lab/http_get.py."""

from __future__ import annotations

import socket
import threading

import pytest

from lab import http_get
from lab.http_get import REFUSED, SLOW, get_status


def test_what_one_request_gets(url: str) -> None:
    assert get_status(url, "/200") == 200
    assert get_status(url, "/502") == 502
    assert get_status(url, "/slow", timeout=0.2) == SLOW


def test_a_port_that_refuses_or_hangs_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert get_status(f"http://127.0.0.1:{free.getsockname()[1]}", "/") == REFUSED


@pytest.mark.parametrize("head", [b"Content-Length: 300\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_answer_that_ends_half_way_is_none(head: bytes) -> None:
    """Its status is 200, and a browser shows an error or half a page."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            near, _ = server.accept()
            with near:
                near.recv(4096)
                near.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n12c\r\n" + b"x" * 100)

        thread = threading.Thread(target=answer)
        thread.start()
        assert get_status(f"http://127.0.0.1:{server.getsockname()[1]}", "/") == REFUSED
        thread.join(timeout=20)


def test_an_answer_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person of a class is root in the machine, and may let it answer anything."""
    monkeypatch.setattr(http_get, "MOST_BYTES", 100_000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            near, _ = server.accept()
            with near:
                near.recv(4096)
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    try:
                        near.sendall(b"x" * 65536)
                    except OSError:
                        return

        thread = threading.Thread(target=answer)
        thread.start()
        assert get_status(f"http://127.0.0.1:{server.getsockname()[1]}", "/") == 200
        thread.join(timeout=20)
        assert not thread.is_alive()
