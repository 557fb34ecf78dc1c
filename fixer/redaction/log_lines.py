"""Lines of logs: those that a cause can read are shown without secrets, all others masked behind their time. Pure."""

from __future__ import annotations

import re

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.redaction.allowed import row
from fixer.redaction.masks import BLANK, Masks, count_unwritten, is_plain
from fixer.redaction.secrets import redact_text

with lazy_imports():
    from fixer.redaction.code_words import mask_code

_TELLING = row("TELLING", re.IGNORECASE)
_TIME = row("TIME")
_CODE = regex(r"\s+\S", re.ASCII)
_FRAME = regex(r"""\s*File "[^"]*", line \d+""", re.ASCII)
_FIELD = regex(r"[A-Za-z_]\w{0,63}\r?$", re.ASCII)
_REQUIRED = regex(r"\s+[Ff]ield required", re.ASCII)
_FIELDS = regex(r"""(, (?:request|subrequest|referrer): ")([^"]*)(")""")
_TARGET = regex(r"(?<=[?&])([^=&\s\"]+)=?([^&\s\"]*)", re.ASCII)
_JSON = regex(r"""("([^"\\\s]{1,80})": ")((?:[^"\\]++|\\.)*)(")""", re.ASCII)
_CALL = row("CODE_LINE")     # a line of code that a traceback quotes
_QUOTE = regex("[\"']")
_DRAWN = regex(r"[^\s\"'<>()\[\]{},;:/|\\\x7f-\U0010ffff]{12,}", re.ASCII)
_LAST_WORD = regex(r"(?<=[:=] )[A-Za-z0-9_.=-]{12,80}$")    # what a line ends with, behind a name
_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_MARKED = frozenset(("[masked", "[redacted", "[redacted:", "[redacted]"))
_SAYS = row("LOG_KEY")
# a name, and a sign behind it, also those of wide scripts
_LETTER = "[^ \\t\\r\\f\\v,;{(\"':=>\uff1a\uff1d\u2192\u662f-]"
_GIVEN = regex(f"(?<!{_LETTER}|-)(?:{_LETTER}|-(?!>))++[\"']?[ \\t]*+(?:[:=]>?|->|[\uff1a\uff1d\u2192\u662f])")
_CURLY = regex("[\u2018-\u201f]")     # quotes around any name
_VALUE = regex("([ \\t]*+)([^ \\t\\r\\f\\v,;]++)")
_TOLD = regex("([^\\x00-\\x7f][ \\t\\r\\f\\v]+)([!-~]{8,})")


def mask_logs(text: str, masks: Masks) -> str:
    """Return lines of a log masked; the number of lines stays."""
    out: list[str] = []
    frame = False
    lines = text.split("\n")
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if _FIELD.match(line[_time_end(line):]) and _REQUIRED.match(after[_time_end(after):]):
            shown = line    # the name of a setting that is missing
        else:
            shown = _mask_frame_line(line, masks) if frame else mask_log(line, masks)
        frame = _FRAME.match(line[_time_end(line):]) is not None
        out.append(shown)
    return "\n".join(out)


def mask_log(line: str, masks: Masks) -> str:
    """Return one line masked."""
    at = _time_end(line)
    head, body = line[:at], line[at:]
    if not body.strip(BLANK):
        return line
    if not _TELLING.search(body):
        end = "\r" if body.endswith("\r") else ""
        return head + masks.mark(body.strip(BLANK)) + end
    return head + mask_quoted_line(body, masks)


def mask_quoted_line(body: str, masks: Masks) -> str:
    """Return a line that a cause reads without the secrets in it."""
    if "?" in body and ', request: "' in body:
        body = _FIELDS.sub(lambda m: m[1] + _TARGET.sub(lambda n: _query(n, masks), m[2]) + m[3], body)
    if '": "' in body and "{" in body:
        body = _JSON.sub(lambda m: m[0] if _SAYS.fullmatch(m[2]) else m[1] + _hide(masks, m[3]) + m[4], body)
    if "->" in body or not body.isascii():
        body = _mask_foreign(body, masks)
        body = _TOLD.sub(lambda m: m[1] + _hide(masks, m[2]), body)
    call = _CALL.match(body)
    if call is not None and _QUOTE.search(body, call.end()):
        body = _mask_code(body, masks)
    shown = _DRAWN.sub(lambda m: masks.mark(m[0]) if _is_drawn(m[0]) else m[0], masks.parts(redact_text(body)))
    last = _LAST_WORD.search(shown)
    if last is None or last[0] in masks.known or not _seems_drawn(last[0]):
        return shown
    return shown[: last.start()] + masks.mark(last[0])


def mask_said(text: str, masks: Masks) -> str:
    """Return a text that fixer wrote around what it read, without the secrets in it."""
    return masks.parts(redact_text(text), ids=True)


def _seems_drawn(word: str) -> bool:
    """Return whether a word seems drawn: letters that no word has, or a mix of all kinds that is no program's name."""
    if word.isalpha() and word.islower():
        return count_unwritten(word) > 0
    return all(any(map(kind, word)) for kind in (str.isdigit, str.islower, str.isupper)) and not _NAME.fullmatch(word)


def _is_drawn(word: str) -> bool:
    """Return whether a word mixes letters, figures and signs as only a generated password does."""
    kinds = (str.isdigit, str.islower, str.isupper, lambda char: char in "!%^+~*#$&?@")
    return all(any(map(kind, word)) for kind in kinds) and "://" not in word


def _mask_foreign(body: str, masks: Masks) -> str:
    """Mask what stands behind a name in another script, a wide sign or an arrow."""
    out: list[str] = []
    at = 0
    while name := _GIVEN.search(body, at):
        out.append(body[at:name.end()])
        at = name.end()      # a name in ASCII takes no other name for its value
        foreign = "->" in name[0] or not _CURLY.sub("", name[0]).isascii()
        value = _VALUE.match(body, at) if foreign else None
        if value is not None:
            out += [value[1], _hide(masks, value[2])]
            at = value.end()
    return "".join(out) + body[at:]


def _query(match: re.Match[str], masks: Masks) -> str:
    return match[0] if is_plain(match[2]) else f"{match[1]}={_hide(masks, match[2])}"


def _hide(masks: Masks, value: str) -> str:
    """Return a value masked, unless it is the beginning of a mark."""
    return value if value.strip("\"'") in _MARKED or value.startswith("[masked ") else masks.value(value)


def _mask_frame_line(line: str, masks: Masks) -> str:
    """Mask the line of code that a traceback quotes."""
    at = _time_end(line)
    body = line[at:]
    if not _CODE.match(body) or _FRAME.match(body):
        return mask_log(line, masks)
    return line[:at] + _mask_code(body, masks)


def _mask_code(text: str, masks: Masks) -> str:
    return mask_code(text, masks, slashes=False)


def _time_end(line: str) -> int:
    found = _TIME.match(line)
    return found.end() if found is not None else 0
