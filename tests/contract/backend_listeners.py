"""Backends that behave in one certain way each: a real listener in a thread of this process."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

HTTP_ANSWER = b"HTTP/1.1 203 Odd\r\nServer: contract\r\nContent-Length: 2\r\n\r\nok"


def answer(conn: socket.socket) -> None:
    conn.recv(4096)
    conn.sendall(HTTP_ANSWER)


def close_at_once(conn: socket.socket) -> None:
    conn.recv(4096)


def reset(conn: socket.socket) -> None:
    conn.recv(4096)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_something_else(conn: socket.socket) -> None:
    conn.sendall(b"SSH-2.0-x\r\n")
    conn.recv(4096)


def stay_silent(conn: socket.socket) -> None:
    conn.recv(4096)
    conn.settimeout(10)
    with contextlib.suppress(OSError):
        conn.recv(1)


def half_a_head(conn: socket.socket) -> None:
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\r\nServer: x\r\n")


def _read_request(conn: socket.socket) -> None:
    """All of it: a shell sends it line by line, and what is left unread resets the answer."""
    data = b""
    while b"\r\n\r\n" not in data and (more := conn.recv(4096)):
        data += more


def continue_once(conn: socket.socket) -> None:
    """The interim answer first, as to a request that asked for it."""
    _read_request(conn)
    conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    conn.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + HTTP_ANSWER)


def continue_and_leave(conn: socket.socket) -> None:
    _read_request(conn)
    conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def continue_slowly_forever(conn: socket.socket) -> None:
    _read_request(conn)
    stop = threading.Event()
    with contextlib.suppress(OSError):
        while not stop.wait(0.1):
            conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def continue_forever(conn: socket.socket) -> None:
    """Nothing but interim answers, as fast as they are taken."""
    _read_request(conn)
    with contextlib.suppress(OSError):
        while True:
            conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def trickle(conn: socket.socket) -> None:
    """A byte of a header now and then, never its end."""
    _read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    stop = threading.Event()
    with contextlib.suppress(OSError):
        while not stop.wait(0.1):
            conn.sendall(b"x")


def stall_in_the_head(conn: socket.socket) -> None:
    """Half of a header, then nothing, and the connection stays open."""
    _read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nServer: x\r\n")
    conn.settimeout(10)
    with contextlib.suppress(OSError):
        conn.recv(1)


def stream_forever(conn: socket.socket) -> None:
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            conn.sendall(b"x" * 65536)


def head_forever(conn: socket.socket) -> None:
    """A head of a line after the other, as fast as they are taken."""
    _read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        while True:
            conn.sendall(b"X-Word: y\r\n" * 5000)


def drip_forever(conn: socket.socket) -> None:
    """A byte of body now and then, without end."""
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    stop = threading.Event()
    with contextlib.suppress(OSError):
        while not stop.wait(0.05):
            conn.sendall(b".")


def echo_uwsgi_variables(conn: socket.socket) -> None:
    """As uWSGI reads a request: a modifier, the size of the block, another modifier; then names and values with lengths."""
    modifier, size, other = struct.unpack("<BHB", conn.recv(4, socket.MSG_WAITALL))
    block, words = conn.recv(size, socket.MSG_WAITALL), []
    while block:
        length = int.from_bytes(block[:2], "little")
        words.append(block[2:2 + length].decode())
        block = block[2 + length:]
    lines = [f"{name}={value}" for name, value in zip(words[::2], words[1::2], strict=True)]
    conn.sendall("\r\n".join(["HTTP/1.1 200 OK", "", f"modifiers {modifier} {other}", *lines]).encode())


def echo_request(conn: socket.socket) -> None:
    request = conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + request)


@contextlib.contextmanager
def run_listener(behave: Callable[[socket.socket], None], address: str = "127.0.0.1") -> Iterator[int]:
    """The port (or 0 for a unix path) at which connections are treated that way."""
    family = socket.AF_UNIX if address.startswith("/") else socket.AF_INET
    server = socket.socket(family)
    server.bind(address if family == socket.AF_UNIX else (address, 0))
    server.listen(16)

    def serve() -> None:
        while True:
            try:
                conn, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=treat, args=(conn,), daemon=True).start()

    def treat(conn: socket.socket) -> None:
        with conn, contextlib.suppress(OSError):
            behave(conn)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield 0 if family == socket.AF_UNIX else server.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
