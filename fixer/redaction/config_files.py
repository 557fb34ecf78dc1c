"""Secrets of compose files and nginx configurations, masked so that the structure stays."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.redaction.secrets import redact_shapes, redact_text
from fixer.redaction.values import MARK, redact_raw, redact_value, redact_variables, without_blank_mark

_SECRET_SECTION = regex(r"""\s*(?:-\s+)?["']?(environment|args|content|env(?:_(?!file)\w+)?)["']?\s*:""")
_END = r"""(?:(?<!\s)|(?=["']))"""     # where a value can end: before blanks, not among them
_TAIL = r"""(["']?\s*(?:\s#(?s:.*))?)$"""
_PAIR = regex(r"""(\s*(?:-\s+)?["']?)([A-Za-z_][\w.-]*)(["']?\s*[:=]\s*["']?)(|.*?""" + _END + ")" + _TAIL)
_NAME_ALONE = regex(
    r"""\s*+(?:-\s++)?(?:["']?[A-Za-z_][\w.-]*+["']?(?:\s*+:)?|<<\s*:(?s:.*)|-|[\]})]*,?)\s*(?:#(?s:.*))?$""")
_VARIABLE = regex(
    r"""(\s*(?:-\s+)?["']?)([A-Z][A-Z0-9_]+)(["']?\s*[:=]\s*["']?)([^\s&*{\[|>].*?)""" + _END + _TAIL
)
_ITEM = regex(r"""(\s*+-\s++)(["']?)(.+?)""" + _END + r"""(["']?)\s*$""")
_FLAG = regex(r"^--?[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|api-?key|access-?key|credentials?)$", re.IGNORECASE)
_INLINE = regex(r"""(?<![\w.-])([\w.-]++)(["']?\s*[:=]\s*["']?)([^"',}\]]+)""")
_BLOCK = regex(r"[|>][0-9+-]*\s*(?:#.*)?$")
_DEFAULT = regex(r"(\$\{\w+:?-)([^{}]+)(?=\})")


def redact_yaml(data: bytes) -> bytes:
    """Redact values below `environment:`, mapping or list, on separate lines or in one; else recognisable secrets."""
    lines = data.decode("latin-1").split("\n")
    inside: int | None = None  # the indent of the opening key
    scalar: int | None = None  # the indent of the key whose value continues below
    flag = False  # the previous item is an option with a secret value
    for i, line in enumerate(lines):
        body = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if scalar is not None and body and indent > scalar:
            lines[i] = _mask_continuation(line)
            continue
        if inside is not None and body and not body.startswith("#"):
            if indent < inside or (indent == inside and body[0] not in "-]}"):
                inside = None
            else:
                scalar = indent if _is_continued(line) else None
                lines[i] = _mask_section_line(line)
                continue
        opens = _SECRET_SECTION.match(line) if inside is None else None
        if opens:
            inside = opens.start(1) - (line[opens.start(1) - 1] in "\"'")  # `- env:`: the column of the key
            scalar = indent if _is_continued(line) else None
            lines[i] = line[: opens.end()] + _mask_rest(opens[1], line[opens.end():])
            continue
        item = _ITEM.match(line)
        if flag and item:
            lines[i] = f"{item[1]}{item[2]}[redacted: argument]{item[4]}"
        else:
            variable = _VARIABLE.match(line)
            lines[i] = _mask_pair(variable) if variable and inside is None else _mask_plain_line(line)
        flag = bool(item and _FLAG.match(item[3]))
    text = "\n".join(lines)
    return (redact_text(text) if "PRIVATE KEY-----" in text else text).encode("latin-1")


def _mask_plain_line(line: str) -> str:
    """Mask any other line: a command may set variables."""
    return redact_text(redact_variables(line.encode("latin-1")).decode("latin-1"))


def _is_continued(line: str) -> bool:
    """Return whether a block of text, or a quoted text without its end, continues on the next line."""
    value = line.partition(":")[2].strip() if ":" in line else line.partition("=")[2].strip()
    quote = value[:1]
    if quote in ('"', "'"):
        return value.count(quote) - value.count("\\" + quote) == 1
    return bool(_BLOCK.match(value))


def _mask_rest(word: str, rest: str) -> str:
    """Mask what follows the key on its line: nothing, an anchor, a mapping in one line, a text."""
    bare = rest.strip()
    if bare[:1] in ("{", "["):
        return _INLINE.sub(_mask_inline, _DEFAULT.sub(_mask_default, rest))
    if word == "content" and bare and bare[0] not in "|>&*#":
        return f' "{MARK}"'
    return rest


def _mask_section_line(line: str) -> str:
    match = _PAIR.match(line)
    if match is None:
        return line if _NAME_ALONE.match(line) else _mask_continuation(line)
    if not match[4] or match[4][0] in "|>&*" or match[4].startswith("<<"):
        return line
    if match[4].startswith("${"):
        return _DEFAULT.sub(_mask_default, line)
    return _mask_pair(match)


def _mask_continuation(line: str) -> str:
    """Mask a continuation line of a value."""
    body = line.strip()
    closing = body[-1] if body[-1] in "\"'" else ""
    return line[: len(line) - len(line.lstrip())] + MARK.replace(": ", ":") + closing


def _mask_pair(match: re.Match[str]) -> str:
    name, said = match[2], match[4]
    if said.startswith("${"):
        return _DEFAULT.sub(_mask_default, match[0])
    value = redact_value(name, said)
    quote = '"' if value != said and match[3].rstrip().endswith(":") else ""  # a mark contains a colon
    return f"{match[1]}{name}{match[3]}{quote}{value}{quote}{match[5]}"


def _mask_inline(match: re.Match[str]) -> str:
    if match[3].strip().startswith("${"):
        return match[0]
    return match[1] + match[2] + redact_value(match[1], match[3].strip()).replace(": ", ":")


def _mask_default(match: re.Match[str]) -> str:
    """Mask the default in `${NAME:-value}`, unless it is an address."""
    name = match[1].strip("${:-")
    return match[1] + redact_value(name, match[2]).replace(": ", ":")


# Secrets of nginx's configuration, masked word by word, so that the rest remains the same configuration.
_WORD = rb"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s;{}]+)"
# Read once up to its value; the name is judged apart, so a long one costs no more than its length.
_VALUE = regex(
    rb"(\b(?P<directive>(?:proxy|grpc)_set_header|add_header|more_set_headers|(?:fastcgi|uwsgi|scgi)_param|set)\s++"
    rb"[\"']?(?P<name>[\w$-]++)[\"']?\s++)" + _WORD, re.IGNORECASE,
)
_NAMES = rb"authorization|cookie|token|secret|pass(?:w|(?![a-z]))|api[-_]?key|access[-_]?key"
_SECRET_NAME = regex(_NAMES, re.IGNORECASE)
_SECRET_HEADER = regex(_NAMES + rb"|auth(?![a-z])|signature|-key|-verify", re.IGNORECASE)
_DIRECTIVE = regex(rb"(\b(?:secure_link_secret|secure_link_md5|secure_link_hmac_secret|auth_jwt_key)\s+)" + _WORD)
_ENV = regex(rb"(?<![^\s;{}])(env\s+)(\w+)=([^\s;]+)")
_ADDRESS = regex(rb"[\"']?(?:https?://[^\s@?\"']+|[\w.-]+:\d+)[\"']?\Z")
# comparisons of a client's value with a secret
_SECRET_VARIABLE = rb"\$(?:cookie_\w+|(?:http|arg)_\w*(?:auth|token|secret|key|cookie|pass|session|sig|verify)\w*)"
_COMPARED = regex(rb"(" + _SECRET_VARIABLE + rb"\s*!?[=~]\*?\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s(){};]+)")
_MAP = regex(rb"(\b(?:map|geo)\s+[\"']?" + _SECRET_VARIABLE + rb"[\"']?\s+\$\w+\s*\{)([^{}]*)")
_ENTRY = regex(rb"(^|;)(\s*(?:#[^\n]*\n\s*)*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s;]+)(?=\s+[^\s;])")
_MAP_KEYWORDS = frozenset((b"default", b"hostnames", b"include", b"volatile", b'""', b"''"))
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
    """Redact an nginx file, or one line of it."""
    data = _VALUE.sub(_mask_named_value, data)
    data = _DIRECTIVE.sub(rb'\1"[redacted: value]"', data)
    data = _ENV.sub(lambda m: m[1] + m[2] + b"=" + without_blank_mark(redact_raw(m[2], m[3])), data)
    data = _COMPARED.sub(_mask_value, data)
    data = _MAP.sub(lambda m: m[1] + _ENTRY.sub(_mask_entry, m[2]), data)
    data = _QUERY.sub(rb"\1[redacted]", data)
    data = _URL.sub(rb"\1[redacted]\3", data)
    data = redact_shapes(data.decode("latin-1")).encode("latin-1")
    data = _COMMENT.sub(lambda m: redact_text(m[0].decode("latin-1")).encode("latin-1"), data)
    return _PEM.sub(lambda m: m[1] + re.sub(rb"[^\r\n]+", b"[redacted: private key]", m[2]) + m[3], data)


def _mask_named_value(match: re.Match[bytes]) -> bytes:
    """Mask the value of a header, parameter or variable whose name says that it is secret."""
    header = match["directive"].lower().endswith((b"header", b"headers"))
    names = _SECRET_HEADER if header else _SECRET_NAME
    return _mask_value(match) if names.search(match["name"]) else match[0]


def _mask_value(match: re.Match[bytes]) -> bytes:
    """Mask a value, unless it is a variable or an address: those contain no secret."""
    value = match[match.re.groups]
    if value.strip(b"\"'")[:1] in (b"$", b"") or _ADDRESS.match(value):
        return match[0]
    return match[1] + b'"[redacted: value]"' + b"\n" * value.count(b"\n")


def _mask_entry(match: re.Match[bytes]) -> bytes:
    return match[0] if match[3] in _MAP_KEYWORDS else match[1] + match[2] + b'"[redacted: value]"'
