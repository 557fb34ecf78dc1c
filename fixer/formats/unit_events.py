"""systemd's sentences about a unit, and the event that each of them means. No other module knows them.

A journal that is read as JSON says most events by message ids and fields (fixer/formats/journal_entries.py). The
sentences are needed for journals that were read as text, and for events that systemd logs without an id in all
versions: ROWS marks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fixer.lazy.regex import regex, up_to_first
from fixer.model.unit_event import SpawnReason, UnitEvent, UnitEventKind

_UNIT = regex(r"^(?P<unit>\S+): ")
_JOBS: tuple[tuple[str, UnitEventKind], ...] = (
    ("Started ", "started"), ("Starting ", "starting"), ("Stopped ", "stopped"), ("Stopping ", "stopping"),
    ("Failed to start ", "start-failed"), ("Dependency failed for ", "dependency-failed"),
    ("Assertion failed for ", "assertion-failed"), ("Condition check resulted in ", "condition-unmet"),
)
_MANAGER_TEXT = regex(
    r"^\S+\.service: |^(?:Started|Starting|Stopped|Stopping|Failed to start|Scheduled restart) ?"
    r"|^\d{9,}\.\d+ \S+ (?:systemd(?:\[\d+\])?|\(\S+\)\[\d+\]): "
)
_REASONS: dict[str, SpawnReason] = {"No such file or directory": "missing", "Permission denied": "denied",
                                    "Exec format error": "format", "No such process": "missing"}


def _exited(unit: str, found: re.Match[str]) -> UnitEvent:
    kind: UnitEventKind = "main-exited" if found["which"] == "Main" else "control-exited"
    return UnitEvent(kind, unit, found["code"], int(found["status"]))


def _scheduled(unit: str, found: re.Match[str]) -> UnitEvent:
    return UnitEvent("restart-scheduled", unit, count=int(found["count"] or 0))


def _step_failed(unit: str, found: re.Match[str]) -> UnitEvent:
    return UnitEvent("step-failed", unit, subject=found["step"], reason=_REASONS.get(found["why"].strip(), "unknown"))


def _unmet(unit: str, found: re.Match[str]) -> UnitEvent:
    return UnitEvent("condition-unmet", unit, subject=found["key"], detail=found["value"])


def _bad_file(_: str, found: re.Match[str]) -> UnitEvent:
    return UnitEvent("bad-unit-file", subject=f"{found['file']}:{found['line']}", detail=found["what"])


def _plain(kind: UnitEventKind) -> Callable[[str, re.Match[str]], UnitEvent]:
    def made(unit: str, found: re.Match[str]) -> UnitEvent:
        named = found.groupdict()
        return UnitEvent(kind, unit, result=named.get("result") or "", subject=named.get("subject") or "",
                         detail=named.get("detail") or "")
    return made


_Row = tuple[str, "re.Pattern[str]", Callable[[str, "re.Match[str]"], UnitEvent]]
# A row is tried where its first word is in the line. systemd gives these a message id.
_WITH_ID: tuple[_Row, ...] = (
    # an id and fields do not tell which command of a forking unit ended: its first process and its program are one
    (" process exited", regex(r"(?P<which>Main|Control) process exited, code=(?P<code>\w+), "
                              r"status=(?P<status>\d{1,3})"), _exited),
    ("Failed with result", regex(r"Failed with result '(?P<result>[a-z-]+)'"), _plain("failed")),
    ("Deactivated successfully", regex(r"Deactivated successfully"), _plain("succeeded")),
    ("Succeeded", regex(r": Succeeded\.$"), _plain("succeeded")),
    ("Scheduled restart", regex(r"^\S+: Scheduled restart job(?:, restart counter is at (?P<count>\d{1,9}))?"),
     _scheduled),
    ("OOM killer", regex(r"killed by the OOM killer"), _plain("oom-kill")),
    # the field ERRNO says why, but no field says at which step
    ("Failed at step", regex(up_to_first(r"Failed at step (?P<step>[A-Z_]+) spawning ") + r".*?: (?P<why>[^:]+)$"),
     _step_failed),
    ("with result 'dependency'", regex(r"failed with result 'dependency'"), _plain("dependency-failed")),
)
# These have none in any version: their English is all that there is. PID 1 never translates what it logs.
_WITHOUT_ID: tuple[_Row, ...] = (
    # the unit's Result stays that of the run before, so the field UNIT_RESULT does not tell it either
    ("too quickly", regex(r"[Ss]tart request repeated too quickly"), _plain("start-limit")),
    # Result=timeout is said of all of them
    ("tart operation timed out", regex(r"[Ss]tart operation timed out\. Terminating"), _plain("start-timeout")),
    ("State 'stop-", regex(r"State 'stop-(?:sigterm|watchdog)' timed out\. Killing"), _plain("stop-timeout")),
    ("timed out", regex(r"timed out\. Terminating"), _plain("timeout")),
    ("Service reached", regex(r"Service reached runtime time limit"), _plain("runtime-limit")),
    ("Watchdog timeout", regex(r"Watchdog timeout \(limit "), _plain("watchdog")),
    ("PID file", regex(r"Can't open PID file '?(?P<subject>/[^'\s]+)'? \(yet\?\) after start"),
     _plain("pid-file-missing")),
    ("PID file", regex(r"PID file (?P<subject>/\S+) not readable \(yet\?\) after start"), _plain("pid-file-missing")),
    ("environment files", regex(r"Failed to load environment files"), _plain("environment-file-missing")),
    ("unset environment variable", regex(r"Referenced but unset environment variable evaluates to an empty string: "
                                         r"(?P<detail>\w+(?:, \w+)*)$"), _plain("variables-unset")),
    # a start job that a condition skipped has the id of one that is done (255 and newer, then older versions)
    ("unmet condition check", regex(up_to_first(r"skipped, unmet condition check (?=Condition\w+=)")
                                    + r"(?P<key>Condition\w+)=(?P<value>.*\S)\s*$"), _unmet),
    ("skipped because of a", regex(up_to_first(r"skipped because of (?:an unmet|a failed) condition check "
                                              r"\((?=Condition\w+=)")
                                   + r"(?P<key>Condition\w+)=(?P<value>[^)\n]*)\)"), _unmet),
    ("no trigger condition", regex(r"skipped because no trigger condition"), _plain("condition-unmet")),
    ("asserts failed", regex(r"\basserts failed\.\s*$"), _plain("assertion-failed")),
    # its id is that of many other mistakes, and no field holds what it says
    ("/", regex(r"^(?P<file>/[^\s:]+):(?P<line>\d+): (?P<what>.+)$"), _bad_file),
    ("efusing.", regex(r"^\S+: (?P<detail>Service has .+Refusing\.|Service .+ Refusing\.)$"), _plain("bad-unit-file")),
    (" on ", regex(r"^\S+: (?:Found ordering cycle on|Found dependency on) (?P<subject>[^\s/]+)/"),
     _plain("ordering-cycle")),
    (" cycle", regex(r"Job \S+/start deleted to break ordering cycle|Unable to break cycle"),
     _plain("start-job-dropped")),
)
ROWS = (*_WITH_ID, *_WITHOUT_ID)


def event_in(text: str) -> UnitEvent | None:
    """Return the event that a line of a log means, without its time and writer; None for any other line."""
    for words, kind in _JOBS:
        if text.startswith(words):
            return UnitEvent(kind)
    for words, pattern, made in ROWS:
        if words in text and (found := pattern.search(text)) is not None:
            named = _UNIT.match(text)
            return made(named["unit"] if named is not None else "", found)
    return None


def is_manager_text(text: str) -> bool:
    """Return whether a line looks as if the service manager wrote it."""
    return _MANAGER_TEXT.search(text) is not None
