"""Secrets of a compose file: the values of variables, wherever and however they are written; its structure stays."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.redaction.secrets import redact_text
from fixer.redaction.values import MARK, redact_value, redact_variables

_OPENS = regex(r"""\s*(?:-\s+)?["']?(environment|args|content|env(?:_(?!file)\w+)?)["']?\s*:""")
_PAIR = regex(r"""(\s*(?:-\s+)?["']?)([A-Za-z_][\w.-]*)(["']?\s*[:=]\s*["']?)(.*?)(["']?\s*(?:\s#.*)?)$""")
_NAME_ALONE = regex(r"""\s*(?:-\s+)?(?:["']?[A-Za-z_][\w.-]*["']?\s*:?|<<\s*:.*|-|[\]})]*,?)\s*(?:#.*)?$""")
_VARIABLE = regex(
    r"""(\s*(?:-\s+)?["']?)([A-Z][A-Z0-9_]+)(["']?\s*[:=]\s*["']?)([^\s&*{\[|>].*?)(["']?\s*(?:\s#.*)?)$"""
)
_ITEM = regex(r"""(\s*-\s+)(["']?)(.+?)(["']?)\s*$""")
_FLAG = regex(r"^--?[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|api-?key|access-?key|credentials?)$", re.IGNORECASE)
_INLINE = regex(r"""([\w.-]+)(["']?\s*[:=]\s*["']?)([^"',}\]]+)""")
_BLOCK = regex(r"[|>][0-9+-]*\s*(?:#.*)?$")
_DEFAULT = regex(r"(\$\{\w+:?-)([^{}]+)(?=\})")


def redact_yaml(data: bytes) -> bytes:
    """Values below `environment:` go, mapping or list, on lines of their own or in one; else what tells itself."""
    lines = data.decode("latin-1").split("\n")
    inside: int | None = None      # the indent of the word that opened
    scalar: int | None = None      # the indent of the name whose value goes on below
    flag = False                   # the item before is an option whose value is secret
    for i, line in enumerate(lines):
        body = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if scalar is not None and body and indent > scalar:
            lines[i] = _masked(line)
            continue
        if inside is not None and body and not body.startswith("#"):
            if indent < inside or (indent == inside and body[0] not in "-]}"):
                inside = None
            else:
                scalar = indent if _goes_on(line) else None
                lines[i] = _inside(line)
                continue
        opens = _OPENS.match(line) if inside is None else None
        if opens:
            inside = opens.start(1) - (line[opens.start(1) - 1] in "\"'")      # `- env:`: where the name stands
            scalar = indent if _goes_on(line) else None
            lines[i] = line[: opens.end()] + _rest(opens[1], line[opens.end():])
            continue
        item = _ITEM.match(line)
        if flag and item:
            lines[i] = f"{item[1]}{item[2]}[redacted: argument]{item[4]}"
        else:
            variable = _VARIABLE.match(line)
            lines[i] = _hidden(variable) if variable and inside is None else _told(line)
        flag = bool(item and _FLAG.match(item[3]))
    text = "\n".join(lines)
    return (redact_text(text) if "PRIVATE KEY-----" in text else text).encode("latin-1")


def _told(line: str) -> str:
    """A line of anything else: a command may set variables on its way."""
    return redact_text(redact_variables(line.encode("latin-1")).decode("latin-1"))


def _goes_on(line: str) -> bool:
    """A block of text, or a quoted one that does not end on its line."""
    value = line.partition(":")[2].strip() if ":" in line else line.partition("=")[2].strip()
    quote = value[:1]
    if quote in ('"', "'"):
        return value.count(quote) - value.count("\\" + quote) == 1
    return bool(_BLOCK.match(value))


def _rest(word: str, rest: str) -> str:
    """What stands behind the word on its own line: nothing, an anchor, a mapping in one line, a text."""
    bare = rest.strip()
    if bare[:1] in ("{", "["):
        return _INLINE.sub(_hide_inline, _DEFAULT.sub(_hide_default, rest))
    if word == "content" and bare and bare[0] not in "|>&*#":
        return f' "{MARK}"'
    return rest


def _inside(line: str) -> str:
    match = _PAIR.match(line)
    if match is None:
        return line if _NAME_ALONE.match(line) else _masked(line)
    if not match[4] or match[4][0] in "|>&*" or match[4].startswith("<<"):
        return line
    if match[4].startswith("${"):
        return _DEFAULT.sub(_hide_default, line)
    return _hidden(match)


def _masked(line: str) -> str:
    """A further line of a value."""
    body = line.strip()
    closing = body[-1] if body[-1] in "\"'" else ""
    return line[: len(line) - len(line.lstrip())] + MARK.replace(": ", ":") + closing


def _hidden(match: re.Match[str]) -> str:
    name, said = match[2], match[4]
    if said.startswith("${"):
        return _DEFAULT.sub(_hide_default, match[0])
    value = redact_value(name, said)
    quote = '"' if value != said and match[3].rstrip().endswith(":") else ""    # a mark holds a colon
    return f"{match[1]}{name}{match[3]}{quote}{value}{quote}{match[5]}"


def _hide_inline(match: re.Match[str]) -> str:
    if match[3].strip().startswith("${"):
        return match[0]
    return match[1] + match[2] + redact_value(match[1], match[3].strip()).replace(": ", ":")


def _hide_default(match: re.Match[str]) -> str:
    """`${NAME:-value}`: where the default says an address it stays."""
    name = match[1].strip("${:-")
    return match[1] + redact_value(name, match[2]).replace(": ", ":")
