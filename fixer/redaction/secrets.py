"""Secrets recognised by names and shapes, replaced with `[redacted: …]`; control characters as escapes. Pure."""

from __future__ import annotations

import re
import unicodedata

from fixer.lazy.regex import regex
from fixer.redaction.patterns import MASKS, mask_blocks, mask_prose, mask_shapes

MASKED_NAME_PARTS = (
    r"SECRET|TOKEN|PASS(?:WORD|WD|PHRASE)?|PWD|API_?-?KEY|ACCESS_?KEY|PRIVATE_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY|CREDENTIALS?"
    r"|ACCOUNT_?KEY|SESSION_?ID|JWT|SALT|DSN|(?:DATABASE|DB|REDIS|BROKER|AMQP|MONGO|POSTGRES|MYSQL|SENTRY)_?UR[IL]|CONNECTION_?STRING|COOKIE|SESSION_?KEY|AUTH"
)
_SECRET_NAME = regex(rf"(?:^|[_.-])(?:[A-Z0-9]*(?:{MASKED_NAME_PARTS})[A-Z0-9]*|KEY|PW)(?:$|[_.-])", re.IGNORECASE)
_PLAIN_NAME = regex(
    r"(?:_|-|^)(?:FILE|PATH|DIR|NAME|TTL|TIMEOUT|EXPIRES?|MAX_AGE|AUTHOR|SECURE|SAMESITE|DOMAIN|TYPE)$|^auth_basic|^AUTHOR"
    r"|^PassEnvironment$|^(?:proxy|grpc|fastcgi|uwsgi|scgi|memcached)_pass$|^proxy_cookie",
    re.IGNORECASE,
)
# NAME=value, NAME: value, "NAME": "value", and `Environment="NAME=value"`, each to the end of the (quoted) value. Each
# run of name characters is read once, and later runs are bounded: the cost is linear in the line's length.
_ASSIGNMENT = regex(
    r"""(?<![A-Za-z0-9_.-])[0-9.-]*+(?P<name>[A-Za-z_][A-Za-z0-9_.-]*+)"""
    r"""(?P<mark>\\{0,3}["']?\s*(?:[:+=]?=>?|:)\s*)(?=[^\s,;}])""", re.ASCII
)
# a quoted value with text joined to it; a bare one, continued after a separator unless another name follows; last: a
# quote that a truncated line leaves open
_BARE = r"""(?:\[(?:masked [0-9]{1,7}|redacted[^\]\n]{0,80})\]"""
_BARE += r"""|[^\s"',;}\\]|\\(?!["'])|[,;}](?=[^\s"'}\])])(?![\w. -]{0,60}["']?\s{0,3}[=:]))"""
_VALUE = regex(
    r"""(?:"(?:[^"\\]|\\.)*"|'[^']*')(?:(?=\w)BARE+)?|\\+"[^"]*"|\\+'[^']*'|BARE+(?:["']\w[^"'\s]*["'])?|["'].+"""
    .replace("BARE", _BARE), re.ASCII
)
# `:8000` of an address, `:12` of a line of a file: after a slash, or after a name that is secret only for its "auth"
_NUMBER = regex(r":[0-9]{1,5}(?![\w@.-]|:\S)", re.ASCII)
_NEAR_SECRET = regex(rf"(?!AUTH)(?:{MASKED_NAME_PARTS})|KEY|PW", re.IGNORECASE)
# a code line that looks a variable up by name: it contains no value, and tracebacks need it
_LOOKUP = regex(
    r"""\s*[=:]\s*(?:os\.)?(?:environ\[|environ\.get\(|getenv\()["'][A-Za-z_]\w*["'][\])](?=[\s),\r\n]*$)""", re.ASCII
)
_HEADER = regex(
    r"(?P<head>\b(?:(?:Proxy-)?Authorization|(?:Set-)?Cookie|X-[\w-]{0,60}(?:Token|Key|Secret|Auth|Verify))\b(?:[\"']?\s*[:=]\s*|[\"']?\s+(?=[\"'$]|Bearer|Basic|\S*\d)))(?P<value>[^\s;].*)",
    re.IGNORECASE | re.ASCII,
)
# Keys recognisable by their own form, anywhere.
_SHAPE = regex(
    r"(?P<github>\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,})|(?P<gitlab>\bglpat-[\w-]{20,})"
    r"|(?P<aws>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)|(?P<slack>\bxox[abeoprs]-[A-Za-z0-9-]{10,})"
    r"|(?P<stripe>\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,})|(?P<google>\bAIza[\w-]{35})"
    r"|(?P<jwt>\beyJ[\w-]{8,2048}\.[\w-]{8,}(?:\.[\w-]*)?)"
    r"|(?<=Bearer )(?P<bearer>(?=\S*\d)[\w.~+/=-]{16,})|(?<=Basic )(?P<basic>(?=\S*[\d=])[\w+/=-]{12,})", re.ASCII
)
_SHAPE_STARTS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "AKIA", "ASIA", "xox", "k_live_",
                 "k_test_", "AIza", "eyJ", "Bearer ", "Basic ")
# an option and its value as two words; the user of curl and wget with a password
_OPTION = regex(
    r"(?P<head>(?<![^\s\"'\[,(])--?[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|api-?key|access-?key|credentials?)(?P<list>[\"']\s?,\s?)?(?(list)|\s+))"
    r"(?P<value>\"[^\"]+\"?|'[^']+'?|[^\s\"'-][^\s\"']*)", re.IGNORECASE | re.ASCII,
)
_USER = regex(r"(?P<head>(?<!\S)(?:-u|--user)[ =][\"']?[^\s:/]+:)(?P<value>[^\s/][^\s\"']*)", re.ASCII)
# nginx's assignment: `set $api_secret VALUE;`
_SET = regex(r"(?P<head>\bset\s+\$(?P<name>\w+)\s+)(?P<value>\"[^\"]*\"|'[^']*'|[^\s;$][^\s;]*)", re.ASCII)
_PEM = regex(r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(.*?)(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_LINE_OF_KEY = regex(r"\s*(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])(?=[A-Za-z+/]*\d)(?!/)[A-Za-z0-9+/]{40,}={0,2}\s*$",
                     re.ASCII)
_KEY_END = regex(r"-----END [A-Z0-9 ]*PRIVATE KEY-----")
_KEY_LINE = regex(r"((?:.*[\s:|\"'])?)[A-Za-z0-9+/=]{8,}\r?$", re.ASCII)
_LINE = regex(r"[^\r\n]+")
_NAME_END = regex(r"[\s:=\"']")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def is_secret_name(name: str) -> bool:
    """Return whether a variable of that name holds a secret (SECRET_KEY, DATABASE_URL, apiToken)."""
    return bool(_SECRET_NAME.search(name)) and not _PLAIN_NAME.search(name)


def redact_text(text: str) -> str:
    """Return a text with every secret masked that a name or a shape reveals; lines stay lines."""
    return "\n".join(map(_redact_line, redact_blocks(text).split("\n")))      # other signs of an end stand in values


def redact_blocks(text: str) -> str:
    """Mask only multi-line secrets; `redact_text` masks single lines, also line by line after this."""
    if "PRIVATE KEY-----" in text:
        text = _PEM.sub(_mask_key, _mask_key_tail(text))
    return mask_blocks(text)


def _mask_key_tail(text: str) -> str:
    """Mask the lines of a key whose start was not read."""
    end = text.find("-----END ")
    if end < 0 or -1 < text.find("-----BEGIN ") < end or not _KEY_END.match(text, end):
        return text
    lines = text[:end].split("\n")
    at = len(lines) - 2
    while at >= 0 and (match := _KEY_LINE.match(lines[at])):
        lines[at] = match[1] + "[redacted: private key]"
        at -= 1
    return "\n".join(lines) + text[end:]


def _mask_key(match: re.Match[str]) -> str:
    return match[1] + _LINE.sub("[redacted: private key]", match[2]) + match[3]


def _redact_line(line: str) -> str:
    body = line.rstrip("\r\n")
    end = line[len(body):]
    if len(body) >= 40 and _LINE_OF_KEY.match(body):
        return "[redacted: key]" + end
    body = mask_shapes(body, is_secret_name)
    body = _HEADER.sub(_mask_header, body)
    body = _SHAPE.sub(lambda m: f"[redacted: {m.lastgroup}]", body)
    body = _OPTION.sub(_mask_option, body)
    body = _USER.sub(lambda m: f"{m['head']}[redacted: password]", body)
    body = _SET.sub(lambda m: f"{m['head']}[redacted: {m['name']}]" if is_secret_name(m["name"]) else m[0], body)
    return _mask_assignments(mask_prose(body)) + end


def _mask_option(match: re.Match[str]) -> str:
    """Mask a value that seems random, not a word of a sentence about the option."""
    value = match["value"].strip("\"'")
    if value.startswith((*MASKS, "$")) or (value.isalpha() and value.islower() and not match["list"]):
        return match[0]
    return f"{match['head']}[redacted: argument]"


def _mask_header(match: re.Match[str]) -> str:
    value = match["value"]
    if value.lstrip("\"'").startswith(("$", *MASKS)) or value in ("{", "}"):
        return match[0]  # nginx passes a variable on: no secret here
    name = _NAME_END.split(match["head"].strip())[0]
    return f"{match['head']}[redacted: {name}]"


def _mask_assignments(body: str) -> str:
    parts: list[str] = []
    at = 0
    while match := _ASSIGNMENT.search(body, at):
        name, start = match["name"], match.end()
        lookup = _LOOKUP.match(body, match.end("name"))
        if lookup is not None:
            parts.append(body[at:lookup.end()])
            at = lookup.end()
            continue
        value = _VALUE.match(body, start) if is_secret_name(name) and not _is_place(body, match) else None
        if value is not None and not value[0].startswith(MASKS) and value[0] not in ('""', "''"):
            parts += [body[at:start], f"[redacted: {name}]"]
            at = _end_of_value(body, match, value)
        else:  # the value may contain an assignment: Environment=SECRET_KEY=…
            parts.append(body[at:start])
            at = start
    return "".join(parts) + body[at:]


def _is_place(body: str, match: re.Match[str]) -> bool:
    """Return whether the name is a host or a file, and the number after it a port or a line."""
    name, start = match["name"], match.start("name")
    return _NUMBER.match(body, match.end("name")) is not None and (
        body[start - 1:start] == "/" or _NEAR_SECRET.search(name) is None)


_BARE_START = regex(r"\s*(?:-\s+)?(?:export\s+)?", re.ASCII)


def _end_of_value(body: str, match: re.Match[str], value: re.Match[str]) -> int:
    """Return the end of the value: its own quote, the quote around the assignment, or the end of the line.
    Only in the middle of a line (`Environment=A=1 B=2`) does a space end a value."""
    start = match.start("name")
    if value[0][0] in "\"'":
        return value.end()
    if start and body[start - 1] in "\"'" and body[start - 1] not in match["mark"]:
        closing = re.compile(rf"(?<!\\){body[start - 1]}").search(body, match.end())
        return closing.start() if closing else len(body)
    whole_line = ":" in match["mark"] or _BARE_START.fullmatch(body[:start])
    return len(body) if whole_line else value.end()


def printable(text: str) -> str:
    """Return the text with controls, direction overrides and lone surrogates (invalid UTF-8) as escapes.
    Tabs stay; a newline is escaped too: split into lines first."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if c != "\t" and unicodedata.category(c) in _INVISIBLE_CATEGORIES else c for c in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte as it is
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
