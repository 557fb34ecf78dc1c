"""The policy file: repairs allowed without an operator (`--yes`). Pure: returns the rules, or raises with the reason.

    max_risk = "safe"                            # or "disruptive"
    services = ["shop-*", "billing.service"]     # only these; "!" in front: never this one
    hours = ["mon-fri 22:00-06:00", "sat-sun"]   # local time of the host; outside them `--yes` repairs nothing
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

from fixer.errors import NeedsPerson
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = regex(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?)?\s*"
    r"(?:(?P<from>\d\d):(?P<from_minute>[0-5]\d)-(?P<to>\d\d):(?P<to_minute>[0-5]\d))?"
)


@dataclass(frozen=True, slots=True)
class Window:
    """Days (0 is Monday) on which it begins, and minutes of the day; an `end` before `begin` is past midnight."""

    days: frozenset[int]
    begin: int
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        """Return whether that moment lies in the window."""
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        yesterday = (weekday - 1) % 7
        return (weekday in self.days and minute >= self.begin) or (yesterday in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of the policy file. `where` names the file in messages."""

    where: str
    max_risk: Literal["safe", "disruptive"] = "disruptive"
    services: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()

    def forbids(self, risk: str, service: str | None, weekday: int, minute: int) -> str:
        """Return why this repair is not allowed now without an operator, or an empty text if it is."""
        if risk == "disruptive" and self.max_risk == "safe":
            return f"{self.where} allows only safe repairs with --yes"
        if self.services and not self._covers(service):
            return f"{self.where} allows no repair of {service or 'anything that is not a service'} with --yes"
        if self.windows and not any(window.holds(weekday, minute) for window in self.windows):
            clock = f"{_DAYS[weekday]} {minute // 60:02}:{minute % 60:02}"
            return f"{self.where} allows repairs with --yes only {', '.join(self.hours)}; the time here is now {clock}"
        return ""

    def _covers(self, service: str | None) -> bool:
        name = service or ""
        names = (name, name.removesuffix(".service"), f"{name}.service") if name else ("",)
        never = [glob[1:] for glob in self.services if glob.startswith("!")]
        only = [glob for glob in self.services if not glob.startswith("!")]
        if any(fnmatchcase(text, glob) for text in names for glob in never):
            return False
        return not only or any(fnmatchcase(text, glob) for text in names for glob in only)

    def summary_text(self) -> str:
        """Return the rules in one line."""
        parts = [f"up to {self.max_risk}"]
        parts += [f"services {', '.join(self.services)}"] if self.services else []
        parts += [f"hours {', '.join(self.hours)}"] if self.hours else []
        return f"{self.where}: without an operator {'; '.join(parts)}"


def parse_rules(data: bytes, where: str) -> Rules:
    """Parse the policy file. Raise NeedsPerson if anything in it is not understood; never guess or skip it."""
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _policy_error(where, str(error)) from error
    unknown = sorted(set(table) - {"max_risk", "services", "hours"})
    if unknown:
        raise _policy_error(where, f"unknown key {unknown[0]}; the keys are max_risk, services and hours")
    risk = table.get("max_risk", "disruptive")
    if risk not in ("safe", "disruptive"):
        raise _policy_error(where, "max_risk must be safe or disruptive")
    hours = _read_texts(table, "hours", where)
    return Rules(where, risk, _read_texts(table, "services", where), hours,
                 tuple(_parse_window(text, where) for text in hours))


def _policy_error(where: str, why: str) -> NeedsPerson:
    return NeedsPerson(f"{where}: {why}", "correct the policy file; until then fixer repairs nothing")


def _read_texts(table: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
    if key not in table:
        return ()
    value = table[key]
    if not isinstance(value, list) or not all(isinstance(text, str) and text.lstrip("!").strip() for text in value):
        raise _policy_error(where, f"{key} must be a list of strings")
    if not value:       # an empty list could mean all or none
        raise _policy_error(where, f"{key} is empty; remove it if it should limit nothing")
    return tuple(value)


def _parse_window(text: str, where: str) -> Window:
    match = _WINDOW.fullmatch(text.strip().lower())
    names = [name for name in (match["first"], match["last"]) if name] if match else []
    if match is None or not text.strip() or any(name not in _DAYS for name in names):
        raise _policy_error(where, f"hours are written 'mon-fri 22:00-06:00', not {text!r}")
    begin = int(match["from"]) * 60 + int(match["from_minute"]) if match["from"] else 0
    end = int(match["to"]) * 60 + int(match["to_minute"]) if match["to"] else 24 * 60
    if max(begin, end) > 24 * 60 or begin == end:
        raise _policy_error(where, f"{text!r} is not a time of day")
    first = _DAYS.index(names[0]) if names else 0
    length = 7 if not names else (_DAYS.index(names[-1]) - first) % 7 + 1
    return Window(frozenset((first + number) % 7 for number in range(length)), begin, end)
