"""What a trainer writes for a class: the names of its people, and for how long. Pure."""

from __future__ import annotations

import re
import secrets

from lab.errors import UsageError

MOST_PEOPLE = 60
LONGEST = 24 * 3600.0  # seconds
SHORTEST = 60.0  # seconds
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_LONGEST_NAME = 60
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no character that looks like another one on paper
_GROUPS, _GROUP = 4, 4


def read_roster(text: str, source: str) -> tuple[str, ...]:
    """Return the names of a roster: one a line, blank lines and lines with `#` in front are none.
    Raise UsageError for a name that occurs twice, is too long or holds a control character, and for no name at all."""
    names: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        name = " ".join(line.split())
        if not name or name.startswith("#"):
            continue
        if name in names:
            raise UsageError(f"{source}:{number}: {name!r} occurs twice", "tell them apart: a second name, a number")
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError(f"{source}:{number}: a name has at most {_LONGEST_NAME} printable characters")
        names.append(name)
    if not names:
        raise UsageError(f"{source} names nobody", "write one name on each line")
    if len(names) > MOST_PEOPLE:
        raise UsageError(f"{source} names {len(names)} people; a class has at most {MOST_PEOPLE}")
    return tuple(names)


def seconds_of(text: str) -> float:
    """Return the seconds of a time such as `2h`, `90m` or `1h30m`; raise UsageError for others."""
    found = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?", text.strip())
    if found is None or not any(found.groups()):
        raise UsageError(f"{text!r} is no time to live", "write such as 2h, 90m or 1h30m")
    seconds = sum(int(number or 0) * unit for number, unit in zip(found.groups(), _UNITS.values(), strict=True))
    if not SHORTEST <= seconds <= LONGEST:
        raise UsageError(f"a class lives from {SHORTEST:.0f} seconds to {LONGEST / 3600:.0f} hours, not {text}")
    return seconds


def new_token() -> str:
    """Return a secret of one person, of 79 bits, that can be typed from paper."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)
