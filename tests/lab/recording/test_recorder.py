"""Tests of lab/recording/recorder.py: real terminals, and a person at one of them."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import stat
import struct
import termios
import threading
from pathlib import Path

from lab.recording import recorder
from lab.recording.cast_file import Event, read_cast

ASKS = "stty -echo; printf 'secret? '; read secret; stty echo; printf '\\nword? '; read word; stty size; echo \"got $word\"; exit 7"


class Person(threading.Thread):
    """Types an answer to each question, on the other side of the terminal."""

    def __init__(self, master: int, answers: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.master, self.answers, self.seen = master, answers, ""

    def run(self) -> None:
        waiting = dict(self.answers)
        while True:
            try:
                self.seen += os.read(self.master, 4096).decode()
            except OSError:
                return
            for question in [one for one in waiting if one in self.seen]:
                os.write(self.master, waiting.pop(question).encode())


def recorded(path: Path, script: str, answers: dict[str, str]) -> tuple[int, str]:
    """The exit code of a recorded script, and what the person saw."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    person = Person(master, answers)
    person.start()
    before = termios.tcgetattr(slave)
    code = recorder.record_command(["sh", "-c", script], path, "title", near=slave, out=slave)
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    person.join(timeout=10)
    os.close(master)
    return code, person.seen


def test_what_was_shown_is_kept_and_a_hidden_password_is_not(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.cast"
    handler = signal.getsignal(signal.SIGWINCH)
    code, seen = recorded(path, ASKS, {"secret? ": "hunter2\n", "word? ": "plain\n"})
    events = read_cast(path.read_text(), "a.cast")
    shown = "".join(event.data for event in events if event.kind == "o")
    assert code == 7 and shown == seen and "got plain" in shown and "plain\r\n" in shown
    assert "33 99" in shown and '"width": 99' in path.read_text() and "hunter2" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert signal.getsignal(signal.SIGWINCH) == handler


def test_a_new_size_of_the_window_reaches_the_command(tmp_path: Path) -> None:
    """The script waits until it has the new size."""
    path = tmp_path / "a.cast"
    script = f"kill -WINCH {os.getpid()}; printf ready; read word; stty size"
    code, seen = recorded(path, script, {"ready": "go\n"})
    assert code == 0 and "33 99" in seen
    assert Event(0.0, "r", "99x33") in [Event(0.0, event.kind, event.data) for event in read_cast(path.read_text(), "a")]


def test_a_program_that_is_missing_ends_like_in_a_shell(tmp_path: Path) -> None:
    assert recorded(tmp_path / "a.cast", "exec /none/such 2>/dev/null", {})[0] == 127


def test_each_recording_has_a_file_of_its_own(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    monkeypatch.setattr(recorder.time, "strftime", lambda form: "20260101-000000")
    first = recorder.new_recording("shop-3f2a")
    first.parent.mkdir()
    first.touch()
    assert first.name == "shop-3f2a-20260101-000000.cast" and recorder.new_recording("shop-3f2a").name.endswith("-2.cast")


def test_a_very_long_recording_ends_before_the_shell(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(recorder, "LARGEST_FILE", 2000)
    code, seen = recorded(tmp_path / "a.cast", "for i in $(seq 400); do echo line $i; sleep 0; done", {})
    assert code == 0 and "line 400" in seen and "line 400" not in (tmp_path / "a.cast").read_text()[:2000]
