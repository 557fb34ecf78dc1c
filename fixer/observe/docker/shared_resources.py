"""Containers that live in another container's network (`network_mode: service:x`): an address leads to all of them."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.model.facts import Known
from fixer.model.snapshot import Container, Service


def sharing(container: Container, port: int, services: Sequence[Service]) -> Container | None:
    """The container that serves where an address leads to `container`, where that only lends its network: the one
    application in it, or of several the one that is told the port. None where it is `container` itself, or not known.
    """
    lent = [s for s in services if s.container is not None and _is_in(s.container, container)]
    if not lent:
        return None
    own = [s for s in services if s.container is not None and s.container.id == container.id]
    serving = [s for s in (*own, *lent) if s.is_app_server and s.runtime]      # a lender may only sleep
    told = [s for s in serving if isinstance(s.bindings, Known) and any(b.port == port for b in s.bindings.value)]
    best = told if len(told) == 1 else serving
    return best[0].container if len(best) == 1 and best[0] not in own else None


def _is_in(box: Container, lender: Container) -> bool:
    return box.id != lender.id and box.lender == lender.id
