"""What bash's /dev/tcp or busybox nc printed about a probe, as the outcome that the probe program would give."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.hosts.machine.probe_program import BODY_LIMIT, HEAD_LIMIT, after_interim, is_interim
from fixer.lazy.regex import regex
from fixer.model.query import Probe

_TIMED_OUT = ("124", "137", "143")
_BEGINNING = regex(rb"H(T(T(P(/|$)|$)|$)|$)")
_STATUS = regex(rb"HTTP/\S+ (\d{3})\b")
_COMPLAINT_FIRST = regex(rb"^(?:cat|bash|nc|sh): [^\n]*\n(?=HTTP/)")      # a reset after the answer is told before it
_COMPLAINTS: tuple[tuple[bytes, str, int | None], ...] = (
    (b"Connection refused", "refused", 111), (b"No route to host", "unreachable", 113),
    (b"Network is unreachable", "unreachable", 101), (b"Connection timed out", "timeout", 110),
    (b"Connection reset", "reset", 104), (b"Name or service not known", "unresolved", None),
    (b"name resolution", "unresolved", None), (b"bad address", "unresolved", None),
)


def outcome(probe: Probe, words: Sequence[str], data: bytes) -> dict[str, object]:
    """`words` are the tool's exit code and the nanoseconds before and after it, where the node's date gives them."""
    code = words[0]
    found: dict[str, object] = {
        "phase": "connect", "errno": None, "error": None, "status": None, "ms": _milliseconds(words[1:]),
        "head": "", "body": "",
    }
    came, data = len(data), after_interim(_COMPLAINT_FIRST.sub(b"", data))
    head, whole, body = data.partition(b"\r\n\r\n")
    if is_interim(head) or (came and not data):     # of answers that are none a tool reads so many, and no more
        cut = code in _TIMED_OUT or came >= HEAD_LIMIT
        return found | {"error": "timeout" if cut else "closed", "phase": "head"}
    if code in _TIMED_OUT and not whole and _BEGINNING.match(data):
        return found | {"error": "timeout", "phase": "head", "head": head[:HEAD_LIMIT].decode("latin-1"),
                        "arrived": len(data)}
    if match := _STATUS.match(data):
        found |= {
            "phase": "done" if whole else "head", "status": int(match[1]), "head": head[:HEAD_LIMIT].decode("latin-1"),
            "body": body[:BODY_LIMIT].decode("latin-1"), "error": None if whole else "closed",
        }
        return found
    for text, word, number in _COMPLAINTS if code != "0" else ():
        if text in data:
            return found | {"error": word, "errno": number, "phase": "head" if word == "reset" else "connect"}
    if code in _TIMED_OUT:
        # the connect of a plain tool cannot be told from its wait for an answer: the request had been given to it
        return found | {"error": "timeout", "phase": "connect" if probe.path is None else "head"}
    if probe.path is None:
        return found | ({"phase": "done"} if code == "0" else {"error": data[:200].decode("latin-1") or "failed"})
    return found | {"phase": "head", "error": "not-http" if data else "closed"}


def _milliseconds(stamps: Sequence[str]) -> float:
    if len(stamps) == 2 and all(stamp.isdigit() and len(stamp) > 15 for stamp in stamps):
        return round((int(stamps[1]) - int(stamps[0])) / 1e6, 1)
    return 0.0
