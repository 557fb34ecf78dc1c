"""Policy files that bind a repair: on the machine that runs fixer, and on the machine that it changes."""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal

from fixer.errors import CannotObserve, NeedsPerson
from fixer.hosts.machine.state_root import POLICY, read_own_file
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.host import Target
from fixer.model.journal import FileState
from fixer.model.plan import affected_services

with lazy_imports():
    from fixer.policy import parse_rules  # most hosts have no such file

if TYPE_CHECKING:
    from fixer.policy import Rules

_NO_REPAIR_HINT = "until then fixer repairs nothing"


def read_policies(target: Target) -> tuple[Rules, ...]:
    """Return the rules of every policy file; raise NeedsPerson if one is unreadable or invalid."""
    found = [rules for rules in (_local_policy(), _remote_policy(target)) if rules is not None]
    return tuple(dict.fromkeys(found))


def policy_notes(target: Target) -> tuple[str, ...]:
    """Return the rules as lines of a report, or one line about a file that cannot be used."""
    try:
        return tuple(rules.summary_text() for rules in read_policies(target))
    except NeedsPerson as error:
        return (f"{error.message}: {error.hint}",)


def policy_check(rules: tuple[Rules, ...]) -> Callable[[Finding, Repair], str]:
    """Return the planner's check: why a repair may not be applied now without an operator; empty if it may."""
    now = time.localtime()

    def why(finding: Finding, repair: Repair) -> str:
        minute = now.tm_hour * 60 + now.tm_min
        touched = dict.fromkeys((finding.service, *affected_services(repair.steps)))
        reasons = (each.forbids(repair.risk, one, now.tm_wday, minute) for each in rules for one in touched)
        return next((reason for reason in reasons if reason), "")

    return why


def _local_policy() -> Rules | None:
    try:
        found = [FileState(_kind(info.st_mode), "", 0, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
                 for info in map(os.lstat, (posixpath.dirname(POLICY), POLICY))]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable_error(POLICY, error) from error
    _require_trusted(POLICY, found, {0, os.geteuid()})
    try:
        return parse_rules(read_own_file(POLICY), POLICY)
    except OSError as error:
        raise _unreadable_error(POLICY, error) from error


def _kind(mode: int) -> Literal["link", "other"]:
    return "link" if stat.S_ISLNK(mode) else "other"


def _remote_policy(target: Target) -> Rules | None:
    """Return the policy of the machine that holds the journal, if that is another machine."""
    if target.ref.kind not in ("docker", "ssh"):
        return None
    try:
        writer, _ = target.journal_location()
    except (NeedsPerson, CannotObserve):
        return None  # nothing can be changed there, so no permission is needed
    if writer.name in ("local", "engine"):
        return None
    where = f"{writer.name}:{POLICY}"
    try:
        found = writer.files.state(POLICY)
        if found.kind == "absent":
            return None
        _require_trusted(where, [writer.files.state(posixpath.dirname(POLICY)), found], {0})
        return parse_rules(writer.files.read(POLICY), where)
    except OSError as error:
        raise _unreadable_error(where, error) from error


def _require_trusted(where: str, found: Sequence[FileState], owners: Collection[int]) -> None:
    """Raise NeedsPerson unless only the owners (root, or the local user) can write the folder and the file."""
    for state, path in zip(found, (posixpath.dirname(where), where), strict=True):
        if state.kind == "link":
            raise NeedsPerson(f"{path} is a link", f"replace the link with the file; {_NO_REPAIR_HINT}")
        shared = state.mode & 0o002 or (state.mode & 0o020 and state.gid != 0)
        if shared or state.uid not in owners:
            who = "users other than root can change it" if shared else f"it belongs to uid {state.uid}"
            raise NeedsPerson(f"{path}: {who}", f"chown root:root {path}; chmod go-w {path}; {_NO_REPAIR_HINT}")


def _unreadable_error(where: str, error: OSError) -> NeedsPerson:
    return NeedsPerson(f"{where} cannot be read: {error.strerror or error}", _NO_REPAIR_HINT)
