"""Containers whose start script ended before it started their nginx, because of a dependency that it waited for.

Such a container may have no route yet: its script writes nginx's site later.
"""

from __future__ import annotations

from collections.abc import Container

from fixer.analysis.case import Case, PortOwner
from fixer.analysis.dependency.complaint import DependencyComplaint, complaint_for
from fixer.analysis.dependency.logged_wait import logged_wait
from fixer.analysis.exits.failed_run import FailedRun, has_failed
from fixer.analysis.nginx_process import route_ids_of
from fixer.analysis.run_log import last_run_lines, message_of, read_run_end
from fixer.analysis.service_state import start_time_of
from fixer.causes.crash_dependency_down.reported_dependency import complaint_of, judge_complaint
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Effect, Finding
from fixer.model.snapshot import LogLine, Nginx

_NGINX_LINES = ("[emerg] ", "[alert] ")       # its nginx was started, and says itself why it ended


def ended_findings(case: Case, judged_services: Container[str], effects: tuple[Effect, ...]) -> list[Finding]:
    """Return a finding for each container that should run an nginx and ended without a dependency, unless an address
    leads to it, by which it is judged already."""
    found: list[Finding] = []
    for nginx in case.snapshot.nginxes:
        run = _ended_run(case, nginx) if nginx.service and nginx.service.id not in judged_services else None
        said = _complaint(case, run) if run is not None else None
        judged = judge_complaint(case, run, said) if run is not None and said is not None else None
        if isinstance(judged, Finding):
            detail = (f"{run.service.name if run is not None else nginx.node} ends before it starts its nginx",)
            found.append(replace(judged, node=nginx.node, effects=effects, detail=detail))
    return found


def _ended_run(case: Case, nginx: Nginx) -> FailedRun | None:
    """Return the last run of the container that should run this nginx, if it failed before its nginx said anything."""
    service = nginx.service
    if nginx.master_pid is not None or service is None or service.container is None or service.container.is_machine:
        return None
    if not has_failed(case, service, None):
        return None
    lines = last_run_lines(case.snapshot, service)
    if any(word in message_of(line) for line in lines for word in _NGINX_LINES):
        return None
    end = read_run_end(lines, start_time_of(service))
    return FailedRun(PortOwner(service, "placed", ()), (), lines, False, end, front_routes=route_ids_of(case, nginx))


def _complaint(case: Case, run: FailedRun) -> DependencyComplaint | None:
    """Return the error about a dependency that ended the run; else what its last lines say that it waited for."""
    said = complaint_of(run)
    waited = logged_wait(case, run.service) if said is None else None
    if waited is None:
        return said
    return replace(complaint_for(waited), log_line=LogLine(None, waited.source.text, waited.source.where))
