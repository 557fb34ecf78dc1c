"""A dependency that the program asks through a proxy of its variables, and the variable that leads past the proxy."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.dependency.complaint import DependencyComplaint
from fixer.analysis.dependency.locate import LocatedDependency, locate_dependency
from fixer.analysis.evidence import address_text, log_evidence
from fixer.analysis.exits.exit_reason import has_variable_or_port_reason
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.service_state import state_evidence
from fixer.causes.crash_dependency_down.proxied_call import ProxiedCall, is_excepted, proxied_call
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID
from fixer.formats.addresses import is_own_host
from fixer.model.diagnosis import Confidence, Finding, Repair, variable_repair_id
from fixer.model.facts import Evidence
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.start_service import start_again_repairs, start_or_restart_steps
from fixer.repairs.write_variables import write_variables


def proxied_finding(case: Case, crash: FailedRun) -> Finding | None:
    """Return the finding if a proxy had the call that ended the run. Variables alone prove none: the client may not
    read them. Then what was asked must accept connections, so that only the way there can have failed."""
    call = None if has_variable_or_port_reason(crash.end) else proxied_call(crash.end, crash.service)
    if call is None:
        return None
    needed = _locate(case, crash, call)
    excepted = is_excepted(call.host, call.port, call.exceptions)
    if not call.is_told and (excepted or not needed.is_listening):
        return None
    return _finding(case, crash, call, needed, excepted=excepted)


def _locate(case: Case, crash: FailedRun, call: ProxiedCall) -> LocatedDependency:
    if not call.host:
        return LocatedDependency(None, None, (), ())
    return locate_dependency(case, crash, _asked(call))


def _asked(call: ProxiedCall) -> DependencyComplaint:
    return DependencyComplaint("refused", call.line, call.line.text, host=call.host, port=call.port)


def _finding(case: Case, crash: FailedRun, call: ProxiedCall, needed: LocatedDependency, *, excepted: bool) -> Finding:
    service, variable = crash.service, call.variable
    what = address_text(call.host, call.port) if call.host else "its dependency"
    inside = needed.node is not None
    proxy = f"the proxy of its variable {variable.name} ({variable.source.where})" if variable is not None else (
        "a proxy, which none of its variables that fixer reads names")
    result = f"which answers {call.answer}" if call.answer else "which does not lead there"
    summary = f"{crash.ends_text}: it asks {what} through {proxy}, {result}"
    confidence: Confidence = "certain" if inside and crash.owner.certain and variable is not None else "likely"
    detail = [_exceptions_text(call, what)]
    repairs = _repairs(case, crash, call, needed)
    if excepted and call.exceptions is not None:
        confidence, summary = "likely", f"{summary}; {call.exceptions.name} names it now, and only a start shows more"
        detail, repairs = [], (*start_again_repairs(case, crash), *repairs[-1:])
    if variable is not None and not variable.source.where.partition(":")[2] and service.container is not None:
        detail.append("no compose file sets that variable: it comes from the image, or from `proxies` in the "
                      "config.json of the Docker client that created the container")
    return Finding(
        cause=CAUSE_ID, variant="start-through-proxy", role="root", confidence=confidence, summary=summary,
        detail=tuple(detail), routes=crash.routes, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(call.line.text, call.line.where), *_variable_evidence(call),
            *(state_evidence(p) for p in needed.providers), *needed.evidence, *crash.symptoms(case),
        ))),
        repairs=repairs,
    )


def _exceptions_text(call: ProxiedCall, what: str) -> str:
    if call.exceptions is None:
        return "no NO_PROXY is set, which names the hosts to ask without a proxy"
    return f"{call.exceptions.name} ({call.exceptions.source.where}) does not name {what}"


def _variable_evidence(call: ProxiedCall) -> tuple[Evidence, ...]:
    return tuple(v.source for v in (call.variable, call.exceptions) if v is not None)


def _repairs(case: Case, crash: FailedRun, call: ProxiedCall, needed: LocatedDependency) -> tuple[Repair, ...]:
    """Return the new exception if what was asked is on this target; an operator decides on other addresses."""
    service = crash.service
    name = _exceptions_name(call)
    host = call.host or "the host that it asks"
    text = f"name {host} in {name} where {service.name} takes its variables from, or make the proxy lead there"
    manual = Repair("mend-proxy", "manual", "an operator must choose the way to the dependency", (), manual=(
        f"{text}; then start {service.name}"))
    known = call.exceptions is None or bool(call.exceptions.value)
    if needed.node is None or not known or not call.host:
        return (manual,)
    value = ",".join(part for part in (call.exceptions.value if call.exceptions is not None else "", *_hosts(call))
                     if part)
    written = write_variables(case.snapshot, service, {name: value}, replace=True)
    begin = start_or_restart_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    if isinstance(written, NotEditable) or isinstance(begin, NotEditable):
        return (manual,)
    summary = f"name {call.host} in {name} in {written.where}, then start {service.name}"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return (Repair(variable_repair_id(name), "disruptive", summary, (*written.steps, *begin)), manual)


def _hosts(call: ProxiedCall) -> tuple[str, ...]:
    """Return the names to except: all names of the machine itself if it is one of them."""
    return ("localhost", "127.0.0.1") if is_own_host(call.host) and ":" not in call.host else (call.host,)


def _exceptions_name(call: ProxiedCall) -> str:
    """Return the variable to write: the one that is read first. Clients that read only small letters exist."""
    if call.exceptions is not None:
        return call.exceptions.name
    return "no_proxy" if call.variable is not None and call.variable.name.islower() else "NO_PROXY"
