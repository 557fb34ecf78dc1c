"""Memory that a service needs again as soon as the kernel has taken it: it waits for its disk, and not in a call."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import now_on, ran_since
from fixer.model.facts import Known
from fixer.model.snapshot import Service

MANY = 5_000         # pages: what a start in little memory may need again
RATE = 100.0         # pages a second since its start, on the average: a slow disk gives no more


def refault_rate(case: Case, service: Service, pages: int) -> float:
    """Pages a second since the service was started."""
    return pages / max(1.0, now_on(case.snapshot, service.node) - ran_since(service))


def is_thrashing(case: Case, service: Service) -> bool:
    """Whether that is what it does now; False where nobody could count."""
    pages = service.refaults.value if isinstance(service.refaults, Known) else 0
    return pages >= MANY and refault_rate(case, service, pages) >= RATE
