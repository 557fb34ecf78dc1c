"""The terminal: its width and style, and the operator at it. Progress and questions go to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from fixer.languages.choose_language import language_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Need
from fixer.render.terminal_text import Style, clean, plain_text

with lazy_imports():
    from getpass import getpass
    from shlex import join  # few runs need it

    from fixer.languages.catalogue import Catalogue  # an English run loads no catalogue

_NARROWEST = 40
_WITHOUT_TERMINAL = 100  # columns in a pipe or a file
_UNKNOWN_WIDTH = 80  # columns of a terminal that does not say


def style_of(stream: TextIO) -> Style:
    """Return the style of a stream: its width, its language, and colour and symbols only if it is a terminal that
    supports them."""
    language = language_of(stream)
    catalogue = Catalogue("fixer.languages", language) if language else None
    if not stream.isatty():
        return Style(width=_columns_of(stream), catalogue=catalogue)
    coloured = "NO_COLOR" not in os.environ and os.environ.get("TERM", "") not in ("", "dumb")
    return Style(colour=coloured, symbols=(stream.encoding or "").lower().replace("-", "") == "utf8",
                 width=_columns_of(stream), catalogue=catalogue)


def _columns_of(stream: TextIO) -> int:
    """Return what COLUMNS says, else the terminal's width. shutil's function knows stdout only, and costs 5 ms."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return max(_NARROWEST, int(said))
    try:
        columns = os.get_terminal_size(stream.fileno()).columns or _UNKNOWN_WIDTH
    except (OSError, ValueError):  # no terminal, or no file
        columns = _UNKNOWN_WIDTH if stream.isatty() else _WITHOUT_TERMINAL
    return max(_NARROWEST, columns)


def is_root() -> bool:
    """Return whether fixer runs as root, and so uses root's journal."""
    return os.geteuid() == 0


def command_as_root(target: str, words: Sequence[str]) -> str:
    """Return the fixer command that reads this target as root; empty if it does so already, or none can."""
    host = target.rpartition("@")[2].removeprefix("ssh://") if target.startswith("ssh://") else ""
    if target.startswith(("bundle:", "ssh://root@")) or (not host and is_root()):
        return ""
    if host:
        return join(("fixer", *(f"ssh://root@{host}" if word == target else word for word in words)))
    return join(("sudo", "fixer", *words))


class Terminal:
    """The operator at a terminal, if stdin and stderr are one; otherwise a reader who cannot answer."""

    def __init__(self, source: TextIO | None = None, sink: TextIO | None = None) -> None:
        self._source = source or sys.stdin
        self._sink = sink or sys.stderr
        self.style = style_of(self._sink)

    @property
    def answers(self) -> bool:
        return self._source.isatty() and self._sink.isatty()

    def tell(self, line: str) -> None:
        sign = self.style.paint(self.style.sign("✔"), "green")
        self._write(f"{sign} {plain_text(clean(line), self.style)}\n")

    def show(self, lines: list[str]) -> None:
        self._write("\n".join(lines) + "\n")

    def agrees(self, question: str) -> bool:
        self._write(f"{clean(question)} [y/N] ")
        said = self._source.readline()
        if not said.endswith("\n"):
            self._write("\n")
        return said.strip().lower() in ("y", "yes")

    def gives(self, need: Need) -> str | None:
        self._write(f"{clean(need.key)}: {clean(need.why)}\n")
        for number, choice in enumerate(need.choices, 1):
            self._write(f"  {number}. {clean(choice)}\n")
        if need.kind == "secret":
            return _read_hidden_value()
        default = f" [{clean(need.default)}]" if need.default is not None else ""
        self._write(f"  {clean(need.key)}{default}: ")
        said = self._source.readline().strip()
        if need.choices:
            return _parse_choice(said, need.choices) or need.default
        return said or need.default

    def _write(self, text: str) -> None:
        self._sink.write(text)
        self._sink.flush()


def _read_hidden_value() -> str | None:
    try:
        return getpass("  value (not shown): ", stream=sys.stderr) or None
    except EOFError:
        return None


def _parse_choice(said: str, choices: tuple[str, ...]) -> str | None:
    if said in choices:
        return said
    return choices[int(said) - 1] if said.isdecimal() and 1 <= int(said) <= len(choices) else None
