"""The format asciinema v2: a header, then one line for each event. Pure; nothing of a terminal is in it.

What was shown is kept, not the keys: a password that a program does not echo is in no file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lab.errors import LabError

_ESC, _BELL = "\x1b", "\x07"
_STRINGS = "]PX^_"  # after an escape: begins a text for the terminal itself, such as its title or its clipboard


@dataclass(frozen=True, slots=True)
class Event:
    """One event, `at` seconds after the start: output, or a new size of the window such as `80x24`."""

    at: float
    kind: Literal["o", "r"]
    data: str


def header_line(width: int, height: int, started: int, title: str) -> str:
    """Return the first line of a file. `started` is in seconds since 1970."""
    return json.dumps({"version": 2, "width": width, "height": height, "timestamp": started, "title": title}) + "\n"


def event_line(event: Event) -> str:
    """Return the line of an event."""
    return json.dumps([round(event.at, 4), event.kind, event.data], ensure_ascii=False) + "\n"


def read_cast(text: str, source: str) -> tuple[Event, ...]:
    """Return the events of a file; what a killed recorder wrote in half at its end is left out.
    Raise LabError for a file of another format."""
    head, _, rest = text.partition("\n")
    try:
        version = json.loads(head)["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"{source} is no recording") from error
    if version != 2:
        raise LabError(f"{source} is a recording of version {version}; lab reads version 2")
    return tuple(_events(rest.splitlines()))


def _events(lines: Iterable[str]) -> Iterator[Event]:
    for line in lines:
        try:
            at, kind, data = json.loads(line)
        except ValueError:
            return
        if kind in ("o", "r"):
            yield Event(float(at), kind, str(data))


def pauses(events: Iterable[Event], longest: float) -> Iterator[tuple[float, Event]]:
    """Yield each event with the seconds to wait before it, `longest` at most."""
    before = 0.0
    for event in events:
        yield min(max(0.0, event.at - before), longest), event
        before = event.at


class QuietText:
    """Output without texts for the terminal itself: a recorded shell must not rename or fill anything of who watches.

    Colours and movements of the cursor stay. A sequence may be spread over several events."""

    def __init__(self) -> None:
        self._state: Literal["text", "escape", "string", "ending"] = "text"

    def feed(self, data: str) -> str:
        """Return what of this piece may be shown."""
        return "".join(filter(None, map(self._next, data)))

    def _next(self, char: str) -> str:
        match self._state:
            case "text" if char == _ESC:
                self._state = "escape"
                return ""
            case "escape":
                self._state = "string" if char in _STRINGS else "escape" if char == _ESC else "text"
                return "" if self._state != "text" else _ESC + char
            case "string" | "ending":
                ends = char == _BELL or (self._state == "ending" and char == "\\")
                self._state = "text" if ends else "ending" if char == _ESC else "string"
                return ""
        return char
