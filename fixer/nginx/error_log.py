"""nginx's error log as events; every text that a visitor can write is for display only.

nginx escapes neither quotes nor commas in the request, the Referer or a file name. A line is therefore read from the
left in nginx's own order (client, server, request, subrequest, upstream, host, referrer), and a field that could be
forged stays empty."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from fixer.model.nginx_config import ConfigProblem
from fixer.model.snapshot import ErrorEvent

_MOST_BYTES = 4 << 20
_MOST_EVENTS = 20_000
_LONGEST_LINE = 16_384
_LONGEST_RAW = 2_048

_LINE = re.compile(
    rb"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[(emerg|alert|crit|error|warn|notice|info)\] "
    rb"\d+#\d+: (?:\*\d+ )?(.*)",
    re.DOTALL,
)
_CLIENT = re.compile(r", client: ((?:[0-9a-fA-F.:]+|unix:)), server: ([^,\"]*)(?:, |$)")
_REQUEST = re.compile(r"request: \"(\S+ \S+ HTTP/\d(?:\.\d)?)\"(?:, subrequest: \"[^\s\"]*\")?(?:, |$)")
_UPSTREAM = re.compile(r"upstream: \"([^\s\"]*)\"(?:, |$)")
_PHASE = re.compile(r" while ((?:SSL )?[a-z][A-Za-z ]*)(?:, |$)")
_ERRNO = re.compile(r"\((\d{1,4}): [^()]*\)$")
_REDIRECTING = re.compile(r" while (internally redirecting to) \".*\"$")
_TEST_LINE = re.compile(
    r"(?:nginx: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )\[(emerg|alert|crit)\] (?:\d+#\d+: )?"
    r"(.*?)(?: in (/[^\n]*?):(\d{1,9}))?\s*$"
)


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
    for line in data.split(b"\n")[-_MOST_EVENTS:]:
        match = _LINE.match(line[:_LONGEST_LINE].rstrip(b"\r"))
        if match is None:
            continue
        stamp = match.groups()[:6]
        if stamp not in times:
            times[stamp] = _epoch(stamp, utc_offset)
        at = times[stamp]
        if at is not None:
            raw = line[:_LONGEST_RAW].decode("utf-8", "backslashreplace")
            text = match[8].decode("utf-8", "backslashreplace")
            events.append(_event(at, match[7].decode(), text, where, raw))
    return tuple(events)


def parse_test_output(text: str) -> tuple[ConfigProblem, ...]:
    """Return the problems that `nginx -t` (or a failed start) reports, with file and line if named."""
    problems: list[ConfigProblem] = []
    for line in text.splitlines()[:1000]:
        match = _TEST_LINE.match(line[:_LONGEST_LINE])
        if match is not None:
            file, number = match[3] or "", int(match[4] or 0)
            problems.append(ConfigProblem("nginx-test", match[2], file, number, match[1] == "emerg"))
    return tuple(problems)


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
    return ErrorEvent(at, level, message, number, phase, client, server, request, upstream, where, raw)


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
    redirecting = _REDIRECTING.search(head)
    if redirecting is not None:
        return head[: redirecting.start()], redirecting[1]
    match = _PHASE.search(head, head.rfind('"') + 1)
    if match is None:
        return head, ""
    return head[: match.start()], match[1]


# The kind of an error line: by its level, nginx's first words, its errno and its phase.
Signature: TypeAlias = Literal[
    "refused", "host-unreachable", "net-unreachable", "connect-denied", "connect-invalid", "local-address-exhausted",
    "connect-timeout-kernel", "socket-missing", "backlog-full", "connect-failed",
    "timeout-connect", "timeout-tls", "timeout-send", "timeout-read", "timeout-body",
    "prematurely-closed", "closed-in-body", "reset", "reset-in-body", "reset-while-sending",
    "header-too-big", "header-invalid", "not-http", "chunked-invalid", "wrong-protocol",
    "tls-handshake", "tls-verify", "tls-name", "tls-peer-closed", "tls-certificate-file",
    "no-live-upstreams", "name-not-resolved", "no-resolver", "resolver-failed", "host-not-found",
    "socket-failed", "proxy-bind-failed", "connections-exhausted", "files-exhausted",
    "invalid-target", "cache-missing", "redirection-cycle", "auth-request-failed",
    "temp-file-failed", "limit-requests", "limit-connections", "proxy-protocol-broken",
    "worker-exited", "emerg-bind", "emerg-open", "emerg-config", "other",
]
SIGNATURES: tuple[str, ...] = get_args(Signature)

# connect() by errno: EPERM and EACCES are a policy, EAGAIN is a full queue of a unix socket.
_CONNECT: dict[int | None, Signature] = {
    111: "refused", 113: "host-unreachable", 101: "net-unreachable", 13: "connect-denied", 1: "connect-denied",
    22: "connect-invalid", 99: "local-address-exhausted", 110: "connect-timeout-kernel", 2: "socket-missing",
    11: "backlog-full", 104: "reset",
}
_TIMEOUTS: dict[str, Signature] = {
    "connecting to upstream": "timeout-connect",
    "SSL handshaking to upstream": "timeout-tls",
    "sending request to upstream": "timeout-send",
    "reading response header from upstream": "timeout-read",
    "reading upstream": "timeout-body",
}

# Starts of lines. Only nginx writes the start: a visitor's text follows it.
_BEGINNINGS: tuple[tuple[str, Signature], ...] = (
    ("upstream sent too big header", "header-too-big"),
    ("upstream sent no valid HTTP/1.0 header", "not-http"),
    ("upstream sent invalid chunked response", "chunked-invalid"),
    ("upstream sent unsupported FastCGI", "wrong-protocol"),
    ("upstream rejected request", "wrong-protocol"),
    ("upstream sent", "header-invalid"),
    ("upstream SSL certificate verify error", "tls-verify"),
    ("upstream SSL certificate does not match", "tls-name"),
    ("SSL_do_handshake() failed", "tls-handshake"),
    ("peer closed connection in SSL handshake", "tls-peer-closed"),
    ("cannot load certificate", "tls-certificate-file"),
    ("no live upstreams", "no-live-upstreams"),
    ("no resolver defined to resolve", "no-resolver"),
    ("send() failed", "reset-while-sending"),
    ("sendfile() failed", "reset-while-sending"),
    ("writev() failed", "reset-while-sending"),
    ("sendmsg() failed", "reset-while-sending"),
    ("SSL_write() failed", "reset-while-sending"),
    ("invalid URL prefix", "invalid-target"),
    ("invalid port in upstream", "invalid-target"),
    ("no port in upstream", "invalid-target"),
    ("no host in upstream", "invalid-target"),
    ("no upstream configuration", "invalid-target"),
    ("upstream \"", "invalid-target"),
    ("cache \"", "cache-missing"),
    ("rewrite or internal redirection cycle", "redirection-cycle"),
    ("auth request unexpected status", "auth-request-failed"),
    ("limiting requests", "limit-requests"),
    ("limiting connections", "limit-connections"),
    ("broken header:", "proxy-protocol-broken"),
)
_TEMP_CALLS = ("pwrite() ", "pwritev() ", "write() ", "open() ", "mkdir() ", "open()/")


def classify(event: ErrorEvent) -> Signature:
    """Return the kind of one event; `other` if it does not concern a gateway error."""
    message = event.message
    if event.level == "emerg":
        return _emergency(message)
    for look in (_connection, _stream_of_bytes, _local):
        found = look(event, message)
        if found is not None:
            return found
    return next((signature for beginning, signature in _BEGINNINGS if message.startswith(beginning)), "other")


def _emergency(message: str) -> Signature:
    if message.startswith(("bind() to", "still could not bind()")):
        return "emerg-bind"
    if message.startswith("host not found in upstream"):
        return "host-not-found"
    return "emerg-open" if message.startswith("open() ") else "emerg-config"


def _connection(event: ErrorEvent, message: str) -> Signature | None:
    if message.startswith(("connect() failed", "connect() to ")):
        return _CONNECT.get(event.errno, "connect-failed")
    if message.startswith("upstream timed out"):
        return _TIMEOUTS.get(event.phase, "timeout-body")
    return None


def _stream_of_bytes(event: ErrorEvent, message: str) -> Signature | None:
    in_body = event.phase in ("reading upstream", "proxying upgraded connection", "proxying connection")
    if message.startswith("upstream prematurely closed connection"):
        return "closed-in-body" if in_body else "prematurely-closed"
    if message.startswith(("recv() failed", "readv() failed", "SSL_read() failed")) and "upstream" in event.phase:
        return "reset-in-body" if in_body else "reset"
    if message.startswith(("send() failed", "recv() failed")) and event.phase == "resolving":
        return "resolver-failed"
    if "could not be resolved (" in message and not message.startswith(_TEMP_CALLS):
        return "name-not-resolved"
    return None


def _local(event: ErrorEvent, message: str) -> Signature | None:
    if message.startswith("socket() failed"):
        return "files-exhausted" if event.errno == 24 else "socket-failed"
    if message.startswith(("accept4() failed", "accept() failed")):
        return "files-exhausted" if event.errno in (23, 24) else "other"
    if message.startswith("bind("):
        return "proxy-bind-failed"
    if "worker_connections are not enough" in message[:60]:
        return "connections-exhausted"
    if message.startswith("worker process ") and "exited on signal" in message:
        return "worker-exited"
    if event.level == "crit" and message.startswith(_TEMP_CALLS) and "/" in message:
        return "temp-file-failed"
    return None
