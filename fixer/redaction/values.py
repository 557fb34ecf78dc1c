"""The values of variables: what of them a diagnosis needs stays (addresses, ports, workers), the rest goes."""

from __future__ import annotations

from fixer.lazy.regex import regex
from fixer.redaction.secrets import redact_text

# Variables that a diagnosis needs and that are no secrets: where and how a server listens.
_PUBLIC_NAME = regex(
    r"^(?:(?:\w+_)?(?:HOST|PORT|BIND|ADDR|ADDRESS|LISTEN|WORKERS|SOCKET|UDS)|WEB_CONCURRENCY|PATH|PYTHONPATH|PYTHONUNBUFFERED|"
    r"LANG|LC_\w+|TZ|HOME|USER|LOG_LEVEL|COMPOSE_\w+)$"
)
_PUBLIC_VALUE = regex(r"^(?:[\w./:\[\]*-]|\$\{?|\}){0,120}$")
_PLAIN_VALUE = regex(r"^(?:\d{1,5}|(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|\[::1?\])?(?::\d{1,5})?|unix:/[\w./-]+)$")
# NAME=value as a word of a command: `env NAME=value program`, `docker run -e NAME=value`
_VARIABLE = regex(rb"(?<![^\s\"'])([A-Z_][A-Z0-9_]{0,80})=(?!\[redacted)(\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[^\s\"';]+)")
MARK = "[redacted: value]"


def mark(kind: str) -> str:
    """What stands where a secret was."""
    return f"[redacted: {kind}]"


def redact_value(name: str, value: str) -> str:
    """The value of a variable: kept only where name or value say that it is an address, a port, a number of workers."""
    bare = value.strip().strip("\"'")
    if not bare or _PLAIN_VALUE.match(bare) or (_PUBLIC_NAME.match(name) and _PUBLIC_VALUE.match(bare)):
        return value
    if bare.startswith("--"):        # options of a server that a unit keeps in a variable
        return redact_text(value)
    return MARK


def redact_raw(name: bytes, value: bytes) -> bytes:
    """The same for bytes."""
    return redact_value(name.decode("latin-1"), value.decode("latin-1")).encode("latin-1")


def redact_lines(name: bytes, value: bytes) -> bytes:
    """A value that may go over several lines: as many lines are left."""
    more = value.count(b"\n")
    return MARK.encode() + (b"\n  " + MARK.encode()) * more if more else redact_raw(name, value)


def redact_variables(data: bytes) -> bytes:
    """Commands with variables set in front of a program: their values go. One word each, as it was."""
    return _VARIABLE.sub(lambda m: m[1] + b"=" + one_word(redact_raw(m[1], m[2])), data)


def one_word(value: bytes) -> bytes:
    """A mark holds a blank, so a bare word of it would fall apart into two."""
    return value.replace(MARK.encode(), b"[redacted:value]")
