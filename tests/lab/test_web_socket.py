"""Tests of lab/web_socket.py."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from lab.http_get import REFUSED, SLOW
from lab.web_socket import SocketEnd, hold_socket

OPEN = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def end_at(talk: Callable[[socket.socket], None], patience: float = 5.0) -> tuple[SocketEnd, float]:
    """How a socket to such a server ends, and after how many seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            near, _ = server.accept()
            with near:
                assert b"Upgrade: websocket\r\n" in near.recv(4096)
                talk(near)

        thread = threading.Thread(target=answer)
        thread.start()
        began = time.monotonic()
        end = hold_socket(f"http://127.0.0.1:{server.getsockname()[1]}", "/board", host="shop.example", patience=patience)
        took = time.monotonic() - began
        thread.join(timeout=20)
    return end, took


def test_an_open_socket_is_held_until_the_other_side_closes_it() -> None:
    def talk(near: socket.socket) -> None:
        near.sendall(OPEN + b"\x81\x02hi")
        time.sleep(0.5)

    end, took = end_at(talk)
    assert end == SocketEnd(101, closed=True) and took > 0.4


def test_one_that_stays_open_is_left_when_patience_ends() -> None:
    end, _ = end_at(lambda near: (near.sendall(OPEN), near.recv(1))[0], patience=0.3)      # the recv ends when we leave
    assert end == SocketEnd(101, closed=False)


@pytest.mark.parametrize("status", [404, 502, 400])
def test_a_refusal_is_its_status(status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    assert end_at(lambda near: near.sendall(head))[0] == SocketEnd(status, closed=True)


def test_who_hangs_up_or_says_nothing_refuses_or_is_slow() -> None:
    assert end_at(lambda near: None)[0] == SocketEnd(REFUSED, closed=True)
    assert end_at(lambda near: (near.recv(1), None)[1], patience=0.3)[0] == SocketEnd(SLOW, closed=False)
