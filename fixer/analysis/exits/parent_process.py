"""A parent that holds the socket while the programs that it starts to accept connections end at once."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import clock_of, listener_at, pids_of, processes_of, supervisor_name_of
from fixer.analysis.run_log import message_of
from fixer.lazy.regex import regex
from fixer.model.snapshot import LogLine, Process, Service

_CODE_RELOADED = regex(r"\w detected changes? in .{1,400}\. Reloading\.\.\.$")      # uvicorn
_SETTLED_AGE = 10.0     # seconds: a program that lives so long does not end at its start


def parent_without_workers(case: Case, trouble: FailingAddress, service: Service) -> str:
    """Return what the parent is (circusd, a server that reloads its code), if its programs end at once: it does not
    hang. Empty for any other service."""
    ours = processes_of(case.snapshot, service.node, service.pids)
    parents = {p.pid: name for p in ours if (name := _parent_kind(p))}
    held = listener_at(trouble.endpoint)
    if held is None or not parents.keys() & set(pids_of(held)):
        return ""
    if not any(map(supervisor_name_of, ours)) and not any(p.state == "Z" for p in ours):
        return ""       # a server with a live program
    young = clock_of(case.snapshot, service.node) - _SETTLED_AGE
    lasting = [p for p in ours if p.pid not in parents and p.state != "Z" and p.started_at < young
               and not _is_resource_tracker(p)]
    return "" if lasting else next(iter(parents.values()))


def _parent_kind(process: Process) -> str:
    return supervisor_name_of(process) or ("its code reloader" if "--reload" in process.argv else "")


def _is_resource_tracker(process: Process) -> bool:
    """Return whether it is Python's own helper for processes that it spawns."""
    return any("resource_tracker" in word for word in process.argv)


def lines_since_reload(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """Return the lines since the code was reloaded: earlier lines are about other code."""
    last = next((i for i in range(len(lines) - 1, -1, -1) if _CODE_RELOADED.search(message_of(lines[i]).rstrip())), -1)
    return tuple(lines[last + 1:])
