"""How systemd reads an EnvironmentFile=, character by character: where a value ends, and what runs on into it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.dataclass import dataclass

_HELD = "\"\\`$"          # what a backslash takes its meaning from within double quotes


@dataclass(frozen=True, slots=True)
class Assignment:
    """One `NAME=value`: its first and last line, the offset of each character of the value, and the quote that is
    open where the file ends (empty where none is)."""

    name: str
    line: int
    last: int
    at: int
    kept: tuple[int, ...]
    quote: str


def assignments(text: str) -> Iterator[Assignment]:
    """All of them in order; the name is as it stands there, without blanks around it."""
    at, line = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        name, sign, _ = text[at:end].partition("=")
        if not sign or name.strip()[:1] in ("#", ";"):
            at, line = end + 1, line + 1
            continue
        kept, after, quote = _value(text, at + len(name) + 1)
        after = min(after, len(text) + 1)
        last = line + text.count("\n", at, after - 1)
        yield Assignment(name.strip(), line, last, at, tuple(kept), quote)
        at, line = after, line + text.count("\n", at, after)


def place_for_more(text: str) -> int:
    """The offset where a further line is one of its own: the end, unless a quote or backslash takes in what follows."""
    before = "" if not text or text.endswith("\n") else "\n"
    found = list(assignments(f"{text}{before}A=\n"))
    return len(text) if found[-1].name == "A" and found[-1].at >= len(text) else found[-1].at


def _value(text: str, at: int) -> tuple[list[int], int, str]:
    """Where the characters of a value stand, where the next line begins, and the quote that nobody closed."""
    kept: list[int] = []
    quote, trimmed, begun = "", 0, False    # `trimmed`: how much stays when blanks at the end go
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            escaped = text[at + 1:at + 2]
            if quote and escaped not in (*_HELD, "\n"):
                kept.append(at)
            if escaped and escaped != "\n":
                kept.append(at + 1)
            at, trimmed, begun = at + 2, len(kept), True
            continue
        if quote:
            if char == quote:
                quote, begun, trimmed = "", False, len(kept)
            else:
                kept.append(at)
        elif char == "\n":
            break
        elif not begun and char in "'\"":
            quote = char
        elif begun or not char.isspace():
            kept.append(at)
            begun, trimmed = True, trimmed if char.isspace() else len(kept)
        at += 1
    return (kept if quote else kept[:trimmed]), at + 1, quote
