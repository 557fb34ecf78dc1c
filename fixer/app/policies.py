"""The policy files that bind a repair: that of the machine where fixer runs, and that of the machine it changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fixer.errors import CannotObserve, NeedsPerson
from fixer.hosts.base import Target
from fixer.hosts.state import POLICY, own_bytes
from fixer.model.diagnosis import Finding, Repair

if TYPE_CHECKING:
    from fixer.policy import Rules


def policies(target: Target) -> tuple[Rules, ...]:
    """The rules of every file that is there; NeedsPerson where one cannot be read or understood."""
    found = [rules for rules in (_here(), _there(target)) if rules is not None]
    return tuple(dict.fromkeys(found))


def told(target: Target) -> tuple[str, ...]:
    """The rules in words, for a report; a file that cannot be used is named too."""
    try:
        return tuple(rules.told() for rules in policies(target))
    except NeedsPerson as error:
        return (f"{error.message}: {error.hint}",)


def forbidding(rules: tuple[Rules, ...]) -> Callable[[Finding, Repair], str]:
    """What the planner asks: why a repair may not be made now without a person."""
    now = time.localtime()

    def why(finding: Finding, repair: Repair) -> str:
        minute = now.tm_hour * 60 + now.tm_min
        reasons = (each.forbids(repair.risk, finding.service, now.tm_wday, minute) for each in rules)
        return next((reason for reason in reasons if reason), "")

    return why


def _here() -> Rules | None:
    try:
        return _parsed(own_bytes(POLICY), POLICY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unread(POLICY, error) from error


def _there(target: Target) -> Rules | None:
    """The file on the machine that holds the journal, where that is another one."""
    if target.ref.kind not in ("docker", "ssh"):
        return None
    try:
        writer, _ = target.journal_place()
    except (NeedsPerson, CannotObserve):
        return None      # nothing can be changed there, so nothing needs leave
    if writer.name in ("local", "engine"):
        return None
    try:
        return _parsed(writer.files.read(POLICY), f"{writer.name}:{POLICY}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unread(f"{writer.name}:{POLICY}", error) from error


def _unread(where: str, error: OSError) -> NeedsPerson:
    return NeedsPerson(f"{where} cannot be read: {error.strerror or error}", "until then nothing is repaired unasked")


def _parsed(data: bytes, where: str) -> Rules:
    from fixer.policy import parse_rules  # most hosts have no such file

    return parse_rules(data, where)
