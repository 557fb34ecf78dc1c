"""Which commands of a script are reached: `if`, `case` and `&&` by what its arguments and variables are known to be."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from fixer.formats.shell_words import Word
from fixer.lazy.dataclass import dataclass, field
from fixer.lazy.regex import regex

Known = Callable[[Word], str | None]
"""What a word is when the script runs; None if that is not known."""

_COMMENT = regex(r"#[^\n]*")
_BETWEEN = regex(r"(?:[\s;&|]|#[^\n]*)*")
_TESTS = {"[": "]", "[[": "]]", "test": ""}
_GLOB = regex(r"[*?\[]")


@dataclass(slots=True)
class _Block:
    """An open `if`, `case`, loop, group or function. `runs`: whether the present branch is run; `taken`: whether an
    earlier one was."""

    kind: str
    runs: bool | None = None
    taken: bool | None = False
    tests: list[bool | None] = field(default_factory=list)
    asks: bool = False
    awaits_label: bool = False
    subject: str | None = None
    labels: list[str] = field(default_factory=list)

    def begin_branch(self, result: bool | None) -> None:
        """Begin a branch whose condition has this result."""
        self.asks = False
        if self.taken or result is False:
            self.runs = False
        else:
            self.runs = True if result and self.taken is False else None
            self.taken = True if self.runs else None


def separator_at(text: str, end: int) -> str:
    """Return the operators between the command that ends there and the next one."""
    found = _BETWEEN.match(text, end)
    return _COMMENT.sub("", found[0]) if found is not None else ""


class Branches:
    """The blocks that are open while the commands of a script are read in order."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._open: list[_Block] = []
        self._last: bool | None = None
        self._is_head = False

    def reach(self, words: list[Word], separator: str) -> bool | None:
        """Return whether the next command is run; None if that is not known. Its operators precede it."""
        rest, inverted = self._after_labels(words, separator), False
        while rest and (taken := self._keyword(rest)):
            inverted ^= rest[0].text == "!"
            rest = rest[taken:]
            rest = self._after_labels(rest, "")
        reached = self._reached()
        if not rest or reached is False:
            return reached
        chained = self._chained(separator)
        if chained is False:
            return False
        result = self._result(rest)
        self._last = None if result is None else result ^ inverted
        if self._open and self._open[-1].asks:
            self._open[-1].tests.append(self._last)
        return None if chained is None else reached

    def _reached(self) -> bool | None:
        states = [True if block.asks else block.runs for block in self._open]
        return False if False in states else None if None in states else True

    def _chained(self, separator: str) -> bool | None:
        """Return whether `&&` or `||` lets the command run after the one before it."""
        if "&&" in separator:
            return self._last
        if "||" in separator:
            return None if self._last is None else not self._last
        return True

    def _keyword(self, rest: list[Word]) -> int:
        """Return how many words the keyword has that the command begins with, 0 for none; open or close its block."""
        text, top = rest[0].text, self._open[-1] if self._open else None
        if text.endswith("()") or text == "function" or (len(rest) > 1 and rest[1].text == "()"):
            self._is_head = True
            return 1 if text.endswith("()") else 2
        if text == "if":
            self._open.append(_Block("if", asks=True))
        elif text == "{":
            self._open.append(_Block("{", runs=None if self._is_head else True))
            self._is_head = False
        elif text == "do":
            self._open.append(_Block("do"))
        elif text == "case" and len(rest) > 2 and rest[2].text == "in":
            self._open.append(_Block("case", runs=False, awaits_label=True, subject=self._known(rest[1])))
            return 3
        elif text in ("!", "while", "until"):
            return 1
        elif top is None or text not in _WITHIN.get(top.kind, ()):
            return 0
        elif text == "then":
            top.begin_branch(top.tests[0] if len(top.tests) == 1 else None)
        elif text == "elif":
            top.asks, top.tests, top.runs = True, [], None
        elif text == "else":
            top.begin_branch(True)
        else:
            self._open.pop()
        return 1

    def _after_labels(self, words: list[Word], separator: str) -> list[Word]:
        """Return the words after the labels of a `case` that they begin with. Their alternatives are commands to who
        splits at `|`."""
        top = self._open[-1] if self._open else None
        if top is None or top.kind != "case" or not words:
            return words
        top.awaits_label |= ";;" in separator
        if not top.awaits_label:
            return words
        for number, word in enumerate(words):
            if word.text == "esac" and not top.labels:
                return words
            text = word.text.removeprefix("(")
            top.labels.append(text.removesuffix(")"))
            if text.endswith(")"):
                patterns = [one for one in top.labels if one]
                top.labels, top.awaits_label = [], False
                doubtful = top.subject is None or any("$" in one for one in patterns)
                top.begin_branch(None if doubtful else any(fnmatchcase(top.subject or "", one) for one in patterns))
                return words[number + 1:]
        top.runs = False
        return []

    def _result(self, words: list[Word]) -> bool | None:
        """Return what a test says; None for other commands and for what is not known."""
        opening = words[0].text
        closing = _TESTS.get(opening)
        if closing is None or (closing and words[-1].text != closing):
            return None
        asked = words[1:-1] if closing else words[1:]
        if len(asked) == 3 and asked[1].text in ("=", "==", "!="):
            left, right = self._known(asked[0]), self._known(asked[2])
            if left is None or right is None:
                return None
            is_glob = opening == "[[" and _GLOB.search(right) is not None
            return (fnmatchcase(left, right) if is_glob else left == right) is (asked[1].text != "!=")
        if len(asked) == 2 and asked[0].text in ("-z", "-n"):
            value = self._known(asked[1])
            return None if value is None else bool(value) is (asked[0].text == "-n")
        return None


_WITHIN = {"if": ("then", "elif", "else", "fi"), "case": ("esac",), "do": ("done",), "{": ("}",)}
