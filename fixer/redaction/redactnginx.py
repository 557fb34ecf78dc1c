"""Secrets of nginx's configuration, taken out word by word, so that what is left still is the same configuration."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.redaction.secrets import redact_shapes, redact_text
from fixer.redaction.values import one_word, redact_raw

_WORD = rb"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s;{}]+)"
_TELLING = rb"(?:authorization|cookie|token|secret|pass(?:w\w*)?(?![a-z])|api[-_]?key|access[-_]?key"
_VALUE = regex(
    rb"(\b(?:(?:proxy_set_header|grpc_set_header|add_header|more_set_headers)\s+[\"']?[\w$-]*" + _TELLING
    + rb"|auth(?![a-z])|signature|-key|-verify)|(?:fastcgi_param|uwsgi_param|scgi_param|set)\s+[\"']?[\w$-]*" + _TELLING
    + rb"))[\w-]*[\"']?\s+)" + _WORD, re.IGNORECASE,
)
_DIRECTIVE = regex(rb"(\b(?:secure_link_secret|secure_link_md5|secure_link_hmac_secret|auth_jwt_key)\s+)" + _WORD)
_ENV = regex(rb"(?<![^\s;{}])(env\s+)(\w+)=([^\s;]+)")
_ADDRESS = regex(rb"[\"']?(?:https?://[^\s@?\"']+|[\w.-]+:\d+)[\"']?\Z")
# a visitor's word compared with the right one
_NAMED = rb"\$(?:cookie_\w+|(?:http|arg)_\w*(?:auth|token|secret|key|cookie|pass|session|sig|verify)\w*)"
_COMPARED = regex(rb"(" + _NAMED + rb"\s*!?[=~]\*?\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s(){};]+)")
_MAP = regex(rb"(\b(?:map|geo)\s+[\"']?" + _NAMED + rb"[\"']?\s+\$\w+\s*\{)([^{}]*)")
_ENTRY = regex(rb"(^|;)(\s*(?:#[^\n]*\n\s*)*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s;]+)(?=\s+[^\s;])")
_SPECIAL = frozenset((b"default", b"hostnames", b"include", b"volatile", b'""', b"''"))
_QUERY = regex(
    rb"([?&][\w.-]*(?:token|secret|passw\w*|api[-_]?key|access[-_]?key|\bkey|\bsig|signature|\bcode)=)"
    rb"([^&\s;\"'$]+)", re.IGNORECASE,
)
_URL = regex(rb"(\b[a-z][a-z0-9+.-]{0,30}://[^\s:/@;]*:)([^\s@/;]+(?:@[^\s@/;\"']+)*)(@)", re.IGNORECASE)
_COMMENT = regex(rb"^[ \t]*#[^\r\n]*", re.MULTILINE)
_PEM = regex(
    rb"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(.*?)(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL,
)


def redact_nginx(data: bytes) -> bytes:
    """A file of nginx's, or a line of one."""
    data = _VALUE.sub(_hide_value, data)
    data = _DIRECTIVE.sub(rb'\1"[redacted: value]"', data)
    data = _ENV.sub(lambda m: m[1] + m[2] + b"=" + one_word(redact_raw(m[2], m[3])), data)
    data = _COMPARED.sub(_hide_value, data)
    data = _MAP.sub(lambda m: m[1] + _ENTRY.sub(_hide_entry, m[2]), data)
    data = _QUERY.sub(rb"\1[redacted]", data)
    data = _URL.sub(rb"\1[redacted]\3", data)
    data = redact_shapes(data.decode("latin-1")).encode("latin-1")
    data = _COMMENT.sub(lambda m: redact_text(m[0].decode("latin-1")).encode("latin-1"), data)
    return _PEM.sub(lambda m: m[1] + re.sub(rb"[^\r\n]+", b"[redacted: private key]", m[2]) + m[3], data)


def _hide_value(match: re.Match[bytes]) -> bytes:
    """A variable passed on and an address that is only called so hold no secret."""
    value = match[2]
    if value.strip(b"\"'")[:1] in (b"$", b"") or _ADDRESS.match(value):
        return match[0]
    return match[1] + b'"[redacted: value]"' + b"\n" * value.count(b"\n")


def _hide_entry(match: re.Match[bytes]) -> bytes:
    return match[0] if match[3] in _SPECIAL else match[1] + match[2] + b'"[redacted: value]"'
