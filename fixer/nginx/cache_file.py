"""A file in which nginx keeps an answer: which page it is, the status that visitors get, and until when.

A header of binary numbers comes first, then `\\nKEY: ` with the value of `proxy_cache_key`, then the answer as the
backend gave it. The header's length differs between versions, so the key is looked for. On 64 bits the header begins
with its version and the second in which the answer expires.
"""

from __future__ import annotations

from fixer.lazy.regex import regex
from fixer.model.nginx_config import KeptAnswer

_KEPT = regex(rb"\nKEY: (?P<key>[^\n]{1,300})\n(?:HTTP/1\.[01] |Status: )(?P<status>[1-5]\d\d)\b")
_MOST_HEADER = 400       # bytes before the key: 336 in nginx 1.30 on 64 bits
# The usual key has the address before the path. A unix socket has slashes itself; `:` ends it, or where a variable gave
# the address without one, whatever byte stood behind it in nginx's memory.
_PATH = regex(r"(?:[a-z]*(?:://)?unix:/(?:[!-9;-~]*:|[!-~]*\.sock(?:et)?[^\n])"
              r"|(?![a-z]*(?:://)?unix:/)(?:[a-z]+://)?[!-.0-~]*)(?P<path>/[!-~]*)")
START = 16       # bytes of the version and of the second
_VERSIONS = range(1, 100)


def read_cache_file(head: bytes) -> KeptAnswer | None:
    """Return what the first bytes of a file say; None if it is no such file, or its key names no path."""
    found = _KEPT.search(head)
    if found is None or found.start() > _MOST_HEADER:
        return None
    path = _PATH.fullmatch(found["key"].decode("latin-1"))
    if path is None:
        return None
    plain = path["path"].partition("?")[0].partition("#")[0]
    return KeptAnswer(plain, int(found["status"]), _expiry(head[:START]) if found.start() >= START else 0)


def _expiry(start: bytes) -> int:
    known = int.from_bytes(start[:8], "little") in _VERSIONS
    return max(0, int.from_bytes(start[8:], "little", signed=True)) if known else 0
