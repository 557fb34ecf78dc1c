"""`[masked N]`: what replaces a value that no cause reads, and the parts of a shown text that look like a secret. Pure.

N numbers equal values of one bundle or report, in the order in which they are met. Nothing is computed from the
value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from fixer.lazy.regex import regex
from fixer.redaction.allowed import FOLLOWERS, row

_MASKED = regex(r"\[masked [0-9]{1,7}\]|\[redacted(?::? ?[A-Za-z_.-]{1,60}[0-9]?(?: [a-z]{1,20})?)?\]")
_NUMBERED = regex(r"\[masked [0-9]{1,7}\]")
BLANK = " \t\r\n\f\v"      # of a file in any encoding: other blanks may be bytes of a letter
HIDDEN = "$0"   # stands for a mark where the text around it is judged
_PLAIN = row("PLAIN")
_ADDRESS = row("SHOWN_VALUE")
_RUN = regex(r"[A-Za-z0-9_~+=-]{8,}")
_SEGMENT = regex(r"[A-Za-z0-9+~=]{8,}")
_LETTERS = regex(r"[A-Za-z]{4,}")
_FIGURES = regex(r"[0-9]{12}")
_CLASSES = (frozenset("0123456789"), frozenset("abcdefghijklmnopqrstuvwxyz"), frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_CAPITAL = 2
_LONGEST = 64   # letters of a word that are looked at
_CHANGES = 4   # between digits, small and capital letters: so many mark a random text
_UUID = regex(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_BOT = regex(r"(?<=/bot)[0-9]+:[^/\s\"\[]+|(?<![0-9])[0-9]{8,10}:[A-Za-z0-9_-]{12,}", re.ASCII)
_ID = regex(r"(?:br-)?[0-9a-f]{12}|[0-9a-f]{64}|veth[0-9a-f]{7}")   # of a container, a network and its links
_DSN = regex(r"(?<![^\s\"'=(@:])[^\s\"'=(@:]++:[^\s\"'(]{1,200}(?=@(?:tcp|unix)\()", re.ASCII)
_QUERY = regex(r"((?:[?&;]|%3[Ff]|%26)[A-Za-z0-9_.%-]{0,80}(?:=|%3[Dd]))((?:(?!%26|%3[Bb])[^&;\s\"'#])+)", re.ASCII)
_AUTHORITY = regex(r"(://)((?:\[(?:masked [0-9]{1,7}|redacted[^\]\n]{0,80})\]|[^\s\"'<>])++)", re.ASCII)


class Masks:
    """The numbers of the values masked so far.

    `names` are shown words of a configuration (of upstream blocks). `known` are words of names that the host gives to
    its parts (`known_words`): they are no secret, though they may look drawn. `hosts` are names under which containers
    are asked: shown where a call takes a host."""

    def __init__(self, names: frozenset[str] = frozenset(), known: frozenset[str] = frozenset(),
                 hosts: frozenset[str] = frozenset()) -> None:
        self.names = names
        self.known = known
        self.hosts = hosts
        self._numbers: dict[str, int] = {}

    @property
    def count(self) -> int:
        """Return how many values have a number."""
        return len(self._numbers)

    def mark(self, value: str) -> str:
        """Return the mark of a value; what is masked already stays."""
        if value == HIDDEN or _MASKED.fullmatch(value.strip(BLANK)):
            return value
        return self._number(value)

    def again(self, text: str) -> str:
        """Return a text of a masked capture with its marks numbered anew: as the values would be on the host."""
        return _NUMBERED.sub(lambda m: self._number(m[0]), text) if "[masked " in text else text

    def _number(self, value: str) -> str:
        return f"[masked {self._numbers.setdefault(value, len(self._numbers) + 1)}]"

    def value(self, value: str) -> str:
        """Return a value that is shown only if it is plain or an address."""
        bare = value.strip(BLANK)
        if _PLAIN.fullmatch(bare) or bare in self.names:
            return value
        return self.parts(value) if _ADDRESS.fullmatch(bare) else self.mark(value)

    def shows(self, value: str) -> bool:
        """Return whether a value is shown as it is."""
        if _PLAIN.fullmatch(value) or value in self.names:
            return True
        return _ADDRESS.fullmatch(value) is not None and Masks(known=self.known).parts(value) == value

    def parts(self, text: str, *, ids: bool = False) -> str:
        """Return a shown text with its user names, queries and random parts masked; `ids`: not those of containers."""
        if "://" in text and "@" in text:
            text = _AUTHORITY.sub(self._authority, text)
        if "=" in text or "%3" in text:
            text = _QUERY.sub(lambda m: m[1] + self._argument(m[2]), text)
        if "@tcp(" in text or "@unix(" in text:
            text = _DSN.sub(lambda m: self.mark(m[0]), text)
        if ":" in text:
            text = _BOT.sub(lambda m: self.mark(m[0]), text)
        return _RUN.sub(
            lambda m: m[0] if (ids and _ID.fullmatch(m[0])) or not self.is_random(m[0]) else self.mark(m[0]), text)

    def address_parts(self, text: str) -> str:
        """Return an address or a path as a request holds it: its secrets masked, each mark percent-encoded."""
        return _NUMBERED.sub(lambda m: f"%5Bmasked%20{m[0][8:-1]}%5D", self.parts(text))

    def is_random(self, run: str) -> bool:
        """Return whether a word seems drawn and is no name that the host gives to one of its parts."""
        return is_random(run, self.known)

    def _argument(self, value: str) -> str:
        return value if is_plain(value) or value.startswith(("[masked", "[redacted")) else self.mark(value)

    def _authority(self, match: re.Match[str]) -> str:
        rest = match[2]
        host = rest.partition("/")[0]
        if "@" in host:
            at = host.rindex("@")
        else:  # a slash in the password
            port = host.rpartition(":")[2] if ":" in host else ""
            at = rest.rfind("@") if port and not port.isdigit() and "$" not in port else -1
        if at < 0 or rest[:at].startswith("[masked"):
            return match[0]
        return match[1] + self.mark(rest[:at]) + rest[at:]


def is_plain(value: str) -> bool:
    """Return whether a value is a flag, a small number, a variable or nothing."""
    return _PLAIN.fullmatch(value) is not None


def without_marks(text: str) -> str:
    """Return a text with each mark that it holds already as a variable, so that what stands around it is judged."""
    return _MASKED.sub(HIDDEN, text) if "[masked " in text or "[redacted" in text else text


def known_words(names: Iterable[str]) -> frozenset[str]:
    """Return the words of names that would be masked as drawn: whole, and between their signs."""
    return frozenset(word for name in names for run in _RUN.findall(name) if is_random(run)
                     for word in (run, *_SEGMENT.findall(run)))


def is_random(run: str, known: frozenset[str] = frozenset()) -> bool:
    """Return whether letters and digits seem drawn, not written: they change often, or nobody could say them."""
    if run in known:
        return False
    if _UUID.search(run):
        return True
    return any(_is_random_segment(segment) for segment in _SEGMENT.findall(run) if segment not in known)


@lru_cache(4096)
def _is_random_segment(segment: str) -> bool:
    if _FIGURES.search(segment):
        return True
    changes, before = 0, -1
    for char in segment:
        now = 0 if char in _CLASSES[0] else 1 if char in _CLASSES[1] else 2 if char in _CLASSES[2] else -1
        changes += before not in (-1, now) and now != -1 and not (before == _CAPITAL and now == 1)
        before = now
    unwritten = sum(map(count_unwritten, _LETTERS.findall(segment[:1024])))
    return changes >= _CHANGES or unwritten >= (2 if len(segment) >= 10 else 3)


@lru_cache(4096)
def count_unwritten(word: str) -> int:
    """Return the pairs of letters that no written word has."""
    return sum(after.lower() not in FOLLOWERS[letter.lower()] for letter, after in pairwise(word[:_LONGEST])
               if letter.isupper() or after.islower())      # a capital behind a small letter begins another word
