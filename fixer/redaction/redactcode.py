"""Variables that a file of code hands to a program: `raw_env` of gunicorn, `env` of pm2. Their values go."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.redaction.values import redact_lines

_RAW_ENV = regex(rb"(\braw_env\s*=\s*[\[(])((?:[^\])\"'#]|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*)*)")
_PAIR = regex(rb"([\"'])([A-Za-z_]\w{0,80}=)((?:(?!\1)[^\\\n]|\\.)*)(\1)")
_ENV = regex(rb"([\"']?\benv(?:_\w{1,40})?[\"']?\s{0,9}:\s{0,9}\{)([^{}]*(?:\{[^{}]*\}[^{}]*){0,50})")
_ENTRY = regex(
    rb"((?:^|[\s,{])[\"']?([A-Za-z_][\w.-]{0,80})[\"']?\s{0,9}:\s{0,9})"
    rb"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"
)


def redact_code(data: bytes) -> bytes:
    """The same text; names stay, and values that say an address, a port or a number."""
    if b"raw_env" in data:
        data = _RAW_ENV.sub(lambda m: m[1] + _PAIR.sub(_pair, m[2]), data)
    if b"env" in data:
        data = _ENV.sub(lambda m: m[1] + _ENTRY.sub(_entry, m[2]), data)
    return data


def _pair(match: re.Match[bytes]) -> bytes:
    return match[1] + match[2] + redact_lines(match[2][:-1], match[3]) + match[4]


def _entry(match: re.Match[bytes]) -> bytes:
    quote, value = match[3][:1], match[3][1:-1]
    return match[1] + quote + redact_lines(match[2], value) + quote
