"""A parent that opened the socket while none of the programs that it starts to take the connections lasts."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import keeper_of, listener_at, now_on, pids_of, processes_of
from fixer.analysis.run_log import message
from fixer.lazy.regex import regex
from fixer.model.snapshot import LogLine, Process, Service

_RELOADED = regex(r"\w+ detected changes? in .{1,400}\. Reloading\.\.\.$")      # uvicorn
_SETTLED = 10.0     # seconds: a program that lives so long does not end at its start


def without_program(case: Case, trouble: Trouble, service: Service) -> str:
    """What the parent is (circusd, a server that reloads its code), where its programs end at once: that is no question
    of one that waits. Empty for any other service."""
    ours = processes_of(case.snapshot, service.node, service.pids)
    parents = {p.pid: name for p in ours if (name := _parent(p))}
    held = listener_at(trouble.endpoint)
    if held is None or not parents.keys() & set(pids_of(held)):
        return ""
    if not any(map(keeper_of, ours)) and not any(p.state == "Z" for p in ours):
        return ""       # a server whose program lives is no keeper
    young = now_on(case.snapshot, service.node) - _SETTLED
    lasting = [p for p in ours if p.pid not in parents and p.state != "Z" and p.started_at < young and not _tracks(p)]
    return "" if lasting else next(iter(parents.values()))


def _parent(process: Process) -> str:
    return keeper_of(process) or ("what reloads its code" if "--reload" in process.argv else "")


def _tracks(process: Process) -> bool:
    """Python's own helper beside processes that it spawns."""
    return any("resource_tracker" in word for word in process.argv)


def since_reload(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """What was said since the code was read anew: that it served before is of another code."""
    last = next((i for i in range(len(lines) - 1, -1, -1) if _RELOADED.search(message(lines[i]).rstrip())), -1)
    return tuple(lines[last + 1:])
