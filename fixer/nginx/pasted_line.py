"""A line of nginx's error log as a person pastes it: whole, without its time, cut off anywhere, or only the errno."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.regex import regex
from fixer.model.nginx_config import ErrorKind
from fixer.nginx.error_kinds import CONNECT_FAILED, error_kind

_PHASES = (
    "connecting to upstream", "reading response header from upstream", "reading upstream",
    "SSL handshaking to upstream", "sending request to upstream",
)
_ERRNO_TEXTS = {
    1: "Operation not permitted", 2: "No such file or directory", 11: "Resource temporarily unavailable",
    13: "Permission denied", 22: "Invalid argument", 24: "Too many open files", 28: "No space left on device",
    97: "Address family not supported by protocol", 98: "Address already in use",
    99: "Cannot assign requested address", 101: "Network is unreachable", 104: "Connection reset by peer",
    110: "Connection timed out", 111: "Connection refused", 113: "No route to host",
}
_CALLS = {
    24: ("accept4() failed", "socket() failed"), 28: ('write() to "/log" failed',), 97: ("socket() failed",),
    98: ("bind() to 0.0.0.0:80 failed",), 104: ("recv() failed", "connect() failed"),
    110: ("upstream timed out", "connect() failed"), 2: ("connect() to unix:/socket failed",),
    11: ("connect() to unix:/socket failed",),
}
_START = regex(r".*?\[(emerg|alert|crit|error|warn|notice|info)\](?: |\Z)(?:\d+#\d+: )?(?:\*\d+ )?")
_ID = regex(r"(?:\d+#\d+: )?(?:\*\d+ )?")
_PHASE = regex(r" while ((?:SSL )?[a-z][A-Za-z ]*)")
_ERRNO = regex(r"(?:failed|timed out) \((\d{1,4})\b")
_ONLY_ERRNO = regex(r"\(?(\d{1,3})?[:\s]*+((?:[A-Za-z]++(?: ++[A-Za-z]++)*)?)[\s.]*\)?\Z")
_OWN_FILE = regex(r'[^"]*"/[^"]*/\d+"')  # nginx numbers its temporary files and their folders
_LEVELS = ("crit", "alert", "error", "emerg")
_CONNECTS = ("connect()", "upstream timed out")
_UNPROVEN = frozenset({"connecting-other", "connect-failed"})


def kinds_of_line(text: str) -> tuple[ErrorKind, ...]:
    """Return the kinds that the text can be, each once; empty if it is no line about a gateway error."""
    line = " ".join(text.strip(" \t\r\n'`*").split())
    start = _START.match(line)
    level, rest = (start[1], line[start.end():]) if start else ("", line[_ID.match(line).end():])  # type: ignore[union-attr]
    errno = None if start else _errno_of(rest)
    lines = _lines_with(errno) if errno is not None else [rest]
    found = [kind for one in lines for kind in _kinds(level, one)]
    return tuple(dict.fromkeys(found))


def _errno_of(text: str) -> int | None:
    """Return the errno if the text is nothing more: `111`, `Connection refused`, `(111: Connection refused)`."""
    match = _ONLY_ERRNO.match(text)
    if match is None or not (match[1] or match[2]):
        return None
    known = {said.lower(): number for number, said in _ERRNO_TEXTS.items()}
    number = int(match[1]) if match[1] else known.get(match[2].lower())
    if number not in _ERRNO_TEXTS or (match[2] and known.get(match[2].lower(), number) != number):
        return None
    return number


def _lines_with(errno: int) -> list[str]:
    return [f"{call} ({errno}: {_ERRNO_TEXTS[errno]})" for call in _CALLS.get(errno, ("connect() failed",))]


def _kinds(level: str, line: str) -> Iterator[ErrorKind]:
    head = line.partition(", client: ")[0]
    found = _PHASE.search(head, head.rfind('"') + 1)
    message, phase = (head[:found.start()], found[1].strip()) if found else (head, "")
    phases = tuple(known for known in _PHASES if known.startswith(phase)) or (phase,)
    number = _ERRNO.search(message)
    errno = int(number[1]) if number else None
    for one in phases:
        kinds = [error_kind(severity, message, errno, one) for severity in ((level,) if level else _LEVELS)]
        yield from [kind for kind in kinds if _fits(kind, message, level, found is not None)][:1]


def _fits(kind: ErrorKind, message: str, level: str, has_phase: bool) -> bool:
    """Return whether the message shows the kind. Without level or phase many messages would fit some kinds."""
    if kind == "other" or (not has_phase and (kind in _UNPROVEN or (
            kind in CONNECT_FAILED and not message.startswith(_CONNECTS)))):
        return False
    return bool(level) or _fits_without_level(kind, message)


def _fits_without_level(kind: ErrorKind, message: str) -> bool:
    """Return whether the message alone shows the kind; at these levels any other message would have it too."""
    if kind == "temp-file-failed":
        return _OWN_FILE.match(message) is not None
    return kind != "emerg-config" and (kind != "emerg-open" or message.startswith('open() "/etc/'))
