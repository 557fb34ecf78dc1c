"""A file in which nginx keeps an answer: which page it is, and the status that visitors get.

A header of binary numbers comes first, then `\\nKEY: ` with the value of `proxy_cache_key`, then the answer as the
backend gave it. The header's length differs between versions, so the key is looked for.
"""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_KEPT = regex(rb"\nKEY: (?P<key>[\x21-\x7e]{1,300})\n(?:HTTP/1\.[01] |Status: )(?P<status>[1-5]\d\d)\b")
_MOST_HEADER = 400       # bytes before the key: 336 in nginx 1.30 on 64 bits
_PATH = regex(r"(?:[a-z]+://)?[^/]*(/[^?#]*)")


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The path of a page, without its query, and the status of the answer that is kept for it."""

    path: str
    status: int


def read_cache_file(head: bytes) -> KeptAnswer | None:
    """Return what the first bytes of a file say; None if it is no such file, or its key names no path."""
    found = _KEPT.search(head)
    if found is None or found.start() > _MOST_HEADER:
        return None
    path = _PATH.match(found["key"].decode("ascii"))
    return KeptAnswer(path[1], int(found["status"])) if path is not None else None
