"""A command in a terminal of its own, whose output goes to the person's terminal and to a file."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
import tty
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

from lab.paths import state_root
from lab.recording.cast_file import Event, event_line, header_line

LARGEST_FILE = 32 * 1024**2  # bytes; then the shell goes on without a recording
_CHUNK = 65536


def recordings_folder() -> Path:
    """Return the folder of the recordings. They stay when a lab is removed."""
    return state_root() / "recordings"


def new_recording(name: str) -> Path:
    """Return the path of a recording that begins now."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = recordings_folder() / f"{name}-{stamp}.cast"
    number = 1
    while path.exists():
        number += 1
        path = recordings_folder() / f"{name}-{stamp}-{number}.cast"
    return path


class _Recording:
    """The file that is being written; only its owner may read it."""

    def __init__(self, path: Path, title: str, size: tuple[int, int]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file: IO[str] = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._start = time.monotonic()
        self._file.write(header_line(*size, int(time.time()), title))

    def add(self, data: bytes) -> None:
        """Keep a piece of output; a character may be spread over two."""
        if text := self._decoder.decode(data):
            self._write(Event(time.monotonic() - self._start, "o", text))

    def resize(self, size: tuple[int, int]) -> None:
        """Keep a new size of the window."""
        self._write(Event(time.monotonic() - self._start, "r", f"{size[0]}x{size[1]}"))

    def _write(self, event: Event) -> None:
        if not self._file.closed and self._file.tell() < LARGEST_FILE:
            self._file.write(event_line(event))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def record_command(argv: Sequence[str], path: Path, title: str, *, near: int = 0, out: int = 1) -> int:
    """Run a command in a new terminal, joined to the person's (`near`, `out`), to its end; return its exit code."""
    size = _window(near)
    recording = _Recording(path, title, size)
    child, far = pty.fork()
    if child == 0:
        _become(argv)
    _resize(far, size)
    kept = termios.tcgetattr(near)
    handler = signal.signal(signal.SIGWINCH, lambda number, frame: _follow(near, far, recording))
    try:
        tty.setraw(near)
        _copy(near, out, far, recording)
    finally:
        termios.tcsetattr(near, termios.TCSADRAIN, kept)
        signal.signal(signal.SIGWINCH, handler)
        os.close(far)
        recording.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(argv: Sequence[str]) -> NoReturn:
    try:
        os.execvp(argv[0], list(argv))  # noqa: S606
    finally:
        os._exit(127)


def _copy(near: int, out: int, far: int, recording: _Recording) -> None:
    """Pass keys on to the command and its output back until the command ends."""
    sources = [near, far]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if far in ready:
            try:
                data = os.read(far, _CHUNK)
            except OSError:  # the last program of that terminal has ended
                data = b""
            if not data:
                return
            _write_all(out, data)
            recording.add(data)
        if near in ready:
            keys = os.read(near, _CHUNK)
            if keys:
                _write_all(far, keys)
            else:
                sources.remove(near)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data):]


def _window(descriptor: int) -> tuple[int, int]:
    """Return columns and lines of a terminal."""
    with contextlib.suppress(OSError):
        lines, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8))
        if lines and columns:
            return columns, lines
    return 80, 24


def _resize(descriptor: int, size: tuple[int, int]) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))


def _follow(near: int, far: int, recording: _Recording) -> None:
    """Pass a new size of the person's window on."""
    size = _window(near)
    _resize(far, size)
    recording.resize(size)
