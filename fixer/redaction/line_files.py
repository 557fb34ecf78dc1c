"""Files of lines, masked line by line: units, settings of supervisord, environment files, shell scripts. Pure.

The number of lines stays, and so do names, section headers and line continuations."""

from __future__ import annotations

import re

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.redaction.allowed import row
from fixer.redaction.masks import BLANK, Masks, is_plain
from fixer.redaction.nginx_words import mask_comment
from fixer.redaction.secrets import redact_text

with lazy_imports():  # not needed in most looks
    from fixer.redaction.commands import Words, mask_command, mask_script_line, mask_value

_COMMAND = row("UNIT_COMMAND")
_NAMES = row("UNIT_NAMES")
_SHOW = row("UNIT_SHOW")
_SETTING = regex(r"([ \t]*)([A-Za-z_][A-Za-z0-9_.-]*)([ \t]*=[ \t]*+)(.*)")
_NAMED_VALUE = regex(r"([A-Za-z][A-Za-z0-9_.-]{0,60})([ \t]*[:=][ \t]*)(.*)")
_PAIR = regex(
    r"""(["'])([A-Za-z_\x80-\xff][A-Za-z0-9_.\x80-\xff-]*)=((?:\\.|(?!\1)[^\\\n])*+\\?)(\1|(?![^\n]))"""
    r"""|([A-Za-z_\x80-\xff][A-Za-z0-9_.\x80-\xff-]*)([ \t]*=[ \t]*)"""
    r"""((?:\[(?:masked|redacted)[^\]\n]{0,80}\]|\\.|"(?:[^"\\]|\\.)*+(?:"|\\?$)|'(?:[^'\\]|\\.)*+(?:'|\\?$)"""
    r"""|[^\s\\"',\[]++|\[|,(?=[^\s=]{1,80}(?:$|\s)))*+)|([^\s,]+)""", re.ASCII)
_LINE = regex(r"(\xef\xbb\xbf)?([ \t]*(?:(?:export|readonly|local|declare|typeset)[ \t]+(?:-[A-Za-z]+[ \t]+)*)?)"
              r"([A-Za-z_\x80-\xff][A-Za-z0-9_.\x80-\xff-]*)([ \t]*\+?=[ \t]*)(.*)")
_ARGV = regex(r"(argv\[\]=)(.*?)([ ]?;[ ]|(?![^\n]))")


def mask_unit(text: str, masks: Masks) -> str:
    """Return a unit file, a file of supervisord, or what `systemctl show` says, masked."""
    out: list[str] = []
    words = Words(masks)
    listed = False  # in the way of supervisord, with commas
    name = ""       # of the setting that continues on the next line
    for line in text.split("\n"):
        body = line.strip(BLANK)
        if body[:1] in ("#", ";"):
            indent = line[: len(line) - len(line.lstrip(BLANK))]
            out.append(indent + mask_comment(line[len(indent):], body[0], masks))
            continue
        found = _SETTING.fullmatch(line.removesuffix("\r")) if not name else None
        if found is not None:
            name = found[2].lower()
            head, value = found[1] + found[2] + found[3], found[4]
        elif name and (name.startswith("\n") and line[:1] not in (" ", "\t")):
            name, head, value = "", "", line
        else:
            head, value = "", line.removesuffix("\r")
        if found is None and not name:
            inner = _SETTING.fullmatch(line.removesuffix("\r"))
            if inner is None:
                section = body[:1] == "[" and body[-1:] == "]"
                out.append(line if not body or section else masks.mark(body) + ("\r" if line.endswith("\r") else ""))
                continue
            name, head, value = inner[2].lower(), inner[1] + inner[2] + inner[3], inner[4]
        key = name.lstrip("\n")
        listed = listed or head.startswith("environment")
        words = Words(masks) if head else words
        out.append(head + _unit_value(key, value, masks, words, listed=listed) + ("\r" if line.endswith("\r") else ""))
        goes_on = value.rstrip(BLANK).endswith("\\")
        name = key if goes_on else f"\n{key}" if key in ("environment", "command", "files") else ""
    return "\n".join(out)


def _unit_value(name: str, value: str, masks: Masks, words: Words, *, listed: bool) -> str:
    body = value.removesuffix("\r").removesuffix("\\").rstrip(" \t")
    end = value[len(body):]
    lead = body[: len(body) - len(body.lstrip(BLANK))]
    body = body[len(lead):]
    if not body or is_plain(body):
        shown = body
    elif name == "environment":
        shown = mask_pairs(body, masks, listed=listed)
    elif name.startswith("setcredential"):
        shown = body.partition(":")[0] + ":" + masks.mark(body.partition(":")[2]) if ":" in body else masks.mark(body)
    elif body.startswith("{") and "argv[]=" in body:
        shown = _ARGV.sub(lambda m: m[1] + mask_command(m[2], masks) + m[3], body)
    elif _NAMES.fullmatch(name):
        shown = body
    elif _SHOW.fullmatch(name):
        shown = masks.parts(body)
    elif _COMMAND.fullmatch(name):
        shown = _mask_exec(body, masks, words)
    else:
        shown = masks.mark(body)
    return lead + shown + end


def _mask_exec(body: str, masks: Masks, words: Words) -> str:
    """Mask a command, except the signs that systemd reads before it."""
    lead = body[: len(body) - len(body.lstrip("@-:+!|"))]
    return lead + mask_command(body[len(lead):], masks, words)


def mask_pairs(text: str, masks: Masks, *, listed: bool = False) -> str:
    """Return pairs NAME=VALUE of one line masked; a quoted pair is one word. `listed`: in supervisord's list."""
    return _PAIR.sub(lambda m: _mask_pair(m, masks, listed=listed), text)


def _mask_pair(match: re.Match[str], masks: Masks, *, listed: bool) -> str:
    if match[1]:
        return f"{match[1]}{match[2]}={mask_value(match[2], match[3], masks)}{match[4]}"
    if match[5] and not masks.is_random(match[5]):
        value = match[7]
        bare = value[1:-1] if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0] else value
        shown = mask_value(match[5], bare, masks)
        if shown == bare:
            return match[0]
        return f'{match[5]}{match[6]}"{shown}"' if listed else f'"{match[5]}={shown}"'
    if match[5]:
        return f'"{masks.mark(match[0])}"'
    return match[0] if match[0] in ("\\", "%") else masks.mark(match[0])


def mask_env(text: str, masks: Masks) -> str:
    """Return a file of lines NAME=VALUE masked."""
    return _mask_lines(text, masks, script=False)


def mask_settings(text: str, masks: Masks) -> str:
    """Return a file of which only the content says that it sets variables masked: its other lines as any text."""
    lines = text.split("\n")
    shown = _mask_lines(text, masks, script=False).split("\n")
    return "\n".join(masks.parts(redact_text(line)) if _is_other(line) else mask
                     for line, mask in zip(lines, shown, strict=True))


def mask_named_values(text: str, masks: Masks) -> str:
    """Return an application's settings file masked: names and headers stay, of values what is plain or an address."""
    return "\n".join(_mask_named_value(line, masks) for line in text.split("\n"))


def _mask_named_value(line: str, masks: Masks) -> str:
    body = line.strip(BLANK)
    if not body or (body[0] == "[" and body[-1] == "]" and not masks.is_random(body[1:-1])):
        return line
    lead = line[: len(line) - len(line.lstrip(BLANK))]
    found = _NAMED_VALUE.fullmatch(body)
    if body[0] in "#;" or found is None:
        return lead + (mask_comment(body, body[0], masks) if body[0] in "#;" else masks.mark(body))
    value = found[3].strip("\"'")
    return lead + found[1] + found[2] + found[3].replace(value, masks.value(value), 1)


def _is_other(line: str) -> bool:
    return bool(line.strip(BLANK)) and line.strip(BLANK)[0] not in "#;" and "=" not in line


def mask_script(text: str, masks: Masks) -> str:
    """Return a shell script masked."""
    return _mask_lines(text, masks, script=True)


def _mask_lines(text: str, masks: Masks, *, script: bool) -> str:
    out: list[str] = []
    words = Words(masks)
    goes_on = False
    quote = ""      # that the value of a former line opened; a backslash where that line goes on
    lines = text.split("\n")
    ends = {quote: _quote_ends(lines, quote) for quote in ("\"", "'") if quote in text}
    for number, line in enumerate(lines):
        end = "\r" if line.endswith("\r") else ""
        body = line.rstrip("\r")
        stripped = body.strip(BLANK)
        if quote and quote != "\n":
            closed = _closes(body, quote)
            tail = quote if closed and quote != "\\" else "\\" if quote == "\\" and not closed else ""
            inner = body[: _end_quote(quote + body, quote) - 1] if closed and quote != "\\" else body.rstrip("\\")
            out.append((masks.mark(inner.strip(BLANK)) if inner.strip(BLANK) else "") + tail + end)
            quote = "" if closed else quote
            continue
        if stripped[:1] in ("#", ";"):
            indent = body[: len(body) - len(body.lstrip(BLANK))]
            program = not number and stripped.startswith("#!")
            out.append(line if program else indent + mask_comment(body[len(indent):], stripped[0], masks) + end)
            continue
        found = _LINE.fullmatch(body)
        named = found is not None and not goes_on and not masks.is_random(found[3])
        if found is not None and named and (not script or not _is_command(found)):
            shown, quote = _mask_assigned(found[3], found[5], masks)
            if quote in ends and number + 1 < len(lines) and not ends[quote][number + 1]:
                quote = ""  # what ends it is another one's: this one is a part of the value
            out.append((found[1] or "") + found[2] + found[3] + found[4] + shown + end)
        elif script:
            words = words if goes_on else Words(masks)
            goes_on = body.endswith("\\")
            out.append(mask_script_line(body, masks, words) + end)
        else:
            section = stripped[:1] == "[" and stripped[-1:] == "]"
            out.append((body if not stripped or section else masks.mark(stripped)) + end)
    return "\n".join(out)


def _quote_ends(lines: list[str], quote: str) -> list[bool]:
    """Return for each line whether the next such quote, there or below, ends a value: nothing follows it."""
    found, out = False, [False] * len(lines)
    for at in range(len(lines) - 1, -1, -1):
        inside = _end_quote(quote + lines[at], quote)
        if inside > 0:
            rest = lines[at][inside:].strip(BLANK)
            found = not rest or rest[0] == "#"
        out[at] = found
    return out


def _is_command(found: re.Match[str]) -> bool:
    """Return whether a program follows the assignment on its line."""
    value = found[5]
    if value[:1] in ("\"", "'"):
        at = value.find(value[0], 1)
        return at > 0 and bool(value[at + 1 :].strip(BLANK)) and not value[at + 1 :].strip(BLANK).startswith("#")
    said = value.partition("#")[0].strip(BLANK)
    return any(sign in said for sign in BLANK) or ";" in value or "&" in value


def _mask_assigned(name: str, value: str, masks: Masks) -> tuple[str, str]:
    """Return the value masked, and the quote that it leaves open."""
    mark = value[:1] if value[:1] in ("\"", "'") else ""
    if mark:
        at = _end_quote(value, mark)
        if at < 0:
            return mark + masks.mark(value[1:]), mark
        inner, rest = value[1:at], value[at + 1 :]
        comment = rest.strip(BLANK)
        if comment:
            rest = f" {mask_comment(comment, '#', masks)}" if comment[0] == "#" else masks.mark(rest)
        return mark + mask_value(name, inner, masks) + mark + rest, ""
    bare = value.rstrip(BLANK)
    if bare.endswith("\\"):
        return (masks.mark(bare[:-1]) if bare[:-1].strip(BLANK) else "") + "\\", "\\"
    head, sign, comment = bare.partition(" #")
    said = f" {mask_comment('#' + comment, '#', masks)}" if sign else ""
    return mask_value(name, head, masks) + said, ""


def _end_quote(value: str, mark: str) -> int:
    at = 1
    while at < len(value):
        if value[at] == "\\" and mark == '"':
            at += 2
            continue
        if value[at] == mark:
            return at
        at += 1
    return -1


def _closes(line: str, quote: str) -> bool:
    return not line.endswith("\\") if quote == "\\" else _end_quote(quote + line, quote) > 0
