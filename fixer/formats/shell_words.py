"""Words of commands with the byte position of each part, through quotes and variables."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.snapshot import CommandArgument

_NAME = regex(r"[A-Za-z_]\w*")
_BARE_VARIABLE = regex(r"\$\w+")
_WORD = regex(r"\S+")

# All text here is latin-1: one character is one byte, so offsets are byte offsets of the file.


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text: byte for byte at `start` of `file`, or without position (`start` None).
    `expand`: contains variables; `variable`: the variable that it came from; `default_of`: the one without a value of
    which it is the default."""

    text: str
    file: str | None = None
    line: int = 0
    start: int | None = None
    expand: bool = False
    variable: str = ""
    default_of: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """One word, made of pieces. `exported`: as the value of a variable, whether programs get it from the shell."""

    pieces: tuple[Piece, ...]
    exported: bool = True

    @property
    def text(self) -> str:
        """Return the word's text."""
        return "".join(piece.text for piece in self.pieces)

    def slice(self, start: int, end: int) -> Word:
        """Return part of the word, its pieces cut to it."""
        cut: list[Piece] = []
        at = 0
        for piece in self.pieces:
            low, high = max(start - at, 0), min(end - at, len(piece.text))
            if low < high:
                begin = None if piece.start is None else piece.start + low
                cut.append(replace(piece, text=piece.text[low:high], start=begin))
            at += len(piece.text)
        return Word(tuple(cut))

    def to_argument(self) -> CommandArgument:
        """Return the word as it may be shown, with its byte span if it is contiguous in one file."""
        whole = self._joined()
        text = "".join(map(_printable_text, self.pieces)).encode("latin-1", "replace").decode("utf-8", "replace")
        first = next((p for p in self.pieces if p.file), None)
        names = {piece.default_of for piece in self.pieces if piece.text}
        default_of = names.pop() if len(names) == 1 else ""
        if whole is None or whole.start is None:
            return CommandArgument(text, first.file if first else None, first.line if first else 0,
                                   default_of=default_of)
        return CommandArgument(text, whole.file, whole.line, whole.start, whole.start + len(whole.text), default_of)

    def _joined(self) -> Piece | None:
        """Return all pieces as one, if they are adjacent in one file."""
        pieces = [p for p in self.pieces if p.text]
        if not pieces or pieces[0].start is None:
            return None
        joined = pieces[0]
        for piece in pieces[1:]:
            if piece.file != joined.file or piece.start != (joined.start or 0) + len(joined.text):
                return None
            joined = replace(joined, text=joined.text + piece.text)
        return joined


_PUBLIC_VALUE = regex(r"^(?:\d{1,5}|\d{1,3}(?:\.\d{1,3}){3}|localhost|::1?|/[\w./-]+)$")
_PUBLIC_NAME = regex(r"HOST|ADDR|BIND|LISTEN|PORT|WORKER|CONCURRENCY|SOCK|UDS|LEVEL|MODULE|APP$|MODE")


def _printable_text(piece: Piece) -> str:
    """Return the text, or `$NAME` unless it is plainly an address, number or path: a value may be a secret."""
    plain = not piece.variable or _PUBLIC_VALUE.match(piece.text) or _PUBLIC_NAME.search(piece.variable.upper())
    return piece.text if plain else f"${piece.variable}"


def literal_word(text: str) -> Word:
    """Return a word without position: a default, a value of a process."""
    return Word((Piece(text),))


Env = Mapping[str, Word]

_VARIABLE = regex(r"\$(?:(\w+)|\{(\w+)(?:(:?[-=])([^{}]*))?\}|(\$))")


def expand_word(word: Word, env: Env) -> Word:
    """Return the word with its variables replaced; a default has its own position, an unset variable is empty."""
    out: list[Piece] = []
    for piece in word.pieces:
        out.extend(_expand_piece(piece, env) if piece.expand and "$" in piece.text else (replace(piece, expand=False),))
    return Word(tuple(out))


def _expand_piece(piece: Piece, env: Env) -> list[Piece]:
    out: list[Piece] = []
    at = 0
    for match in _VARIABLE.finditer(piece.text):
        out.append(_slice_piece(piece, at, match.start()))
        at = match.end()
        name = match[1] or match[2]
        value = env.get(name) if name else None
        if match[5]:
            out.append(_slice_piece(piece, match.start(5), match.end(5)))
        elif value is not None and (value.text or not (match[3] or "").startswith(":")):
            out.extend(p if p.variable else replace(p, variable=name) for p in value.pieces)
        elif match[3]:
            out.append(replace(_slice_piece(piece, match.start(4), match.end(4)), default_of=name))
    out.append(_slice_piece(piece, at, len(piece.text)))
    return [p for p in out if p.text]


def _slice_piece(piece: Piece, start: int, end: int) -> Piece:
    begin = None if piece.start is None else piece.start + start
    return replace(piece, text=piece.text[start:end], start=begin, expand=False)


def split_assignment(word: Word) -> tuple[str, Word] | None:
    """Return name and value of a `NAME=value` word; else None."""
    name, found, _ = word.text.partition("=")
    if not found or not _NAME.fullmatch(name):
        return None
    return name, word.slice(len(name) + 1, len(word.text))


_ESCAPES = {"n": "\n", "t": "\t", "s": " ", "r": "\r"}
_PLAIN = regex(r"[^\\\"'\s]+")
_DOUBLE = regex(r"[^\\\"]+")
_SINGLE = regex(r"[^'\\]+")
_SINGLE_SHELL = regex(r"[^']+")


def systemd_words(text: str, file: str | None = None, line: int = 0, start: int | None = None) -> list[Word]:
    r"""Split a unit file's value: blanks separate, quotes and backslashes group, `\\` ends a line."""
    return _words(text, file, line, start, sh=False)


def shell_words(text: str, file: str | None = None, line: int = 0, start: int | None = None) -> list[Word]:
    """Split one shell command (without operators); nothing is expanded inside single quotes."""
    return _words(text, file, line, start, sh=True)


def _words(text: str, file: str | None, line: int, start: int | None, *, sh: bool) -> list[Word]:
    words: list[Word] = []
    pieces: list[Piece] | None = None
    quote = ""
    i = 0

    def add(chunk: str, at: int | None, *, variables: bool = True) -> None:
        place = None if start is None or at is None else start + at
        here = line + text.count("\n", 0, at) if at else line
        found.append(Piece(chunk, file, here, place, variables))

    while i < len(text):
        char = text[i]
        if not quote and (char.isspace() or text.startswith("\\\n", i)):
            if pieces is not None:
                words.append(Word(tuple(pieces)))
            pieces, i = None, i + (2 if char == "\\" else 1)
            continue
        found = pieces = [] if pieces is None else pieces
        if char == quote or (not quote and char in "\"'"):
            quote = "" if quote else char
            i += 1
        elif char == "\\" and i + 1 < len(text) and not (sh and quote == "'"):
            if text[i + 1] != "\n":
                add(_unescape(text[i + 1], quote, sh=sh), None, variables=False)
            i += 2
        else:
            pattern = _PLAIN if not quote else _DOUBLE if quote == '"' else _SINGLE_SHELL if sh else _SINGLE
            match = pattern.match(text, i)
            chunk = match[0] if match else char
            add(chunk, i, variables=not (sh and quote == "'"))
            i += len(chunk)
    if pieces is not None:
        words.append(Word(tuple(pieces)))
    return words


def _unescape(char: str, quote: str, *, sh: bool) -> str:
    if sh:
        return char if not quote or char in '"\\$`' else "\\" + char
    return _ESCAPES.get(char, char)


_NUMBERED = regex(r"\$(?:([1-9])|\{([1-9])(?::?[-=?][^{}]*)?\})")
_ALL_ARGUMENTS = frozenset({"$@", "$*", "${@}", "${*}"})


def replace_arguments(words: list[Word], given: list[Word]) -> list[Word]:
    """Replace a script's `"$@"`, `$1` to `$9`, `${1}` and `${1:-…}` by its arguments; missing ones stay."""
    out: list[Word] = []
    for word in words:
        if given and word.text in _ALL_ARGUMENTS and word.pieces[0].expand:
            out += given
        else:
            out.append(Word(tuple(p for piece in word.pieces for p in _replace_numbered(piece, given))))
    return out


def _replace_numbered(piece: Piece, given: list[Word]) -> list[Piece]:
    if not piece.expand or "$" not in piece.text:
        return [piece]
    out: list[Piece] = []
    at = 0
    for match in _NUMBERED.finditer(piece.text):
        number = int(match[1] or match[2])
        if number <= len(given):
            out.append(replace(_slice_piece(piece, at, match.start()), expand=True))
            out += given[number - 1].pieces
            at = match.end()
    out.append(replace(_slice_piece(piece, at, len(piece.text)), expand=True))
    return [p for p in out if p.text] or [replace(piece, text="")]


def expand_words(words: list[Word], env: Env) -> list[Word]:
    """Return all words expanded; a bare `$NAME` is split at blanks, an empty result is dropped."""
    out: list[Word] = []
    for word in words:
        bare = _BARE_VARIABLE.fullmatch(word.text) and word.pieces[0].expand
        value = expand_word(word, env)
        if bare:
            out.extend(value.slice(m.start(), m.end()) for m in _WORD.finditer(value.text))
        else:
            out.append(value)
    return out
