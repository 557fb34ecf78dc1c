"""One kill from outside, after which systemd started the unit again: what follows is a start, not a loop."""

from __future__ import annotations

from fixer.analysis.evidence import now_on
from fixer.analysis.run_log import LOOPING_SPAN, lines_of, message, since_asked
from fixer.lazy.regex import regex
from fixer.model.snapshot import LogLine, Service, Snapshot

_END = regex(r"Main process exited, code=(?P<code>\w+), status=(?P<status>\d+)")
_NOT_OUTSIDE = regex(r"oom-kill|OOM killer|timed out|[Ww]atchdog|Failed with result '(?!signal)")
_OUTSIDE = frozenset({"1", "2", "3", "9", "15"})     # what a person or a script sends; the rest are faults of its own


def one_kill(snapshot: Snapshot, service: Service) -> LogLine | None:
    """systemd's line about the only end of the last minutes, where it was such a kill and the next run has begun."""
    unit = service.unit
    if unit is None or not unit.n_restarts or unit.sub_state == "auto-restart" or not service.running:
        return None
    since = now_on(snapshot, service.node) - LOOPING_SPAN
    recent = since_asked(tuple(line for line in lines_of(service) if line.at is not None and line.at >= since))
    ends = [(line, match) for line in recent if (match := _END.search(message(line))) is not None]
    if len(ends) != 1 or any(_NOT_OUTSIDE.search(message(line)) for line in recent):
        return None
    line, match = ends[0]
    return line if match["code"] == "killed" and match["status"] in _OUTSIDE else None
