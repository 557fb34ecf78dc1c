"""Entries of the journal as `journalctl` prints them: who wrote each, when, and what it means if systemd did.

Both forms give the same entries: JSON, which is asked for, and text, as of captures of earlier versions and of machines
whose journalctl knows no --output-fields (before systemd 236).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fixer.formats.numbers import is_number
from fixer.formats.unit_events import event_in
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.unit_event import LineWriter, SpawnReason, UnitEvent, UnitEventKind

with lazy_imports():
    import json  # only where a journal is read

# The fields that are asked for. journalctl adds its cursor, the boot and __REALTIME_TIMESTAMP.
FIELDS = ("MESSAGE", "MESSAGE_ID", "UNIT", "SYSLOG_IDENTIFIER", "_PID", "_SOURCE_REALTIME_TIMESTAMP", "JOB_TYPE",
          "JOB_RESULT", "UNIT_RESULT", "EXIT_CODE", "EXIT_STATUS", "COMMAND", "N_RESTARTS", "ERRNO")
# systemd's message catalogue (sd-messages.h): ids never change, and are the same in each language.
PROCESS_EXIT = "98e322203f7a4ed290d09fe03c09fe15"
SPAWN_FAILED = "641257651c1b4ec9a8624d7a40a9e1e7"
START_FAILED = "be02cf6855d2428ba40df7e9d022f03d"
_KINDS: Mapping[str, UnitEventKind] = {
    "7d4958e842da4a758f6c1cdc7b36dcc5": "starting", "39f53479d3a045ac8e11786248231fbf": "started",
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping", "9d1aaa27d60140bd96365438aad20286": "stopped",
    START_FAILED: "start-failed", PROCESS_EXIT: "main-exited", SPAWN_FAILED: "step-failed",
    "d9b373ed55a64feb8242e02dbe79a49c": "failed", "7ad2d189f7e94e70a38c781354912448": "succeeded",
    "5eb03494b6584870a536b337290809b3": "restart-scheduled", "fe6faa94e7774663a0da52717891d8ef": "oom-kill",
}
MESSAGE_IDS = tuple(_KINDS)
_JOB_RESULTS: Mapping[str, UnitEventKind] = {"dependency": "dependency-failed", "assert": "assertion-failed"}
_REASONS: Mapping[int, SpawnReason] = {2: "missing", 3: "missing", 8: "format", 13: "denied"}      # errno(3)
_NAMED_BY_UNIT = ("main-exited", "control-exited", "failed", "succeeded", "restart-scheduled", "oom-kill")

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
    """Parse what journalctl printed: each line by its form. Several of a look ask for one answer."""
    return parse_once(lambda: tuple(_read_lines(data.decode("utf-8", "replace"))), "journal", data)


def without_escapes(text: str) -> str:
    """Return the text without the colours that a program with a terminal writes (`tty: true`, FORCE_COLOR)."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def _read_lines(text: str) -> Iterator[JournalEntry]:
    at: float | None = None
    for raw in text.split("\n"):
        fields = fields_of(raw)
        entries = _read_text(raw, at) if fields is None else _read_fields(fields, at)
        for entry in entries:
            at = entry.at
            yield entry


def _read_text(raw: str, at: float | None) -> Iterator[JournalEntry]:
    """Yield the entry of a line of the text form. A line without a time has the last one."""
    line = without_escapes(raw).rstrip("\r")
    if not line.strip() or line.startswith("-- "):
        return
    found = _TEXT.match(line)
    if found is None:
        yield JournalEntry(at, line.strip(), "unknown", False, None)
        return
    said, is_systemd = found["text"], found["writer"] == _SYSTEMD
    yield JournalEntry(float(found["at"]), said, "unknown", is_systemd, event_in(said) if is_systemd else None)


def fields_of(line: str) -> dict[str, Any] | None:
    """Return the fields of a line of the JSON form; None for another line."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def field_text(value: object) -> str:
    """Return the text of a field: a string, the bytes of one that is not UTF-8, or the first of several."""
    if isinstance(value, str) and value.isascii():
        return value
    if isinstance(value, list) and value and not isinstance(value[0], int):
        value = value[0]
    if isinstance(value, list):
        octets = [one for one in value if isinstance(one, int) and 0 <= one < 256]
        return bytes(octets).decode("utf-8", "replace")
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _read_fields(fields: Mapping[str, Any], last: float | None) -> Iterator[JournalEntry]:
    """Yield the lines of an entry of the JSON form. Only the first one carries the event."""
    if "MESSAGE" not in fields:
        return
    moment = field_text(fields.get("_SOURCE_REALTIME_TIMESTAMP")) or field_text(fields.get("__REALTIME_TIMESTAMP"))
    at = int(moment) / 1e6 if is_number(moment) else last
    first, *more = without_escapes(field_text(fields["MESSAGE"])).split("\n")
    is_systemd = field_text(fields.get("_PID")) == "1"
    # the child that systemd forked, before it is the program, logs with the program's name in brackets
    is_child = field_text(fields.get("SYSLOG_IDENTIFIER")).startswith("(")
    writer: LineWriter = "manager" if is_systemd or is_child else "program"
    event = _event_of(fields, first) if writer == "manager" else None
    yield JournalEntry(at, first.rstrip("\r"), writer, is_systemd, event)
    for line in more:
        if line.strip():
            yield JournalEntry(at, line.rstrip("\r"), writer, is_systemd, None)


def _event_of(fields: Mapping[str, Any], text: str) -> UnitEvent | None:
    """Return what systemd means by an entry: by its fields, and by its words only where no field tells it."""
    said, kind = event_in(text), _KINDS.get(field_text(fields.get("MESSAGE_ID")))
    if kind is None or kind == "step-failed":
        return said if said is None or kind is None else replace(said, reason=_reason(fields, said))
    if kind == "started" and said is not None and said.kind == "condition-unmet":
        return said     # its start job is done, and has the id of one that started the unit
    if kind == "start-failed":
        kind = _JOB_RESULTS.get(field_text(fields.get("JOB_RESULT")), kind)
        return UnitEvent(kind) if field_text(fields.get("JOB_TYPE")) != "stop" else None
    if kind == "main-exited" and _is_control(fields, said):
        kind = "control-exited"
    unit = field_text(fields.get("UNIT")) if kind in _NAMED_BY_UNIT else ""
    return UnitEvent(kind, unit, field_text(fields.get("EXIT_CODE")), _number(fields, "EXIT_STATUS"),
                     field_text(fields.get("UNIT_RESULT")) if kind == "failed" else "", _number(fields, "N_RESTARTS"))


def _is_control(fields: Mapping[str, Any], said: UnitEvent | None) -> bool:
    """Return whether a command around the program ended. ExecStart= of Type=forking is both: there the words decide."""
    command = field_text(fields.get("COMMAND"))
    return command not in ("", "ExecStart") or (said is not None and said.kind == "control-exited")


def _reason(fields: Mapping[str, Any], said: UnitEvent) -> SpawnReason:
    number = _number(fields, "ERRNO")
    return _REASONS.get(number, "unknown") if number else said.reason


def _number(fields: Mapping[str, Any], name: str) -> int:
    text = field_text(fields.get(name))
    return int(text) if is_number(text) and len(text) < 10 else 0
