"""Tests of compose/door/relay.py, which passes connections on until a moment."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from lab.stack.compose_overlays import free_ports
from tests.lab.classroom.class_builders import wait_until

RELAY = Path(__file__).resolve().parents[3] / "compose" / "door" / "relay.py"


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_it_passes_both_ways_and_ends_by_itself() -> None:
    own, dead, nobody = free_ports(3)
    with socket.create_server(("127.0.0.1", 0)) as far:
        until = time.time() + 4.0
        door = subprocess.Popen([sys.executable, str(RELAY), str(until), f"{own}=127.0.0.1:{far.getsockname()[1]}",
                                 f"{dead}=127.0.0.1:{nobody}"])

        def echo() -> None:
            while True:
                there, _ = far.accept()
                with there:
                    got = b""
                    while part := there.recv(4096):
                        got += part
                    there.sendall(got[::-1])
                if got:
                    return

        thread = threading.Thread(target=echo)
        thread.start()
        wait_until(lambda: answers(own))
        with socket.create_connection(("127.0.0.1", own)) as near:
            near.sendall(b"x" * 100000 + b"end")
            near.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: near.recv(65536), b""))
        thread.join()
        assert got == b"dne" + b"x" * 100000
        with socket.create_connection(("127.0.0.1", dead)) as near:
            assert near.recv(1) == b""      # nobody is behind it
        assert door.wait(timeout=30) == 0 and time.time() >= until
        assert not answers(own)
