"""A dependency that the log of a failed service complains of: who provides it, and whether that is still so."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import listener_evidence, log_evidence
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import is_restarting, was_ended_by_person
from fixer.analysis.service_state import private_network_setting, run_state_of, start_text_of, state_evidence
from fixer.causes.crash_dependency_down.closed_name_file import closed_name_file
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID
from fixer.formats.name_files import NAME_FILES
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service
from fixer.repairs.start_dependency import (
    free_connections_repairs,
    let_through_repairs,
    other_address_repairs,
    start_dependency_repairs,
    start_or_manual_repairs,
)

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.complaint import DependencyComplaint, dependency_complaint, unset_addresses
    from fixer.analysis.dependency.locate import (
        LocatedDependency,
        locate_dependency,
        tcp_listeners_of,
        unobserved_clusters,
    )
    from fixer.analysis.exits.changed_since import changed_files_evidence
    from fixer.analysis.exits.exit_reason import has_variable_or_port_reason
    from fixer.causes.crash_dependency_down.unnamed_dependency import unnamed_complaint
    from fixer.repairs.start_service import start_again_repairs

_STATE_TEXTS = {"stopped": "is stopped", "failed": "failed", "masked": "is masked", "paused": "is paused",
           "looping": "fails again and again", "starting": "is being started"}


def complaint_of(crash: FailedRun) -> DependencyComplaint | None:
    """Return the dependency error that ended the last run, if no variable and no port explains it better."""
    if has_variable_or_port_reason(crash.end):
        return None
    said = dependency_complaint(crash.end)
    if said is not None and said.unix and unset_addresses(crash.service):
        return None      # no address is configured: the variable is missing
    return said


def unnamed_dependency_finding(case: Case, crash: FailedRun) -> Finding | None:
    """Return the finding if the log reports an unnamed dependency, and one from `depends_on` is stopped."""
    if crash.service.container is None or has_variable_or_port_reason(crash.end):
        return None
    said = unnamed_complaint(case, crash)
    found = judge_complaint(case, crash, said) if said is not None else None
    return replace(found, confidence="likely") if isinstance(found, Finding) else None


def judge_complaint(case: Case, crash: FailedRun, said: DependencyComplaint) -> Finding | str | Evidence:
    """Judge one complaint: a finding, the missing fact, or evidence that it no longer holds."""
    needed = locate_dependency(case, crash, said)
    provider = needed.provider
    if said.is_quoted and said.kind != "name" and not needed.providers:
        return log_evidence(said.log_line.text, said.log_line.where)
    if said.kind == "auth":
        who = f" {said.what!r}" if said.what and " " not in said.what else ""
        rejects = "rejects" if _is_still_trying(crash) else "rejected"
        text = f"{_provider_text(said, needed)} {rejects} its account or database{who}"
        return _complaint_finding(case, (crash, said, needed), "start-db-auth-failed", text,
                                  other_address_repairs(case, crash, said))
    if said.kind == "full" and _is_still_trying(crash):
        text = f"{_provider_text(said, needed)} accepts no more connections"
        return _complaint_finding(case, (crash, said, needed), "start-db-refused", text,
                                  free_connections_repairs(crash, said, needed))
    if said.kind == "name" and provider is None:
        return _unresolved_name_finding(case, crash, said, needed)
    if said.kind == "name" and provider is not None and needed.is_listening is not False and is_started_later(crash,
        said, provider):
        text = f"{provider.name} did not run then, so its name did not resolve; it runs now, but " \
               f"{crash.service.name} was not started again"
        return _complaint_finding(case, (crash, said, needed), "start-db-refused", text,
                                  start_or_manual_repairs(case, crash))
    if said.kind == "name" and provider is not None and provider.running and run_state_of(provider) != "paused":
        text = f"{provider.name} runs, but the name {said.host} does not resolve"
        return _complaint_finding(case, (crash, said, needed), "start-db-dns-failure", text,
                                  other_address_repairs(case, crash, said))
    if said.kind == "slow" and (provider is None or _is_serving(provider)):
        text = f"{_provider_text(said, needed)} did not answer"
        repairs = let_through_repairs(crash, said, needed)
        return _complaint_finding(case, (crash, said, needed), "startup-blocked-on-dependency", text, repairs)
    apart = private_network_setting(crash.service) if needed.is_listening and not said.unix else None
    if apart is not None:
        return apart.source        # the listener is outside the unit's private network: sandbox-denied
    if needed.is_listening:
        text = f"{_provider_text(said, needed)} refused it then and accepts now, but the service was not started again"
        return _complaint_finding(case, (crash, said, needed), "start-db-refused", text,
                                  start_or_manual_repairs(case, crash))
    if provider is not None and not _is_serving(provider):
        text = f"{provider.name} {_state_text(case, provider)}"
        return _complaint_finding(case, (crash, said, needed), "start-db-refused", text,
                                  start_dependency_repairs(case, crash, said, needed))
    if provider is None and (unseen := unobserved_clusters(case.snapshot, crash.service.node, said)):
        return f"the state of {', '.join(unseen)}"
    if needed.node is not None and needed.is_listening is None:
        return f"whether anything accepts at {said.address}, which {crash.service.name} needs"
    return _complaint_finding(case, (crash, said, needed), "start-db-refused", _no_listener_text(case, said, needed),
                  start_dependency_repairs(case, crash, said, needed))


def _state_text(case: Case, provider: Service) -> str:
    if was_ended_by_person(case.snapshot, provider):
        return "was stopped or killed by somebody"
    return _STATE_TEXTS.get(run_state_of(provider), "does not run")


def _unresolved_name_finding(case: Case, crash: FailedRun, said: DependencyComplaint,
                             needed: LocatedDependency) -> Finding:
    known = replace(said, host="", port=0) if said.is_quoted else said      # a quoted name may be of older code
    text = f"{known.host or 'the name of its dependency'} does not resolve"
    return _complaint_finding(case, (crash, known, needed), "start-db-dns-failure", text,
                              other_address_repairs(case, crash, known))


def closed_file_finding(case: Case, crash: FailedRun, said: DependencyComplaint) -> Finding | None:
    """Return the finding on a name that root may know: the program's account may not read what it is looked up by."""
    closed = closed_name_file(case, crash) if said.kind == "name" else None
    if closed is None:
        return None
    about = crash, said, locate_dependency(case, crash, said)
    name, what = said.host or "the name of its dependency", "read" if closed.part == closed.file else "enter"
    part = f" ({closed.part})" if closed.part != closed.place else ""
    text = f"{name} does not resolve: its account {closed.account} may not {what} {closed.place}{part}"
    bits = "o+r" if what == "read" else "o+x"
    lasting = f"whatever writes it needs a umask of 022 (the Docker daemon, for a container's {closed.file})" if (
        crash.service.container is not None) else "see that what writes it keeps that mode (its umask)"
    manual = f"chmod {bits} {closed.place}, then {start_text_of(crash.service)}; {lasting}"
    found = _complaint_finding(case, about, "start-db-dns-failure", text, (Repair(
        "open-name-file", "manual", f"let {closed.account} {what} {closed.place}", (), manual=manual),))
    sure: Confidence = found.confidence if closed.file == NAME_FILES[0] else "likely"
    return replace(found, confidence=sure, evidence=(found.evidence[0], closed.evidence, *found.evidence[1:]))


def is_started_later(crash: FailedRun, said: DependencyComplaint, provider: Service) -> bool:
    """Return whether the provider has the name on a common network and started after the last attempt. Docker's
    resolver knows only the names of running containers."""
    box, own = provider.container, crash.service.container
    if box is None or own is None or box.status != "running" or is_restarting(provider):
        return False
    mine = {name for name, _, _ in own.networks} | {own.network_mode}
    named = any(network in mine and said.host in (*names, box.name, box.service) for network, _, names in box.networks)
    tried = said.log_line.at if said.log_line.at is not None else own.finished_at
    return named and 0 < tried < box.started_at


def _is_still_trying(crash: FailedRun) -> bool:
    """Return whether the service restarts again and again, so that its last error describes the present state."""
    return is_restarting(crash.service) or crash.has_running_parent


def _is_serving(provider: Service) -> bool:
    """Return whether the provider runs and has processes. An active umbrella unit proves nothing."""
    return run_state_of(provider) in ("running", "unknown") and bool(provider.pids or provider.container is not None)


def _provider_text(said: DependencyComplaint, needed: LocatedDependency) -> str:
    provider = needed.provider
    return f"{provider.name} at {said.address}" if provider is not None else said.address


def _no_listener_text(case: Case, said: DependencyComplaint, needed: LocatedDependency) -> str:
    provider = needed.provider
    if needed.node is None:
        return f"{said.address} refuses it, and is on no observed node"
    if provider is not None:
        held = next(tcp_listeners_of(case.snapshot, provider), None)
        return f"nothing accepts connections at {said.address}; {provider.name} runs" + (
            f" and listens on port {held.port}" if held is not None else ", but no listener of it was found")
    return f"nothing accepts connections at {said.address}"


def _complaint_finding(
    case: Case, about: tuple[FailedRun, DependencyComplaint, LocatedDependency], variant: str, text: str,
    repairs: tuple[Repair, ...],
) -> Finding:
    crash, said, needed = about
    service, provider = crash.service, needed.provider
    seen = needed.node is not None or said.kind in ("auth", "name", "full")
    changed, shown = _change_evidence(case, crash, said), _evidence(case, crash, said, needed)
    past = said.kind == "auth" and not _is_still_trying(crash)
    confidence: Confidence = "certain" if seen and crash.owner.certain and not changed and not past else "likely"
    detail = [f"{service.name} needs {said.address} to start; nothing listens while it does not run"]
    if past and not changed:
        detail.append(f"no login was tried since {service.name} ended: if the login works now, it only needs a start")
    if changed:
        text = f"{text}; {changed[0].where} was changed after that; only a start shows whether that fixed it"
        repairs = (*start_again_repairs(case, crash), *repairs)
    named = variant == "start-db-refused" and provider is not None and not needed.is_listening
    return Finding(
        cause=CAUSE_ID, variant=variant, role="root", confidence=confidence,
        summary=f"{crash.ends_text}: {text}",
        detail=tuple(detail),
        routes=crash.routes, service=provider.name if named and provider is not None else service.name,
        node=provider.node if named and provider is not None else service.node,
        evidence=(shown[0], *changed, *shown[1:]), repairs=repairs,
    )


def _change_evidence(case: Case, crash: FailedRun, said: DependencyComplaint) -> tuple[Evidence, ...]:
    """Return changes to the settings or name files since the refusal, if nothing else shows the present state."""
    unit = crash.service.unit
    if said.kind not in ("auth", "name") or (unit is not None and unit.need_daemon_reload):
        return ()
    return changed_files_evidence(case.snapshot, crash, NAME_FILES if said.kind == "name" else ())


def _evidence(case: Case, crash: FailedRun, said: DependencyComplaint,
              needed: LocatedDependency) -> tuple[Evidence, ...]:
    elsewhere = [listener_evidence(case.snapshot, line, p) for p in needed.providers if _is_serving(p)
                 and not needed.is_listening
                 for line in list(tcp_listeners_of(case.snapshot, p))[:1]]
    return tuple(dict.fromkeys((
        log_evidence(said.log_line.text, said.log_line.where), *(state_evidence(p) for p in needed.providers),
        *needed.evidence,
        *elsewhere, *crash.symptoms(case),
    )))
