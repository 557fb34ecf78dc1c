"""The start that is left to do where the reason of a failure has gone."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import Crash
from fixer.model.diagnosis import Repair
from fixer.repairs.start_service import restart_steps, start_steps


def start_again(case: Case, crash: Crash) -> tuple[Repair, ...]:
    """Clear its failures and start it; a parent that runs, and whose workers end, is restarted. Empty where nobody
    manages it."""
    service, endpoint = crash.service, crash.troubles[0].endpoint
    if crash.inside:
        steps = restart_steps(case.snapshot, service, endpoint)
        return (Repair("restart-service", "disruptive", f"restart {service.name}", steps),) if steps else ()
    steps = start_steps(case.snapshot, service, endpoint)
    return (Repair("start-service", "safe", f"start {service.name}", steps),) if steps else ()
