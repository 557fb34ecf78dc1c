"""A socket of ours in front of Docker's, that breaks calls in the middle and can be gone for a while."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

ENGINE_SOCKET = "/var/run/docker.sock"


class Proxy:
    """Hands every byte on, both ways, until the file `cut` (new calls pass) or `gone` (none do) appears in the folder;
    then every call under way ends, and `done` appears."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "docker.sock"
        self._pairs: list[socket.socket] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen(64)
        for work in (self._accept, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def heal(self) -> None:
        """As if nothing had been."""
        for name in ("cut", "gone", "done"):
            (self.folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """The end."""
        self._over.set()
        self._listening.close()
        self._break()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if (self.folder / "gone").exists():
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(ENGINE_SOCKET)
            with self._lock:
                self._pairs += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_copy_bytes, args=(source, sink), daemon=True).start()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            if not (self.folder / "done").exists() and any((self.folder / name).exists() for name in ("cut", "gone")):
                self._break()
                (self.folder / "done").touch()

    def _break(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for one in pairs:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _copy_bytes(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def run_proxy(folder: Path) -> Iterator[Proxy]:
    """A proxy for a while; the path of its socket must be short."""
    made = Proxy(folder)
    try:
        yield made
    finally:
        made.close()
        os.unlink(made.path)
