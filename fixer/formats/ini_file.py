"""supervisord's configuration files: sections and values with byte positions; comments become blanks."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_KEY = regex(r"([^\s:=](?:[^:=\n]*[^:=\n \t])?)[ \t]*[=:][ \t]*")
_COMMENT = regex(r"(?:^|(?<=\s))[;#]")


@dataclass(frozen=True, slots=True)
class IniValue:
    """One value: its text from byte `start` on, with the same length as in the file, comments as blanks."""

    file: str
    line: int
    section: str
    key: str
    value: str
    start: int


@dataclass(frozen=True, slots=True)
class IniSection:
    """One section and its values; `end` is the end of its header line."""

    file: str
    line: int
    name: str
    end: int
    values: tuple[IniValue, ...]

    def get(self, key: str) -> IniValue | None:
        """Return the effective value: the last one."""
        return next((v for v in reversed(self.values) if v.key == key), None)

    def text(self, key: str, default: str = "") -> str:
        """Return the value's text on one line."""
        found = self.get(key)
        return " ".join(found.value.split()) if found is not None else default


def ini_sections(file: str, data: bytes) -> tuple[IniSection, ...]:
    """Return the sections in order; latin-1 keeps one character a byte, so offsets are byte offsets."""
    return tuple(_sections(file, data.decode("latin-1")))


def _sections(file: str, text: str) -> Iterator[IniSection]:
    head: tuple[int, str, int] | None = None
    values: list[IniValue] = []
    lines = text.split("\n")
    offset, number = 0, 0
    while number < len(lines):
        raw = lines[number]
        at, first = offset, number + 1
        offset += len(raw) + 1
        number += 1
        clean = _uncommented(raw)
        stripped = clean.strip()
        if stripped.startswith("[") and "]" in stripped and not raw[:1].isspace():
            if head is not None:
                yield IniSection(file, head[0], head[1], head[2], tuple(values))
            head, values = (first, stripped[1 : stripped.index("]")], at + len(raw.rstrip())), []
            continue
        match = _KEY.match(clean) if not raw[:1].isspace() else None
        if match is None or head is None:
            continue
        parts = [clean[match.end():]]
        while number < len(lines) and (lines[number][:1] in (" ", "\t") and lines[number].strip()):
            parts.append(_uncommented(lines[number]))
            offset += len(lines[number]) + 1
            number += 1
        values.append(IniValue(file, first, head[1], match[1].strip().lower(), "\n".join(parts).rstrip(),
                               at + match.end()))
    if head is not None:
        yield IniSection(file, head[0], head[1], head[2], tuple(values))


def _uncommented(line: str) -> str:
    match = _COMMENT.search(line)
    return line if match is None else line[: match.start()] + " " * (len(line) - match.start())
