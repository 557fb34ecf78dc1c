"""Words of an nginx configuration: those that causes read are shown, all others and comments masked. Pure.

One walk, line by line, splits words as nginx does. Quotes, braces, terminators and the number of lines stay."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.nginx.directives import CORE, EVENTS, HTTP
from fixer.redaction.allowed import row
from fixer.redaction.masks import BLANK, Masks, is_plain, without_marks
from fixer.redaction.secrets import is_secret_name

_TOKEN = regex(
    r"""([ \t\r\f\v]+)|(#.*)|([;{}])|"((?:[^"\\]++|\\.)*+)"|'((?:[^'\\]++|\\.)*+)'"""
    r"""|((?:[^ \t\r\f\v;{}"'#\\$]++|\\.|\$\{*)(?:[^ \t\r\f\v;{\\$]++|\\.|\$\{*)*+\\?)|(["'\\].*)""",
)
_SHOW = row("NGINX_SHOW")
_HEADER_OF = row("NGINX_HEADER_OF")
_HEADER = row("NGINX_HEADER")
_CHOICE = row("NGINX_CHOICE")
_COMPARED = row("NGINX_COMPARED_ALL")
_GOAL = row("GOAL")
_WRITER = row("HEADER")
_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = row("NGINX_KEY")
_TEXT = row("NGINX_FORMAT")     # variables, and short names before them
_FILE_TESTS = frozenset(("-f", "!-f", "-d", "!-d", "-e", "!-e", "-x", "!-x", ""))
_SERVER = regex(r"[A-Za-z0-9_.-]{1,64}")
_SET_WORDS = 3
_KEYWORDS = frozenset(("default", "hostnames", "include", "volatile", "delete", "proxy", "proxy_recursive", "ranges"))
_SHOWN_BLOCKS = frozenset(("types", "charset_map"))


_UPSTREAM = regex(rb"(?:^|[;{}])[ \t]*upstream[ \t]+[\"']?([A-Za-z0-9_.-]+)", re.MULTILINE)
_PASS = regex(rb"_pass[ \t]+[\"']?(?:[a-z]+://)?\$\{?([A-Za-z0-9_]+)")


def server_names(data: bytes) -> frozenset[str]:
    """Return the names of upstream blocks, and the variables (`$name`) that a pass leads to: those hold such names."""
    if b"upstream" not in data and b"_pass" not in data:
        return frozenset()
    names = [name.decode("latin-1") for name in _UPSTREAM.findall(data)]
    return frozenset((*names, *(f"${name.decode('latin-1')}" for name in _PASS.findall(data))))


def redact_nginx(data: bytes, masks: Masks | None = None) -> bytes:
    """Return an nginx file, or lines of one, redacted."""
    masks = masks or Masks()
    masks.names |= server_names(data)
    return mask_nginx(data.decode("latin-1"), masks).encode("latin-1")


def mask_quoted(text: str, masks: Masks) -> str:
    """Return a statement that evidence quotes masked; other words of evidence stay."""
    words = text.split()
    if not words or not _is_directive(words[0].rstrip(";")) or ";" not in text:
        return text
    # a variable that chooses a server is quoted for the name that it holds
    named = len(words) == _SET_WORDS and words[0] == "set" and not is_secret_name(words[1].strip("${}"))
    if named:
        masks.names |= {words[1]}
    raw = text.encode("utf-8", "surrogateescape")
    return redact_nginx(raw, masks).decode("utf-8", "surrogateescape")


def mask_nginx(text: str, masks: Masks) -> str:
    """Return a configuration, or lines of one, masked."""
    walk = _Walk(masks)
    return "\n".join(map(walk.line, text.split("\n")))


class _Walk:
    """The state of a walk: the statement that is read, the blocks around it, and a quote that is open."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._name, self._at, self._open = "", 0, False
        self._blocks: list[str] = []
        self._quote = ""
        self._target = ""
        self._begins = True     # no word of this line was read yet
        self._lua = 0

    def line(self, line: str) -> str:
        if self._lua:
            return self._lua_line(line)
        if self._quote:
            return self._quoted_line(line)
        return self._words(line)

    def _words(self, line: str) -> str:
        out: list[str] = []
        self._begins = True
        for match in _TOKEN.finditer(line):
            kind = match.lastindex
            if kind == 1:
                out.append(match[0])
            elif kind == 2:
                out.append(self._comment(match[0]))
            elif kind == 3:
                out.append(match[0])
                self._mark(match[0])
                if self._lua:
                    return "".join(out) + self._lua_line(line[match.end():])
            elif kind == 7:
                out.append(match[0][0] + self._word(match[0][1:], quoted=True))
                self._quote = match[0][0] if match[0][0] != "\\" else ""
            else:
                value = match[kind or 0]
                shown = self._word(value, quoted=kind != 6)
                quote = '"' if kind == 6 else match[0][0]
                out.append(match[0] if shown == value else f"{quote}{shown}{quote}")
                if kind == 6 and shown != value and value.endswith(")") and self._name == "if":
                    out[-1] = f'"{shown}")'
        return "".join(out)

    def _mark(self, mark: str) -> None:
        """Read the end of a statement, or of a block."""
        if mark == "{":
            if self._name.endswith("_by_lua_block"):
                self._lua = 1
            kind = ("open" if self._open else "closed") if _CHOICE.fullmatch(self._name) else self._name
            self._blocks.append(kind)
        elif mark == "}" and self._blocks:
            self._blocks.pop()
        self._name, self._at, self._open = "", 0, False

    def _word(self, value: str, quoted: bool) -> str:
        block = self._blocks[-1] if self._blocks else ""
        begins, self._begins = self._begins, False
        if begins and self._at and not quoted and _is_directive(value) and not _is_directive(self._name):
            self._name, self._at = value, 0     # what nginx takes for an argument of an unknown word above
        at, self._at = self._at, self._at + 1
        if at == 0:
            self._name = value
            if block in ("open", "closed"):
                return self._key(value, block)
            if block in _SHOWN_BLOCKS:
                return self._masks.parts(value)
            return value if _NAME.fullmatch(value) and not self._masks.is_random(value) else self._masks.mark(value)
        simple = without_marks(value)
        if simple != value:
            return value if self._judged(simple, at, block, quoted=quoted) == simple else self._masks.mark(value)
        return self._judged(value, at, block, quoted=quoted)

    def _judged(self, value: str, at: int, block: str, *, quoted: bool) -> str:
        if block in ("open", "closed"):
            return self._value(value, self._target)
        if block in _SHOWN_BLOCKS or (not quoted and _is_directive(value)):
            return self._masks.parts(value)
        return self._argument(value, at)

    def _key(self, value: str, block: str) -> str:
        if value in _KEYWORDS or is_plain(value) or _KEY.fullmatch(value):
            return value
        return self._masks.parts(value) if block == "open" else self._masks.mark(value)

    def _argument(self, value: str, at: int) -> str:
        name, masks = self._name, self._masks
        if name == "if":
            return self._condition(value, at)
        if _CHOICE.fullmatch(name) and (at == 1 or name == "map"):
            self._open = self._open or bool(at == 1 and _COMPARED.fullmatch(value))
            self._target = value        # the last one is what it sets
            return masks.parts(value)
        if _SHOW.fullmatch(name):
            return masks.parts(value)
        if _HEADER_OF.fullmatch(name):
            if at == 1:
                self._open = bool(_HEADER.fullmatch(value.lower()))
                named = _NAME.fullmatch(value.replace("-", "_")) and not masks.is_random(value)
                return value if named else masks.mark(value)
            return masks.parts(value) if self._open else value if is_plain(value) else masks.mark(value)
        if name == "set" and at == 1:
            self._target = value
        if name == "set" and (at == 1 or value[:1] == "$"):
            return masks.parts(value)
        if name == "set":
            return self._value(value, self._target)
        if name in ("return", "auth_request_set") and _GOAL.fullmatch(value):
            return masks.parts(value)
        if name == "log_format":
            return value if at == 1 or _TEXT.fullmatch(value) else masks.mark(value)
        return value if is_plain(value) else masks.mark(value)

    def _value(self, value: str, target: str) -> str:
        """Return what a variable gets: also a name, where a pass leads to the variable."""
        if target.strip("{}").replace("${", "$") in self._masks.names and _SERVER.fullmatch(value):
            return self._masks.parts(value)
        return self._masks.value(value)

    def _condition(self, value: str, at: int) -> str:
        left = "(" if value.startswith("(") else ""
        bare = value[len(left):]
        right = ")" if bare.endswith(")") and bare.count(")") > bare.count("(") else ""
        bare = bare[: len(bare) - len(right)]
        if at == 1:
            self._open = bool(_COMPARED.fullmatch(bare)) or bare in _FILE_TESTS
        if is_plain(bare):
            return value
        shown = self._masks.parts(bare) if self._open else self._masks.mark(bare)
        return value if shown == bare else left + shown  # the closing bracket follows the quote

    def _comment(self, comment: str) -> str:
        return mask_comment(comment, "#", self._masks)

    def _quoted_line(self, line: str) -> str:
        """Mask a line of a quote that spans lines: where the quote lacks its end, statements follow."""
        first = line.split(None, 1)[0].rstrip(";") if line.strip(BLANK) else ""
        marks = _count_quotes(line, self._quote)
        quote = self._quote
        if _is_directive(first) or first in ("}", "#"):
            inner = _Walk(self._masks)
            shown = inner._words(line)
        else:
            before, found, after = _cut_at_quote(line, quote)
            shown = self._masks.mark(before) if before.strip(BLANK) else before
            if found:
                self._quote = ""
                return shown + quote + self._words(after)
        if marks % 2:
            self._quote = ""
        return shown

    def _lua_line(self, line: str) -> str:
        """Mask a line of a Lua block, except its closing brace."""
        for at, char in enumerate(line):
            self._lua += (char == "{") - (char == "}")
            if not self._lua:
                body = line[:at]
                self._mark("}")
                return (self._masks.mark(body) if body.strip(BLANK) else body) + "}" + self._words(line[at + 1:])
        return self._masks.mark(line) if line.strip(BLANK) else line


def mask_comment(comment: str, sign: str, masks: Masks) -> str:
    """Return a comment masked, except the name of the program that writes the file."""
    body = comment[len(sign):]
    text = body.strip(BLANK)
    if not any(char.isalnum() or ord(char) > 127 for char in text):
        return comment
    lead = body[: len(body) - len(body.lstrip(BLANK))] or " "
    end = "\r" if comment.endswith("\r") else ""
    writer = _WRITER.search(text.lower())
    if writer is None:
        return f"{sign}{lead}{masks.mark(text)}{end}"
    said = text[writer.start() : writer.end()]
    rest = f"{text[: writer.start()].strip(BLANK)} {text[writer.end() :].strip(BLANK)}".strip(BLANK)
    return f"{sign}{lead}{said}{f' {masks.mark(rest)}' if rest else ''}{end}"


def _is_directive(word: str) -> bool:
    name = word.encode("latin-1", "replace")
    return name in HTTP or name in CORE or name in EVENTS


def _cut_at_quote(line: str, quote: str) -> tuple[str, bool, str]:
    at = 0
    while at < len(line):
        if line[at] == "\\":
            at += 2
            continue
        if line[at] == quote:
            return line[:at], True, line[at + 1:]
        at += 1
    return line, False, ""


def _count_quotes(line: str, quote: str) -> int:
    count, rest = 0, line
    while True:
        _, found, rest = _cut_at_quote(rest, quote)
        if not found:
            return count
        count += 1
