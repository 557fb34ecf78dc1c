"""nginx's error log as events; every text that a visitor can write is for display only.

nginx escapes neither quotes nor commas in the request, the Referer or a file name. A line is therefore read from the
left in nginx's own order: client, server, request, subrequest, upstream, host, referrer. A field that could be forged
stays empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from fixer.lazy.regex import regex
from fixer.model.nginx_config import ConfigProblem
from fixer.model.snapshot import ErrorEvent
from fixer.nginx.error_kinds import error_kind

_MOST_BYTES = 4 << 20
_MOST_EVENTS = 20_000
_LONGEST_LINE = 16_384
_LONGEST_RAW = 2_048

# What a supervisor (forego, honcho, Compose), syslog or a container's runtime writes before a line.
_STAMP = rb"\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:?\d\d)"
_SENDER = rb"[\w.-]{1,255} [\w./-]{1,64}(?:\[\d{1,9}\])?: "
_PREFIX = regex(
    rb"(?:\x1b\[[\d;]{0,16}m)?(?:"
    rb"(?:\d\d:\d\d:\d\d )?[\w.-]{1,64} {0,64}\| "
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d " + _SENDER +
    rb"|" + _STAMP + rb" (?:std(?:out|err) [FP] |" + _SENDER + rb")"
    rb")(?:\x1b\[[\d;]{0,16}m)?(?! )"
)
_LINE = regex(
    rb"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[(emerg|alert|crit|error|warn|notice|info)\] "
    rb"\d+#\d+: (?:\*\d+ )?(.*)",
    re.DOTALL,
)
_CLIENT = regex(r", client: ((?:[0-9a-fA-F.:]+|unix:)), server: ([^,\"]*)(?:, |$)")
_MARK = r"\[(?:masked|redacted)[^\]\"\n]{0,40}\]"      # in a bundle, in place of a secret: the only word with a space
_REQUEST = regex(rf"request: \"(\S+ (?>{_MARK}|\S)++ HTTP/\d(?:\.\d)?)\"(?:, subrequest: \"[^\s\"]*\")?(?:, |$)")
_UPSTREAM = regex(rf"upstream: \"((?>{_MARK}|[^\s\"])*+)\"(?:, |$)")
_PHASE = regex(     # the first one of a run of letters and spaces
    r"(?<![A-Za-z ])(?>[A-Za-z ]*? while (?=(?:SSL )?[a-z]))((?:SSL )?[a-z][A-Za-z ]*+)(?:, |$)")
_ERRNO = regex(r"\((\d{1,4}): [^()]*\)$")
_REDIRECTING = regex(r"(?>(.*?) while (internally redirecting to) \").*\"$")
_TEST_LINE = regex(
    r"(?:nginx: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )\[(emerg|alert|crit)\] (?:\d+#\d+: )?"
    r"(.*)"
)
_IN_FILE = regex(r"(?>(.*?) in (?=/))(.*):(\d{1,9})\Z", re.DOTALL)
_STDERR = b'FastCGI sent in stderr: "'
_AFTER_STDERR = b'" while '
_MOST_LINES = 100      # of one message


def parse_error_log(data: bytes, *, where: str, utc_offset: float, cut: bool = False) -> tuple[ErrorEvent, ...]:
    """Return the events of a log (or of its tail), oldest first, without lines that are not nginx's own.
    `utc_offset` is the host's, in seconds east of UTC: the log holds local time. `cut`: the data starts inside the log,
    so its first line is a fragment, perhaps one that a visitor shaped, and is dropped."""
    if len(data) > _MOST_BYTES:
        data, cut = data[-_MOST_BYTES:], True
    if cut:
        data = data.partition(b"\n")[2]
    events: list[ErrorEvent] = []
    times: dict[tuple[bytes, ...], float | None] = {}
    for line, match in _entries(data.split(b"\n")[-_MOST_EVENTS:]):
        stamp = match.groups()[:6]
        if stamp not in times:
            times[stamp] = _epoch(stamp, utc_offset)
        at = times[stamp]
        if at is not None:
            raw = line[:_LONGEST_RAW].decode("utf-8", "backslashreplace")
            text = match[8].decode("utf-8", "backslashreplace")
            events.append(_event(at, match[7].decode(), text, where, raw))
    return tuple(events)


def is_error_log_line(text: str) -> bool:
    """Return whether nginx wrote the line: to its log, or to its terminal as it starts."""
    return text.startswith("nginx: ") or _match(text.encode("utf-8", "replace")) is not None


def _entries(lines: list[bytes]) -> Iterator[tuple[bytes, re.Match[bytes]]]:
    """Yield the lines that nginx wrote, whole, and their parts. What an application wrote to stderr may hold newlines:
    then nginx's own words stand on the last of several lines."""
    for number, line in enumerate(lines):
        match = _match(line)
        if match is None:
            continue
        if match[8].startswith(_STDERR) and _AFTER_STDERR not in match[8]:
            end = next((at for at, more in enumerate(lines[number + 1 : number + 1 + _MOST_LINES], number + 1)
                        if _AFTER_STDERR in more or _match(more) is not None), None)
            if end is not None and _match(lines[end]) is None:
                rest = [_without_prefix(more).rstrip(b"\r") for more in lines[number + 1 : end + 1]]
                match = _match(b"\n".join((line, *rest))) or match
        yield line, match


def _match(line: bytes) -> re.Match[bytes] | None:
    return _LINE.match(_without_prefix(line[:_LONGEST_LINE]).rstrip(b"\r"))


def _without_prefix(line: bytes) -> bytes:
    prefix = _PREFIX.match(line)
    return line[prefix.end() :] if prefix is not None else line


def parse_test_output(text: str) -> tuple[ConfigProblem, ...]:
    """Return the problems that `nginx -t` (or a failed start) reports, with file and line if named."""
    problems: list[ConfigProblem] = []
    lines = text.splitlines()[:1000]
    for at, line in enumerate(lines):
        match = _TEST_LINE.match(line[:_LONGEST_LINE])
        if match is not None:
            message = match[2].rstrip()
            named = _IN_FILE.match(message) or _named_later(message, lines[at + 1 : at + 1 + _MOST_LINES])
            said, file, number = (named[1], named[2], int(named[3])) if named is not None else (message, "", 0)
            problems.append(ConfigProblem("nginx-test", said, file, number, match[1] == "emerg"))
    return tuple(problems)


def _named_later(message: str, lines: list[str]) -> re.Match[str] | None:
    """Return the message with its file, if it holds newlines: a word that nginx quotes may."""
    for line in lines:
        if line.startswith("nginx: ") or _TEST_LINE.match(line[:_LONGEST_LINE]) is not None:
            return None
        message = f"{message}\n{line[:_LONGEST_LINE]}"[:_LONGEST_LINE]
        named = _IN_FILE.match(message)
        if named is not None:
            return named
    return None


def _epoch(stamp: tuple[bytes, ...], utc_offset: float) -> float | None:
    year, month, day, hour, minute, second = (int(part) for part in stamp)
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp() - utc_offset
    except ValueError:
        return None


def _event(at: float, level: str, text: str, where: str, raw: str) -> ErrorEvent:
    head, client, server, rest = _split_client(text)
    message, phase = _split_phase(head)
    errno = _ERRNO.search(message)
    request = upstream = ""
    found = _REQUEST.match(rest)
    if found is not None:
        request = found[1]
        rest = rest[found.end() :]
    address = _UPSTREAM.match(rest)
    if address is not None:
        upstream = address[1]
    number = int(errno[1]) if errno is not None else None
    kind = error_kind(level, message, number, phase)
    return ErrorEvent(at, level, message, number, phase, client, server, request, upstream, where, raw, kind)


def _split_client(text: str) -> tuple[str, str, str, str]:
    """Return head, client, server and the rest; the fields stay empty if quoted text in the head could contain them."""
    match = _CLIENT.search(text)
    if match is None:
        return text, "", "", ""
    head = text[: match.start()]
    if head.count('"') % 2 or ('"' in head and text.count(", client: ") > 1):
        return head, "", "", ""
    return head, match[1], match[2], text[match.end() :]


def _split_phase(head: str) -> tuple[str, str]:
    """Return the message and what nginx was doing; text inside quotes is never a phase."""
    redirecting = _REDIRECTING.match(head)
    if redirecting is not None:
        return redirecting[1], redirecting[2]
    match = _PHASE.search(head, head.rfind('"') + 1)
    if match is None:
        return head, ""
    return head[: match.start(1)].removesuffix(" while "), match[1]
