"""Addresses in a configuration: host and port inside a URL, a `server` line or a `listen`; also times and sizes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_SCHEME = regex(rb"(https?|grpcs?|s?uwsgi)://", re.IGNORECASE)
_TLS_SCHEMES = frozenset((b"https", b"grpcs", b"suwsgi"))
_UNIX = regex(rb"unix:([^:]*)", re.IGNORECASE)
_AUTHORITY = regex(rb"(?:[^/?$]++|\$(?!\{?(?:request_uri|uri|document_uri|is_args|args|query_string)\b))*")
_HOST_PORT = regex(rb"(\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
_DURATION = regex(r"(\d+)(ms|[yMwdhms]?)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0,
            "M": 2592000.0, "y": 31536000.0}

# The schemes that a pass may write; where it may write none, all is the address.
SCHEMES = {b"proxy_pass": (b"http", b"https"), b"grpc_pass": (b"grpc", b"grpcs"), b"uwsgi_pass": (b"uwsgi", b"suwsgi")}

# Default port of each scheme; 0 where nginx requires one.
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Authority:
    """Host and port inside a longer text. `start`/`end` cover exactly host:port, or the path of a unix socket.
    `port` is None if missing, -1 if invalid; `port_start` is the offset of its digits."""

    start: int
    end: int
    host: bytes
    port: int | None
    port_start: int
    unix: bytes | None
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Url:
    """The target of a pass: its scheme (None without one) and its authority."""

    scheme: Literal["http", "https"] | None
    authority: Authority


@lru_cache(maxsize=4096)
def parse_url(text: bytes, directive: bytes) -> Url:
    """Parse the argument of a pass directive. Variables stay as written."""
    match = _SCHEME.match(text)
    if match is None or match[1].lower() not in SCHEMES.get(directive, ()):
        return Url(None, parse_authority(text, 0))
    scheme: Literal["http", "https"] = "https" if match[1].lower() in _TLS_SCHEMES else "http"
    return Url(scheme, parse_authority(text, match.end()))


def parse_authority(text: bytes, at: int) -> Authority:
    """Parse `host:port` or `unix:path` at offset `at`; it ends at the first slash."""
    unix = _UNIX.match(text, at)
    if unix is not None:
        return Authority(unix.start(1), unix.end(1), b"", 0, unix.end(1), unix[1], text[unix.end(1) :])
    area = _AUTHORITY.match(text, at)
    end = area.end() if area is not None else len(text)
    match = _HOST_PORT.match(text, at, end)
    if match is None:
        return Authority(at, end, text[at:end], None, end, None, text[end:])
    port = None if match[2] is None else parse_port(match[2])
    return Authority(at, end, match[1], port, match.start(2) if match[2] is not None else end, None, text[end:])


def parse_port(text: bytes) -> int:
    """Return a port number, -1 for anything else."""
    if text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536:
        return int(text)
    return -1


@lru_cache(maxsize=256)
def parse_duration(text: str) -> float | None:
    """Return the seconds of an nginx time (`60`, `90s`, `1m 30s`, `500ms`); None if invalid."""
    compact = text.replace(" ", "")
    parts = _DURATION.findall(compact)
    if not compact or "".join(number + unit for number, unit in parts) != compact:
        return None
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts if len(number) < 16))


def parse_size(text: str) -> int | None:
    """Return the bytes of an nginx size (`4096`, `16k`, `1m`); None if invalid."""
    unit = {"k": 10, "m": 20, "g": 30}.get(text[-1:].lower(), 0)
    digits = text[:-1] if unit else text
    return int(digits) << unit if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def text_of(value: bytes) -> str:
    """Return bytes as text for people; invalid UTF-8 becomes escapes."""
    return value.decode("utf-8", "backslashreplace")
