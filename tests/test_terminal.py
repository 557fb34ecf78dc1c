"""Prompts on a real pseudo-terminal: no is the default, secrets are hidden, without a terminal nobody answers."""

from __future__ import annotations

import io
import os
import pty
import select
import sys
import termios
import threading
from collections.abc import Callable, Iterator

import pytest

from fixer.model.diagnosis import Need
from fixer.terminal import Terminal, style_of


class Desk:
    """A pseudo-terminal whose other end types what it is told, and remembers what it saw."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.seen = b""
        self.source = os.fdopen(self.slave, "r", closefd=False, encoding="utf-8")
        self.sink = os.fdopen(self.slave, "w", closefd=False, encoding="utf-8")
        self.person = Terminal(self.source, self.sink)

    def leave(self) -> None:
        self.source.close()
        self.sink.close()
        os.close(self.slave)
        os.close(self.master)

    def during(self, action: Callable[[], object], typed: bytes, after: bytes) -> object:
        thread = threading.Thread(target=self._type, args=(typed, after))
        thread.start()
        try:
            return action()
        finally:
            thread.join()

    def _type(self, typed: bytes, after: bytes) -> None:
        while after not in self.seen and select.select([self.master], [], [], 5)[0]:
            self.seen += os.read(self.master, 4096)
        os.write(self.master, typed)

    def rest(self) -> str:
        while select.select([self.master], [], [], 0.1)[0]:
            self.seen += os.read(self.master, 4096)
        return self.seen.decode()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    desk = Desk()
    yield desk
    desk.leave()


@pytest.mark.parametrize(("typed", "answer"), [
    (b"y\n", True), (b"YES\n", True), (b"\n", False), (b"n\n", False), (b"\x04", False), (b"maybe\n", False),
])
def test_only_yes_is_yes(desk: Desk, typed: bytes, answer: bool) -> None:
    person = desk.person
    assert person.answers
    assert desk.during(lambda: person.agrees("Do it?"), typed, b"[y/N] ") is answer


def test_a_value_and_its_default(desk: Desk) -> None:
    need = Need("workers", "value", "how many", default="4")
    person = desk.person
    assert desk.during(lambda: person.gives(need), b"\n", b"[4]: ") == "4"
    desk.seen = b""
    assert desk.during(lambda: person.gives(need), b" 6 \n", b"[4]: ") == "6"


@pytest.mark.parametrize(("typed", "given"), [(b"2\n", "b:2"), (b"a:1\n", "a:1"), (b"7\n", None), (b"\n", None)])
def test_a_choice_by_number_or_by_name(desk: Desk, typed: bytes, given: str | None) -> None:
    need = Need("listener", "choice", "two fit", choices=("a:1", "b:2"))
    person = desk.person
    assert desk.during(lambda: person.gives(need), typed, b"listener: ") == given


def test_progress_is_one_harmless_line(desk: Desk) -> None:
    person = desk.person
    person.tell("edit \x1b[2J/etc/x")
    person.show(["a", "b"])
    assert desk.rest() == "\x1b[32m✔\x1b[0m edit \\x1b[2J/etc/x\r\na\r\nb\r\n"


def test_a_secret_is_not_shown() -> None:
    """In a child whose controlling terminal is the pseudo-terminal: that is where a hidden prompt reads."""
    code = (
        "from fixer.terminal import Terminal\nfrom fixer.model.diagnosis import Need\n"
        "import sys\nsys.exit(0 if Terminal().gives(Need('K', 'secret', 'why')) == 'hunter2' else 1)\n"
    )
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    seen = b""
    while b"not shown" not in seen:
        seen += os.read(master, 4096)
    while termios.tcgetattr(master)[3] & termios.ECHO:
        pass
    os.write(master, b"hunter2\n")
    try:
        while data := os.read(master, 4096):
            seen += data
    except OSError:
        pass     # the child closed its side
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"hunter2" not in seen


def test_no_colour_and_no_symbols_without_a_terminal() -> None:
    style = style_of(io.StringIO())
    assert not style.colour and not style.symbols
    assert not Terminal(io.StringIO(""), io.StringIO()).answers


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_declined(desk: Desk, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    assert style_of(desk.sink).colour
    monkeypatch.setenv(variable, value)
    assert not style_of(desk.sink).colour
    assert style_of(desk.sink).symbols
