"""What the tests of classes are built of: ssh with a token, and what a machine reaches."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Printed: which of the addresses answer. One that refuses was reached too.
REACH = """
import json, socket, sys
found = []
for host, port in json.loads(sys.argv[1]):
    with socket.socket() as tried:
        tried.settimeout(1.5)
        try:
            tried.connect((host, port))
            found.append([host, port])
        except ConnectionRefusedError:
            found.append([host, port])
        except OSError:
            pass
print(json.dumps(found))
"""


def own_address() -> str:
    """The address of this machine on its way out; loopback if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(asked.getsockname()[0])


def reached(container: str, addresses: Sequence[tuple[str, int]]) -> list[list[object]]:
    """Which of the addresses a program in the container reaches."""
    done = subprocess.run(["docker", "exec", "-i", container, "python3", "-", json.dumps(addresses)], input=REACH,
                          text=True, capture_output=True, check=True, timeout=120)
    found: list[list[object]] = json.loads(done.stdout)
    return found


def ssh(folder: Path, address: str, port: int, token: str, command: str) -> subprocess.CompletedProcess[str]:
    """Log in with the token as a person does, and run a command."""
    asked = folder / "askpass"
    asked.write_text('#!/bin/sh\necho "$TOKEN"\n')
    asked.chmod(0o700)
    return subprocess.run(
        ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "NumberOfPasswordPrompts=1",
         "-o", "LogLevel=ERROR", "-p", str(port), f"root@{address}", command],
        env={**os.environ, "TOKEN": token, "SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"},
        text=True, capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, condition
        time.sleep(0.1)
