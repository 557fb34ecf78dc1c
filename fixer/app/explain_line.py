"""What a status or a line of nginx's error log may mean, as `fixer explain` shows it, and what to run next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fixer.diagnose.line_meanings import MEANINGS, Meaning
from fixer.lazy.regex import regex
from fixer.nginx.pasted_line import kinds_of_line

_STATUS = regex(r"(?:(?:http(?:/[\d.]+)?|error|status)[ :]*+)?(502|504)?[ :]*(bad gateway|gateway time-?out)?\Z")
_STATUS_OF = {"bad gateway": "502", "gateway timeout": "504", "gateway time-out": "504"}
STATUS_TEXT = {
    "502": "502 Bad Gateway: nginx reached no backend, or got no valid answer.",
    "504": "504 Gateway Time-out: the backend did not answer in time.",
}
_TIMEOUTS = "timeout-"


class Say(Protocol):
    """What gives one of our texts in the language of the output, by its key and its English."""

    def __call__(self, key: str, english: str, /, **values: object) -> str: ...


def _in_english(key: str, english: str, /, **values: object) -> str:
    return english.format(**values) if values else english


def status_of(text: str) -> str:
    """Return the status, 502 or 504, that the text names; empty if it names none."""
    match = _STATUS.match(" ".join(text.lower().split()))
    return (match[1] or _STATUS_OF.get(match[2] or "", "")) if match else ""


def meanings_of(text: str) -> tuple[Meaning, ...]:
    """Return what a line of nginx's error log may mean; empty if it is no line about a gateway error."""
    kinds = kinds_of_line(text)
    return tuple(dict.fromkeys(meaning for kind in kinds for meaning in MEANINGS if kind in meaning.kinds))


def line_page(meanings: Iterable[Meaning], titles: dict[str, str], say: Say = _in_english) -> str:
    """Return the causes of a line, most likely first, and how to find the one that applies."""
    lines: list[str] = []
    for meaning in meanings:
        lines += [meaning.example, f"  {meaning.text}", ""]
        if meaning.causes:
            heading = say("console/page-causes", "Causes, most likely first")
            lines += [f"  {heading}", *_cause_lines(meaning.causes, titles), ""]
    lines += _next_lines(say)
    return "\n".join(lines) + "\n"


def status_page(status: str, titles: dict[str, str], families: dict[str, list[str]], say: Say = _in_english) -> str:
    """Return what to run for a status, what the lines of error.log mean, and the families of causes."""
    lines = [say(f"console/status {status}", STATUS_TEXT[status]), "", *_next_lines(say), "",
             say("console/without-fixer", "Without fixer: read what nginx logs, then ask `fixer explain 'LINE'`"),
             "  tail -n 5 /var/log/nginx/error.log     # in a container: docker logs --tail 5 NGINX", ""]
    lines += [say("console/page-lines", "The line in error.log, and its most likely causes")]
    for meaning in MEANINGS:
        is_timeout = any(kind.startswith(_TIMEOUTS) for kind in meaning.kinds)
        if meaning.causes and (status == "502" or is_timeout):
            known = [cause for cause in meaning.causes if cause in titles]
            lines += [f"  {meaning.example}", f"      {', '.join(known[:3])}{', …' if len(known) > 3 else ''}"]
    lines += ["", say("console/page-families", "Families of causes")]
    for family, names in families.items():
        lines += [f"  {family}", f"      {', '.join(names)}"]
    hint = say("console/explain-hint", "To read the page of a cause: fixer explain CAUSE")
    return "\n".join([*lines, "", hint]) + "\n"


def _cause_lines(causes: Iterable[str], titles: dict[str, str]) -> list[str]:
    return [f"    {cause:<29} {titles[cause]}" for cause in causes if cause in titles]


def _next_lines(say: Say) -> list[str]:
    return [say("console/page-find", "Find the cause"), "  sudo fixer diagnose                    # nginx on this host",
            "  fixer diagnose compose://PROJECT       # or docker://CONTAINER, ssh://HOST"]

