"""ignore: ignore a finding with owner, reason and last day; list and withdraw ignored findings."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

from fixer.app import ignore_list
from fixer.app.cause_catalogue import known_cause
from fixer.app.inspect_target import observe_and_diagnose, open_named_target
from fixer.app.request import DiagnoseRequest
from fixer.diagnose.ignored_findings import misplaced_notes
from fixer.errors import FixerError, UsageError
from fixer.hosts.open_target import parse_target
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import UNEXPLAINED, IgnoredFinding
from fixer.model.report import SCHEMA_VERSION, IgnoreReport

with lazy_imports():
    import pwd

_EXAMPLE = "for example: --until 2030-12-31"
_MOST_DAYS = 366 * 2  # days: an operator forgets a longer entry


def list_ignored(word: str) -> IgnoreReport:
    """Return the ignored findings of a target."""
    return IgnoreReport(SCHEMA_VERSION, word, ignore_list.load(parse_target(word)))


def ignore(word: str, cause: str, where: str, because: str, until: str) -> IgnoreReport:
    """Ignore a cause, on the target or only where `where` says."""
    ref = parse_target(word)
    known = cause if cause == UNEXPLAINED else known_cause(cause).id
    if not because.strip():
        raise UsageError("an ignored finding needs a reason", "--because 'moved to the new host on Friday'")
    for name, text in (("--because", because), ("--where", where)):
        if not text.isprintable():
            raise UsageError(f"{name} takes one line of text")
    name = ignore_list.new_id(ignore_list.load(ref))
    made = IgnoredFinding(name, known, where.strip(), because.strip(), user_name(), _parse_day(until))
    return IgnoreReport(SCHEMA_VERSION, word, ignore_list.add(ref, made), _unmatched_notes(word, made))


def _unmatched_notes(word: str, made: IgnoredFinding) -> tuple[str, ...]:
    """Return notes if nothing there matches `where`. The entry is added all the same: it may match later."""
    if not made.where:
        return ()
    try:
        with open_named_target(word) as target:
            look = observe_and_diagnose(target, DiagnoseRequest())
    except FixerError as error:
        return (f"could not check whether {made.where} exists: {error.message}",)
    return misplaced_notes((made,), look.diagnosis.findings, look.snapshot)


def withdraw(word: str, name: str) -> IgnoreReport:
    """Remove an entry from the ignore list."""
    return IgnoreReport(SCHEMA_VERSION, word, ignore_list.remove(parse_target(word), name))


def _parse_day(until: str) -> str:
    if not until:
        raise UsageError("an ignored finding needs a last day", _EXAMPLE)
    try:
        day = date.fromisoformat(until)
    except ValueError as error:
        raise UsageError(f"--until takes a day as YYYY-MM-DD, not {until!r}", _EXAMPLE) from error
    ahead = (day - datetime.now(UTC).date()).days
    if ahead < 0:
        raise UsageError(f"--until {until} has passed already")
    if ahead > _MOST_DAYS:
        raise UsageError(f"--until {until} is more than two years away", "choose a day at most two years ahead")
    return day.isoformat()


def user_name() -> str:
    """Return the user's name as sudo or the system gives it."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
