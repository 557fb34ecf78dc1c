"""What besides the managers would start a server: cron, rc.local, runit and their like, a container's own script."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.route_verdict import is_closed
from fixer.model.starters import Starter


def starters_at(case: Case, trouble: Trouble) -> tuple[Starter, ...]:
    """What would start a server at that address, where nobody listens there."""
    endpoint = trouble.endpoint
    if not case.snapshot.starters or is_closed(endpoint) is not True or endpoint.inner:
        return ()
    return tuple(s for s in case.snapshot.starters if s.node == endpoint.node and (
        s.unix == endpoint.unix if endpoint.unix is not None or s.unix is not None else s.port == endpoint.port))
