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
from fixer.terminal import Terminal, command_as_root, style_of


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


@pytest.mark.parametrize(("columns", "width"), [(132, 132), (60, 60), (20, 40), (0, 80)])
def test_a_page_is_as_wide_as_its_terminal_and_never_narrower_than_40(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, columns: int, width: int,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    termios.tcsetwinsize(desk.slave, (24, columns))
    assert style_of(desk.sink).width == width


@pytest.mark.parametrize(("said", "width"), [(None, 100), ("", 100), ("72", 72), ("10", 40), ("0", 100), ("wide", 100), ("-5", 100)])
def test_a_pipe_is_100_columns_wide_or_what_columns_says(
    monkeypatch: pytest.MonkeyPatch, said: str | None, width: int,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if said is not None:
        monkeypatch.setenv("COLUMNS", said)
    assert style_of(io.StringIO()).width == width
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w") as pipe:
        assert style_of(pipe).width == width


def test_columns_decides_on_a_terminal_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    assert style_of(desk.sink).width == 64


@pytest.mark.parametrize(("target", "user", "expected"), [
    ("local", 1000, "sudo fixer diagnose local --url 'http://x/?a=1&b=2'"), ("local", 0, ""), ("compose://shop", 0, ""),
    ("compose://shop", 1000, "sudo fixer diagnose compose://shop --url 'http://x/?a=1&b=2'"),
    ("ssh://web1", 1000, "fixer diagnose ssh://root@web1 --url 'http://x/?a=1&b=2'"),
    ("ssh://ops@web1:2222", 0, "fixer diagnose ssh://root@web1:2222 --url 'http://x/?a=1&b=2'"),
    ("ssh://root@web1", 1000, ""), ("bundle:incident.tgz", 1000, ""),
])
def test_the_command_that_reads_a_target_as_root(monkeypatch: pytest.MonkeyPatch, target: str, user: int, expected: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert command_as_root(target, ("diagnose", target, "--url", "http://x/?a=1&b=2")) == expected
