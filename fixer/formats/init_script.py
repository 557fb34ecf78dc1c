"""Init scripts: the program that they start through `start-stop-daemon` or the function `daemon`."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.formats.shell_words import Word

_SHORT_VALUE_OPTIONS = {
    "p": "pidfile", "x": "exec", "a": "startas", "n": "name", "u": "user", "g": "group", "c": "chuid", "r": "chroot",
    "d": "chdir", "s": "signal", "R": "retry", "N": "nicelevel", "P": "procsched", "I": "iosched", "k": "umask",
    "O": "output",
}
_LONG_VALUE_OPTIONS = frozenset({*_SHORT_VALUE_OPTIONS.values(), "pid", "ppid", "notify-timeout"})
_SHORT_FLAGS = {"S": "start", "K": "stop", "T": "status", "t": "test", "b": "background", "m": "make-pidfile",
                "q": "quiet",
          "v": "verbose", "o": "oknodo", "C": "no-close"}
_NO_START = frozenset({"stop", "status", "test"})


def started_daemon(words: Sequence[Word]) -> tuple[list[Word], str] | None:
    """Return the command that these arguments start as a daemon, and its folder (empty: none).
    None if they are no such call, or one that only stops, queries or tests."""
    name = posixpath.basename(words[0].text) if words else ""
    if name == "start-stop-daemon":
        return _start_stop_daemon(words[1:])
    if name == "daemon":  # of /etc/init.d/functions
        rest = list(words[1:])
        while rest and rest[0].text.startswith("-"):
            rest = rest[1:]
        return (rest, "") if rest else None
    return None


def _start_stop_daemon(words: Sequence[Word]) -> tuple[list[Word], str] | None:
    """Parse options with their values, `--exec=…` and `-x …` alike; arguments after `--` are the program's."""
    said: dict[str, Word] = {}
    flags: set[str] = set()
    own: list[Word] = []
    at = 0
    while at < len(words):
        word, text = words[at], words[at].text
        at += 1
        if text == "--":
            own += words[at:]
            break
        if not text.startswith("-") or text == "-":
            own.append(word)
            continue
        long, given, _ = text[2:].partition("=") if text.startswith("--") else (_SHORT_VALUE_OPTIONS.get(text[1:], ""),
                                                                                "", "")
        if given and long in _LONG_VALUE_OPTIONS:
            said[long] = word.slice(len(long) + 3, len(text))
        elif long in _LONG_VALUE_OPTIONS and at < len(words):
            said[long] = words[at]
            at += 1
        else:
            flags |= {long} if text.startswith("--") else {_SHORT_FLAGS.get(letter, "") for letter in text[1:]}
    program = said.get("startas") or said.get("exec")
    if program is None or "start" not in flags or flags & _NO_START:
        return None
    return [program, *own], said["chdir"].text if "chdir" in said else ""
