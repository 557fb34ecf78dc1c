"""Loads for the machine in which it runs, standard library only.

`burdens.py KIND FILE`, undone by `burdens.py end FILE`.
KIND is big_log, processes or sockets. It returns once the load is complete; a background process holds it for some
minutes at most, and its PID is in FILE."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time

LOG = "/var/log/nginx/error.log"
MAX_SECONDS = 600
LINE = (b"2026/01/02 03:04:05 [error] 71#71: *9 connect() failed (111: Connection refused) while connecting to "
        b"upstream, client: 192.0.2.7, server: old.example, request: \"GET / HTTP/1.1\", upstream: \"http://192.0.2.9:1/\"\n")


def big_log() -> None:
    """Create an old log of 1 GiB; keep the machine's own under another name."""
    os.rename(LOG, LOG + ".kept")
    block = LINE * ((1 << 20) // len(LINE))
    with open(LOG, "wb") as file:
        for _ in range((1 << 30) // len(block)):
            file.write(block)
    signal.pause()


def processes() -> None:
    """Start 2,000 processes that sleep."""
    children = [subprocess.Popen(["sleep", str(MAX_SECONDS)]) for _ in range(2000)]
    children[-1].wait()


def sockets() -> None:
    """Open 2,500 connections within one process: 5,000 sockets."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))
    listener = socket.create_server(("127.0.0.1", 0), backlog=2500)
    held = []
    for _ in range(2500):
        held.append(socket.create_connection(listener.getsockname()))
        held.append(listener.accept()[0])
    signal.pause()


def is_complete(kind: str) -> bool:
    """Return whether the burden is complete."""
    if kind == "big_log":
        return os.path.exists(LOG) and os.path.getsize(LOG) > (1 << 30) - (2 << 20)
    if kind == "processes":
        return sum(name.isdigit() for name in os.listdir("/proc")) > 2000
    with open("/proc/net/tcp") as table:
        return sum(1 for _ in table) > 5000


def main() -> int:
    """Start a burden, or end it."""
    kind, file = sys.argv[1:]
    if kind == "end":
        with open(file) as told:
            os.killpg(int(told.read()), signal.SIGKILL)
        if os.path.exists(LOG + ".kept"):
            os.replace(LOG + ".kept", LOG)
        return 0
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        signal.alarm(MAX_SECONDS)
        {"big_log": big_log, "processes": processes, "sockets": sockets}[kind]()
        os._exit(0)
    with open(file, "w") as noted:
        noted.write(str(pid))
    until = time.monotonic() + 120
    while not is_complete(kind):
        if time.monotonic() > until:
            return 1
        time.sleep(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
