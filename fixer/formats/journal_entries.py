"""Entries of the journal as `journalctl` prints them: who wrote each, when, and what it means if systemd did."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.unit_events import event_in
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.unit_event import LineWriter, UnitEvent

# `-o short-unix`: time, host, identifier with its process ID, message
_TEXT = regex(r"^(?P<at>\d{9,11}\.\d+) \S+ (?:(?P<writer>\S+?): )?(?P<text>.*)$")
_ESCAPES = regex(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?)")
_SYSTEMD = "systemd[1]"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of an entry. `at` is epoch seconds, None before the first time. `is_systemd` says whether it comes from
    the first process, systemd itself; `event` is what that one means by it."""

    at: float | None
    text: str
    writer: LineWriter
    is_systemd: bool
    event: UnitEvent | None

    @property
    def told_event(self) -> UnitEvent | None:
        """Return the event unless only its words tell it."""
        return None if self.writer == "unknown" else self.event


def parse_entries(data: bytes) -> tuple[JournalEntry, ...]:
    """Parse what journalctl printed."""
    return tuple(_read_text(without_escapes(data.decode("utf-8", "replace"))))


def without_escapes(text: str) -> str:
    """Return the text without the colours that a program with a terminal writes (`tty: true`, FORCE_COLOR)."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def _read_text(text: str) -> Iterator[JournalEntry]:
    """Yield the lines of the text form. Lines without a time have the last one."""
    at: float | None = None
    for raw in text.split("\n"):
        line = raw.rstrip("\r")
        if not line.strip() or line.startswith("-- "):
            continue
        found = _TEXT.match(line)
        if found is None:
            yield JournalEntry(at, line.strip(), "unknown", False, None)
            continue
        at, said, is_systemd = float(found["at"]), found["text"], found["writer"] == _SYSTEMD
        yield JournalEntry(at, said, "unknown", is_systemd, event_in(said) if is_systemd else None)
