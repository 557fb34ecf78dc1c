"""Units whose start job is queued, and the units that systemd starts first."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.query import Command, Query
from fixer.model.snapshot import BlockingUnit, Unit
from fixer.observe.view.node_view import View

JOBS = Command("systemctl-jobs")
_JOB = regex(r"^\s*(?P<id>\d+)\s+(?P<unit>\S+)\s+(?P<kind>\S+)\s+(?P<state>running|waiting)\s*$")
_WAIT = regex(r"waiting for job (?P<id>\d+) \(\S+\)")
_MOST_AWAITED = 4
_INACTIVE_STATES = frozenset({"inactive", "failed"})


def is_queued(unit: Unit) -> bool:
    """Return whether a systemd job waits to change an inactive or failed unit."""
    return unit.job > 0 and unit.active_state in _INACTIVE_STATES


def job_queries(unit: Unit, view: View) -> Iterator[Query]:
    """Yield the query for the jobs, then for awaited units that the list of all units lacks (systemd's own)."""
    if not is_queued(unit):
        return
    yield JOBS
    unseen = tuple(name for name in _awaited_units(unit, view) if name not in view.units)
    if unseen:
        yield Command("systemctl-show", unseen)


def with_awaited_units(unit: Unit, view: View) -> Unit:
    """Return the unit with the units that its start waits for; unchanged if no start is queued."""
    names = _awaited_units(unit, view) if is_queued(unit) else ()
    units = {name: view.units.get(name) for name in names}
    found = (BlockingUnit(name, one.state_change if one is not None else 0.0) for name, one in units.items())
    return replace(unit, blocked_by=tuple(found)) if names else unit


def _awaited_units(unit: Unit, view: View) -> tuple[str, ...]:
    """Return units with running jobs that the start of this unit waits for, directly or through other waiting jobs."""
    answer = view.node.answers.get(JOBS)
    if answer is None or answer.status != "ok":
        return ()
    units: dict[str, str] = {}
    running: set[str] = set()
    waits: dict[str, list[str]] = {}
    start = last = ""
    for line in answer.data.decode(errors="replace").splitlines():
        if (told := _JOB.match(line)) is not None:
            last = told["id"]
            units[last] = told["unit"]
            running |= {last} if told["state"] == "running" else set()
            if (told["unit"], told["kind"]) == (unit.name, "start"):
                start = last
        elif (behind := _WAIT.search(line)) is not None and last:
            waits.setdefault(last, []).append(behind["id"])
    found: list[str] = []
    open_, seen = [start], {start}
    while open_:
        job = open_.pop()
        found += [job] if job in running and job != start else []
        new = [one for one in waits.get(job, ()) if one not in seen]
        seen |= {*new}
        open_ += new
    return tuple(sorted(units[job] for job in found)[:_MOST_AWAITED])
