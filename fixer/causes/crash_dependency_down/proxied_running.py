"""Calls of a program that runs to a service of the same target, which a proxy of its variables takes.

Its pages answer with errors of their own, which are answers: so this is advice. A start that such a call ends is
judged by proxied_dependency.
"""

from __future__ import annotations

from collections.abc import Container

from fixer.analysis.case import Case
from fixer.analysis.dependency.startup_script import locate_script_dependency
from fixer.analysis.evidence import address_text, clock_of, log_evidence
from fixer.analysis.route_verdict import LOGGED_SECONDS
from fixer.analysis.run_log import last_run_lines, read_run_end
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.causes.crash_dependency_down.proxied_call import ProxiedCall, is_excepted, told_call
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID
from fixer.managers import manager_of
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Finding
from fixer.model.snapshot import Service

_LINES = 200        # of a run: a program that answers pages writes more than one that ends at its start


def proxied_advice(case: Case, judged_services: Container[str]) -> list[Finding]:
    """Return the advice on each application that runs and whose log says that a proxy had such a call just now."""
    services = (s for s in case.snapshot.services if s.is_app_server and s.running and s.id not in judged_services
                and any(not variable.is_exception for variable in s.proxies))
    return [found for service in services if (found := _finding(case, service)) is not None]


def _finding(case: Case, service: Service) -> Finding | None:
    end = read_run_end(last_run_lines(case.snapshot, service), start_time_of(service), _LINES)
    call = told_call(end, service)
    if call is None or not call.host or call.variable is None or _is_old(case, service, call) or is_excepted(
            call.host, call.port, call.exceptions):
        return None
    said = log_evidence(call.line.text, call.line.where)
    needed = locate_script_dependency(case, service, Dependency(said, host=call.host, port=call.port))
    if needed.node is None:
        return None         # elsewhere: whether the proxy should lead there is not known
    variable, what = call.variable, address_text(call.host, call.port)
    answer = f", which answers {call.answer}" if call.answer else ""
    name = call.exceptions.name if call.exceptions is not None else (
        "no_proxy" if variable.name.islower() else "NO_PROXY")
    place = call.exceptions.source.where if call.exceptions is not None else variable.source.where
    return Finding(
        cause=CAUSE_ID, variant="call-through-proxy", role="advice", confidence="certain",
        summary=(f"{service.name} asks {what}, which is here, through the proxy of its variable {variable.name} "
                 f"({variable.source.where}){answer}: what needs that call fails"),
        detail=(f"name {call.host} in {name} ({place}), then {manager_of(service).reread_text()}",),
        routes=_routes(case, service), service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            said, *(v.source for v in (variable, call.exceptions) if v is not None),
            *(state_evidence(p) for p in needed.providers), *needed.evidence))))


def _is_old(case: Case, service: Service, call: ProxiedCall) -> bool:
    at = call.line.at
    return at is not None and at < clock_of(case.snapshot, service.node) - LOGGED_SECONDS


def _routes(case: Case, service: Service) -> tuple[str, ...]:
    return tuple(judged.facts.route.id for judged in case.verdicts.values() if any(
        case.endpoints[name].listening_service == service.id for name in judged.facts.endpoints))
