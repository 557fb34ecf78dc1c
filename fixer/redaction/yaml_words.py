"""Scalars of a compose file, or other YAML, masked by the keys above them; keys, anchors and lines stay. Pure."""

from __future__ import annotations

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.redaction.allowed import row
from fixer.redaction.masks import Masks, is_plain, without_marks
from fixer.redaction.nginx_words import mask_comment

with lazy_imports():  # not needed in most looks
    from fixer.redaction.commands import Words, mask_command, mask_script_line, mask_value

_NAMES = row("YAML_NAMES")
_SHOW = row("YAML_SHOW")
_COMMAND = row("YAML_COMMAND")
_VARIABLES = row("YAML_VARIABLES")
_KEY = regex(
    r"""("(?:[^"\\]++|\\.)*+"|'[^']*'"""
    r"""|-?[^\s"'#&*!|>{}\[\],%@`:-](?:[^\s#:]++|:(?=[^\s])|[ \t]++(?=[^\s#:]))*+|<<)([ \t]*:)(?=[ \t]|$)""",
)
_TAG = r"(?:[&*][A-Za-z0-9_.-]+|!(?:![a-z]+|reset|override)?)(?=[\s,\[\]{}]|$)"
_LEAD = regex(rf"(?:{_TAG}[ \t]*)+")
_BLOCK = regex(r"[|>][0-9+-]*[ \t]*(#.*)?\r?$")
_FLOW = regex(
    r"""([ \t\r]+)|(#.*)|([{}\[\],])|(:)(?=[ \t\r,{}\[\]"']|$)|("(?:[^"\\]++|\\.)*+"|'(?:[^']++|'')*')"""
    r"""|([&*][A-Za-z0-9_.-]+(?=[\s,\[\]{}]|$))|(["'].*)"""
    r"""|((?:[^\s,\[\]{}:#]++|:(?=[^\s,\[\]{}])|(?<=\S)#|[ \t]+(?=[^\s,\[\]{}:#]))++)|(.)""",
)
_KEYS = 8   # keys above a scalar that say what it is
_MARKED = regex(r'"([^"\x27]*)"')    # a word of a command that got quotes with its mark
_PAIR = regex(r"([A-Za-z_\x80-\xff][A-Za-z0-9_.\x80-\xff-]*)=(.*)")


def redact_yaml(data: bytes, masks: Masks | None = None) -> bytes:
    """Return a YAML file redacted."""
    return mask_yaml(data.decode("latin-1"), masks or Masks()).encode("latin-1")


def mask_yaml(text: str, masks: Masks) -> str:
    """Return a YAML file masked."""
    walk = _Walk(masks)
    return "\n".join(map(walk.line, text.split("\n")))


class _Walk:
    """The state of a walk: the keys above a line with their indents, and the scalar or flow that is open."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._keys: list[tuple[int, str]] = []
        self._block: int | None = None      # the indent of the key whose block of text follows
        self._plain: int | None = None      # the same for a scalar that may go on
        self._quote = ""
        self._flow: list[list[str]] = []    # per bracket: its kind and the present key
        self._words = Words(masks)
        self._shell = False                 # a healthcheck whose next item is a line of shell

    def line(self, line: str) -> str:
        body = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if self._quote:
            return self._quoted(line)
        if self._block is not None:
            if not body:
                return line
            if indent > self._block:
                return self._text(line)
            self._block = None
        if self._flow:
            return self._flow_text(line)
        if not body or body in ("---", "...") or (line.startswith(("%YAML ", "%TAG ")) and len(line) < 40):
            return line
        if body.startswith("#"):
            return line[:indent] + mask_comment(line[indent:], "#", self._masks)
        if self._plain is not None and indent > self._plain and not _KEY.match(line, indent):
            return f"{line[:indent]}# {self._mark(line[indent:])}"  # more text behind a quoted mark would be no YAML
        self._plain = None
        return self._structure(line)

    def _structure(self, line: str) -> str:
        at = len(line) - len(line.lstrip(" "))
        first = at
        if line[at : at + 1] != "-" or line[at + 1 : at + 2].strip():
            self._pop(at)
        else:
            self._pop(at + 1)
        while line[at : at + 1] == "-" and not line[at + 1 : at + 2].strip():
            at += 1 + len(line[at + 1 :]) - len(line[at + 1 :].lstrip(" \t"))
            self._pop(at) if at < len(line) else None
        lead = _LEAD.match(line, at)
        start = lead.end() if lead is not None and lead.end() < len(line) and _KEY.match(line, lead.end()) else at
        key = _KEY.match(line, start)
        out = line[:start]
        if key is not None:
            name = key[1].strip("\"'")
            self._keys.append((start, name))
            out += (key[1] if not self._masks.is_random(name) else self._masks.mark(name)) + key[2]
            first, at = start, key.end()
            if not line[at:].strip():
                self._words.start()
        return out + self._value(line[at:], first if key is not None else max(first, 0))

    def _pop(self, indent: int) -> None:
        while self._keys and self._keys[-1][0] >= indent:
            self._keys.pop()

    def _value(self, rest: str, indent: int) -> str:
        blank = rest[: len(rest) - len(rest.lstrip())]
        rest = rest[len(blank):]
        lead = _LEAD.match(rest)
        if lead is not None:
            blank, rest = blank + lead[0], rest[lead.end():]
        if not rest:
            return blank
        if rest[0] == "#":
            return blank + mask_comment(rest, "#", self._masks)
        block = _BLOCK.match(rest)
        if block is not None:
            self._block = indent
            at = len(rest) if block[1] is None else block.start(1)
            return blank + rest[:at] + (mask_comment(rest[at:], "#", self._masks) if rest[at:] else "")
        if rest[0] in "{[":
            return blank + self._flow_text(rest)
        if rest[0] in "\"'":
            end = _end(rest, rest[0])
            if end < 0:
                self._quote = rest[0]
                return blank + rest[0] + self._mark(rest[1:])
            tail = rest[end + 1 :]
            said = self._masks.mark(tail.strip()) if tail.strip() and tail.strip()[0] != "#" else tail
            if tail.strip()[:1] == "#":
                said = " " + mask_comment(tail.strip(), "#", self._masks)
            return blank + self._scalar(rest[: end + 1]) + said
        at = rest.find(" #")
        comment = "" if at < 0 else " " + mask_comment(rest[at + 1 :].rstrip("\r"), "#", self._masks)
        scalar = rest if at < 0 else rest[:at]
        self._plain = indent
        return blank + self._scalar(scalar.rstrip()) + comment + ("\r" if rest.endswith("\r") else "")

    def _text(self, line: str) -> str:
        """Mask a line of a block of text."""
        indent = len(line) - len(line.lstrip())
        if any(_COMMAND.fullmatch(key) for _, key in self._keys[-1:]):
            return line[:indent] + mask_script_line(line[indent:], self._masks)
        return line[:indent] + self._mark(line[indent:])

    def _quoted(self, line: str) -> str:
        end = _end(self._quote + line, self._quote) - 1
        indent = len(line) - len(line.lstrip())
        if end < 0:
            return line[:indent] + (self._mark(line[indent:]) if line.strip() else "")
        quote, self._quote = self._quote, ""
        head = line[indent:end]
        tail = line[end + 1 :]
        rest = self._flow_text(tail) if self._flow else tail if not tail.strip() else self._masks.mark(tail)
        return line[:indent] + (self._mark(head) if head.strip() else head) + quote + rest

    def _mark(self, text: str) -> str:
        end = "\r" if text.endswith("\r") else ""
        body = text.strip()
        return (self._masks.mark(body) if body else body) + end

    def _flow_text(self, text: str) -> str:
        out: list[str] = []
        for match in _FLOW.finditer(text):
            kind, said = match.lastindex, match[0]
            if kind == 2:
                apart = not out or out[-1][-1:].isspace()
                out.append(mask_comment(said, "#", self._masks) if apart else self._masks.mark(said))
            elif kind == 3:
                out.append(said)
                self._bracket(said)
                if not self._flow:
                    tail = text[match.end():]
                    at = tail.find("#")
                    return "".join(out) + (tail if at < 0 else tail[:at] + mask_comment(tail[at:], "#", self._masks))
            elif kind in (5, 8):
                out.append(self._flow_scalar(said, text[match.end():]))
            elif kind == 7:
                self._quote = said[0]
                out.append(said[0] + self._mark(said[1:]))
                break
            else:
                out.append(said)
        return "".join(out)

    def _bracket(self, mark: str) -> None:
        if mark in "{[":
            self._flow.append([mark, ""])
        elif mark in "}]":
            self._flow.pop()
        elif self._flow:
            self._flow[-1][1] = ""

    def _flow_scalar(self, said: str, rest: str) -> str:
        after = rest.lstrip(" \t")
        if self._flow and not self._flow[-1][1] and after[:1] == ":":
            self._flow[-1][1] = said.strip("\"'")
            return said if not self._masks.is_random(said) else f'"{self._masks.mark(said)}"'
        return self._scalar(said)

    def _path(self) -> list[str]:
        """Return the nearest keys above a scalar, the nearest last."""
        return [key for _, key in self._keys[-_KEYS:]] + [key for _, key in self._flow[-_KEYS:] if key]

    def _scalar(self, said: str) -> str:
        """Return a scalar with its quotes, masked by the keys above it."""
        quote = said[0] if said[:1] in ("\"", "'") and len(said) > 1 else ""
        value = said[1:-1] if quote else said
        value = value.replace('\\"', '"') if quote == '"' else value
        shown = self._judged(value, self._path())
        if shown == value:
            return said
        return self._written(value, shown, quote)

    def _written(self, value: str, shown: str, quote: str) -> str:
        """Return a masked scalar with quotes. One that needed no escape needs none now: fixer edits only what the file
        has byte for byte, and would offer no repair."""
        if quote == "'":
            return f"'{shown.replace(chr(39), chr(39) * 2)}'"
        if not quote and not self._flow and shown[0] == value[0] and shown[0].isalnum() | (shown[0] in "/."):
            return shown
        if quote and '"' not in value:
            shown = _MARKED.sub(r"'\1'", shown)
        return '"' + (shown if quote else shown.replace("\\", "\\\\")).replace('"', '\\"') + '"'

    def _judged(self, value: str, path: list[str]) -> str:
        key = path[-1] if path else ""
        simple = without_marks(value)
        if simple != value:
            return value if self._judged(simple, path) == simple else self._masks.mark(value)
        if not value or is_plain(value):
            if _COMMAND.fullmatch(key):
                self._words.next(value)
            return value
        above = path[-2] if len(path) > 1 else ""
        if _COMMAND.fullmatch(key):
            if path[-1:] == ["test"] and self._shell:
                return mask_script_line(value, self._masks)
            self._shell = value == "CMD-SHELL"
            listed = bool(self._flow) or " " not in value
            return self._words.next(value) if listed else mask_command(value, self._masks)
        pair = _PAIR.fullmatch(value)
        if _VARIABLES.fullmatch(above):
            return mask_value(key, value, self._masks)
        if _VARIABLES.fullmatch(key):
            if pair is None or self._masks.is_random(pair[1]):
                name = value.isidentifier() and value.isupper() and not self._masks.is_random(value)
                return value if name else self._masks.mark(value)
            return f"{pair[1]}={mask_value(pair[1], pair[2], self._masks)}"
        if _NAMES.fullmatch(key):
            return value
        if any(_SHOW.fullmatch(name) for name in path[-2:]) and not any(map(_VARIABLES.fullmatch, path)):
            return self._masks.parts(value)
        return mask_value("", value, self._masks)


def _end(text: str, quote: str) -> int:
    """Return where a quoted scalar ends, or -1."""
    at = 1
    while at < len(text):
        if text[at] == "\\" and quote == '"':
            at += 1
        elif text[at] == quote:
            if quote == "'" and text[at + 1 : at + 2] == "'":
                at += 1
            else:
                return at
        at += 1
    return -1
