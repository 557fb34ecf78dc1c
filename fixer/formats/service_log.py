"""Lines of a service's log with their times: the journal, `docker logs --timestamps`, plain files."""

from __future__ import annotations

from fixer.formats.journal_entries import parse_entries, without_escapes
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Answer
from fixer.model.snapshot import LogLine

JOURNAL_MARK = "journal "      # begins `where` of a line of the journal
MAX_LINES = 500
MAX_LENGTH = 4000  # characters of one line: a log may contain anything

_DOCKER = regex(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)$")


def parse_journal(answer: Answer | None, unit: str) -> Fact[tuple[LogLine, ...]]:
    """Parse the journal of a unit."""
    if answer is None:
        return Unknown("not asked")
    if answer.status != "ok":
        return Unknown(answer.message or answer.status)
    where = f"{JOURNAL_MARK}{unit}"
    return Known(tuple(LogLine(entry.at, entry.text[:MAX_LENGTH], where, entry.writer, entry.told_event)
                       for entry in parse_entries(answer.data)[-MAX_LINES:]))


def parse_docker_logs(answer: Answer | None, container: str) -> Fact[tuple[LogLine, ...]]:
    """Parse `docker logs --timestamps`: the container's output on both streams, in order of time."""
    if answer is None:
        return Unknown("not asked")
    if answer.status != "ok":
        return Unknown(answer.message or answer.status)
    lines: list[LogLine] = []
    for raw in [*_text_lines(answer.data), *_text_lines(answer.stderr)]:
        match = _DOCKER.match(raw)
        text = match[2] if match else raw
        lines.append(LogLine(parse_time(match[1]) if match else None, text[:MAX_LENGTH], f"docker logs {container}"))
    ordered = sorted(lines, key=lambda line: line.at or 0.0)
    return Known(tuple(ordered[-MAX_LINES:]))


def parse_log_file(answer: Answer | None, path: str, utc_offset: float) -> Fact[tuple[LogLine, ...]]:
    """Parse a plain log file: lines have a time only where gunicorn or uWSGI writes one. `utc_offset`: the host's
    seconds east of UTC, since uWSGI writes local time."""
    file = answer.files[0] if answer is not None and answer.files else None
    if file is None:
        return Unknown("not asked")
    if file.status != "ok":
        return Unknown(file.status)
    lines = [LogLine(_written_time(raw, utc_offset), raw[:MAX_LENGTH], path) for raw in _text_lines(file.data)]
    return Known(tuple((lines[1:] if file.truncated and len(lines) > 1 else lines)[-MAX_LINES:]))


def _written_time(raw: str, utc_offset: float) -> float | None:
    found = _IN_BRACKETS.match(raw)
    if found is not None:
        return parse_time(f"{found[1]}T{found[2]}{found[3]}:{found[4]}") or None
    written = _CTIME_FIRST.match(raw) or (_CTIME_IN_BRACKETS.search(raw, 0, _WITHIN) if "[" in raw else None)
    if written is None:
        return None
    month = _MONTHS.index(written[1]) + 1
    return parse_time(f"{written[4]}-{month:02d}-{written[2].strip():>02}T{written[3]}Z") - utc_offset


def _text_lines(data: bytes) -> list[str]:
    text = without_escapes(data.decode("utf-8", "replace"))
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


_IN_BRACKETS = regex(r"^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\] ")
# as ctime(3) writes it, in the host's own zone
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CTIME = rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ({'|'.join(_MONTHS)}) ([ \d]\d) (\d\d:\d\d:\d\d) (\d{{4}})"
_CTIME_FIRST, _CTIME_IN_BRACKETS = regex(rf"^{_CTIME} - "), regex(rf"\[{_CTIME}\]")
_WITHIN = 300       # characters of a line: what stands behind may be a visitor's
_TIME = regex(r"^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))")


def parse_time(value: str) -> float:
    """Return epoch seconds of Docker's RFC 3339 time; 0.0 for year 1, which means never."""
    match = _TIME.match(value)
    if match is None or match[1] == "0001":
        return 0.0
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    stamp = days_from_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + float(match[7] or 0)
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        stamp -= offset if match[8] == "+" else -offset
    return stamp


def days_from_epoch(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date (the module calendar costs 10 ms to import)."""
    year -= month <= 2
    era_year, month_index = year % 400, (month + 9) % 12
    in_era = era_year * 365 + era_year // 4 - era_year // 100 + (153 * month_index + 2) // 5 + day - 1
    return year // 400 * 146097 + in_era - 719468
