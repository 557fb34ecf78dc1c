"""A finding that somebody has accepted: known, left alone, until a date."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """`where` names a service, node, route (location, server name) or file; empty: wherever the cause is found.

    `until` is the last day (YYYY-MM-DD, UTC) on which it holds; `owner` is who answers for it.
    """

    id: str
    cause: str
    where: str
    because: str
    owner: str
    until: str
