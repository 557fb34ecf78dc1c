"""Entries of the journal in JSON: the message is masked as a line of a log, of the other fields those are shown that a
cause reads, in the shape that systemd gives them. All other fields are dropped. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fixer.formats.journal_entries import field_text, fields_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.redaction.allowed import row
from fixer.redaction.log_lines import mask_logs
from fixer.redaction.masks import Masks

with lazy_imports():
    import json

_NAME = row("JOURNAL_NAME")
_ID = row("JOURNAL_ID")
_SHAPES = (      # names of fields, and what they may hold
    (row("JOURNAL_TIME"), row("JOURNAL_NUMBER")), (row("JOURNAL_COUNT"), row("JOURNAL_SHORT_NUMBER")),
    (row("JOURNAL_WORD"), row("JOURNAL_WORD_VALUE")),
)
# Before each line of a message while it is masked: what begins it like a time of a log is no time.
_HEAD = "0.0 - -: "


def mask_journal(text: str, masks: Masks) -> str:
    """Return the journal of a unit masked, in text or in JSON; the number of lines stays."""
    lines = text.split("\n")
    entries = [fields_of(line) for line in lines]
    said = [[_line_text(line, masks)] if fields is None else
            [_HEAD + one for one in field_text(fields.get("MESSAGE")).split("\n")]
            for line, fields in zip(lines, entries, strict=True)]
    masked = iter(mask_logs("\n".join(line for one in said for line in one), masks).split("\n"))
    out: list[str] = []
    for fields, own in zip(entries, said, strict=True):
        shown = [next(masked) for _ in own]
        out.append(shown[0] if fields is None else _entry_text(fields, shown, masks))
    return "\n".join(out)


def _line_text(line: str, masks: Masks) -> str:
    """Return a line of the text form; a damaged entry shows nothing."""
    return masks.mark(line.strip()) if line.startswith("{") else line


def _entry_text(fields: Mapping[str, Any], message: list[str], masks: Masks) -> str:
    told = ((name, _shown(name, field_text(given), masks)) for name, given in fields.items())
    shown = {name: value for name, value in told if value}
    if "MESSAGE" in fields:
        shown["MESSAGE"] = "\n".join(line.removeprefix(_HEAD) for line in message)
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def _shown(name: str, value: str, masks: Masks) -> str:
    """Return what is shown of a field; empty for nothing."""
    if _NAME.fullmatch(name):
        return masks.parts(value)
    if name == "MESSAGE_ID":
        return value if _ID.fullmatch(value) else ""
    return value if any(names.fullmatch(name) and shape.fullmatch(value) for names, shape in _SHAPES) else ""
