"""The backend ends at once or never listens, because a system that it needs (a database, a cache) does not let it in.
nginx finds no listener (`111: Connection refused`, 502). Start what the backend's log complains of, then the backend.

By hand
  journalctl -u UNIT -n 50       # which address does it complain of?
  systemctl status postgresql    # Debian shows the clusters with pg_lsclusters
  ss -ltn 'sport = :5432'        # does it listen?
  systemctl start postgresql; systemctl reset-failed UNIT; systemctl start UNIT
  docker ps -a; docker start DEPENDENCY CONTAINER

What it is
  The program connects to its database when it starts and gives up when that refuses, cannot be found by its name, or
  does not accept the account. The fault lies there; the backend is only where it shows.

Why nginx says 502
  The program never gets as far as listening: `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  The log of the backend since its last start ends with a complaint about another address: "connection to server at …
  failed: Connection refused", "could not translate host name", "password authentication failed". What it says is
  compared with the machine: which unit or container provides that address, whether it runs, whether anything listens
  there now. Where it answers now, only the backend's start is left. Where it names none, and a service of its
  compose file's `depends_on` is stopped that is meant to run on, that one is likely meant. A program that runs, listens
  nowhere and waits for such an address is blocked on it; on any port where the kernel shows that the other side has not
  read what it was sent (then likely: it may only be busy). A start script that has not started its server yet is read
  as text: where a loop of it waits for an address at which nothing listens, the service that should is what is missing.
  A unit that systemd did not start because a unit that it requires failed says "Dependency failed". A container that
  Compose made and never started waits for one of the project that is not healthy (`depends_on`): started by itself it
  would run until the next `up`. Where its log names nothing, and its variables (DATABASE_URL, REDIS_HOST) or its unit
  (Requires=, Wants=) name a system of this host that is stopped, that is likely meant, unless its own words say
  otherwise. A variable that is not set is crash-missing-env.

The repair and its safety
  start-dependency (safe): the database that is stopped is started, and enabled where it is off at boot; then the
  backend. A database that failed by itself, one that is masked, and one on another machine are for people.
  set-variable (disruptive): the address, the account or the password is yours to give (`--set NAME=VALUE`), written
  over the old value where the service takes it from.
  start-service (safe): the database answers now, or the settings that name it were changed since: only the start is
  left.
  continue-dependency (safe): a database that was stopped by a signal or paused goes on; the backend then starts.

Variants
  start-db-refused               the database refuses the connection: it does not run
  start-db-dns-failure           the name of the database does not resolve
  start-db-auth-failed           the database refuses the account or the password, or lacks that database
  start-dependency-failed        a unit or container that it requires failed, so its manager does not start it
  startup-blocked-on-dependency  it waits for a dependency that does not answer, and does not listen meanwhile
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.dependency.blocked_start import blocked_starts, unstarted_units
from fixer.analysis.dependency.complaint import DependencyComplaint, dependency_complaint
from fixer.analysis.dependency.locate import (
    LocatedDependency,
    locate_dependency,
    private_network_setting,
    tcp_listeners_of,
    unobserved_clusters,
)
from fixer.analysis.evidence import listener_evidence, log_evidence
from fixer.analysis.exits.changed_since import changed_files_evidence
from fixer.analysis.exits.exit_reason import has_variable_or_port_reason
from fixer.analysis.exits.failed_run import FailedRun, failed_runs, has_listening_socket
from fixer.analysis.ownership.resolve import only_owner
from fixer.analysis.run_log import is_restarting
from fixer.analysis.service_state import run_state_of, state_evidence
from fixer.causes.crash_dependency_down.stopped_dependency import stopped_dependency_findings, unnamed_complaint
from fixer.causes.crash_dependency_down.unanswered_dependency import (
    CAUSE_ID,
    awaited_findings,
    blocked_finding,
    required_finding,
)
from fixer.causes.crash_dependency_down.waiting_script import waiting_findings
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service
from fixer.repairs.start_dependency import (
    ADDRESS_VARIABLE,
    free_connections_repairs,
    let_through_repairs,
    other_address_repairs,
    start_dependency_repairs,
    start_or_manual_repairs,
)
from fixer.repairs.start_service import start_again_repairs

_NAME_FILES = ("/etc/hosts", "/etc/resolv.conf")
_STATE_TEXTS = {"stopped": "is stopped", "failed": "failed", "masked": "is masked", "paused": "is paused",
           "looping": "fails again and again", "starting": "is being started"}


def judge(case: Case) -> Verdict:
    """Judge each failed service: does its log end with an error about a dependency, and is that still so?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    missing = list(all_of.missing)
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in all_of.found:
        said = complaint_of(crash)
        if said is None and (guess := _unnamed_dependency_finding(case, crash)) is not None:
            findings.append(guess)
            continue
        if said is None:
            last = [line for line in crash.lines if line.text.strip()][-1:]
            ruled += [log_evidence(line.text, line.where) for line in last] or [state_evidence(crash.service)]
            continue
        outcome = _judge_complaint(case, crash, said)
        match outcome:
            case Finding():
                findings.append(outcome)
            case str():
                missing.append(outcome)
            case Evidence():
                ruled.append(outcome)
    ended = {(finding.node, finding.service) for finding in findings}     # a log explains more than the state
    findings += [blocked_finding(case, one) for one in blocked_starts(case)
                 if (one.service.node, one.service.name) not in ended]
    findings += [required_finding(case, one) for one in unstarted_units(case)]
    if any(service.startup_waits for service in case.snapshot.services):
        findings += waiting_findings(case, {(f.node, f.service) for f in findings})
    if any(_has_no_socket(case, trouble) for trouble in case.failing_addresses):
        findings += stopped_dependency_findings(case, all_of.found, {(f.node, f.service) for f in findings} | ended)
    if any(s.container is not None and s.container.status == "created" for s in case.snapshot.services):
        findings += awaited_findings(case)
    return conclude(findings, missing, ruled)


def _has_no_socket(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the owner of the address has no listening socket. The address must be on an observed node."""
    owner = only_owner(case, trouble) if trouble.endpoint.node is not None else None
    return owner is not None and not has_listening_socket(case, owner.service)


def complaint_of(crash: FailedRun) -> DependencyComplaint | None:
    """Return the dependency error that ended the last run, if no variable and no port explains it better."""
    if has_variable_or_port_reason(crash.end):
        return None
    said = dependency_complaint(crash.end)
    blank = said is not None and said.unix and any(ADDRESS_VARIABLE.match(one.name.upper())
                                                   for one in crash.service.unset_variables)
    return None if blank else said      # no address is configured: the variable is missing


def _unnamed_dependency_finding(case: Case, crash: FailedRun) -> Finding | None:
    """Return the finding if the log reports an unnamed dependency, and one from `depends_on` is stopped."""
    if crash.service.container is None or has_variable_or_port_reason(crash.end):
        return None
    said = unnamed_complaint(case, crash)
    found = _judge_complaint(case, crash, said) if said is not None else None
    return replace(found, confidence="likely") if isinstance(found, Finding) else None


def _judge_complaint(case: Case, crash: FailedRun, said: DependencyComplaint) -> Finding | str | Evidence:
    needed = locate_dependency(case, crash, said)
    provider = needed.provider
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
        text = f"{said.host or 'the name of its dependency'} does not resolve"
        return _complaint_finding(case, (crash, said, needed), "start-db-dns-failure", text,
                                  other_address_repairs(case, crash, said))
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
        text = f"{provider.name} {_STATE_TEXTS.get(run_state_of(provider), 'does not run')}"
        return _complaint_finding(case, (crash, said, needed), "start-db-refused", text,
                                  start_dependency_repairs(case, crash, said, needed))
    if provider is None and (unseen := unobserved_clusters(case.snapshot, crash.service.node, said)):
        return f"the state of {', '.join(unseen)}"
    if needed.node is not None and needed.is_listening is None:
        return f"whether anything accepts at {said.address}, which {crash.service.name} needs"
    return _complaint_finding(case, (crash, said, needed), "start-db-refused", _no_listener_text(case, said, needed),
                  start_dependency_repairs(case, crash, said, needed))


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
        summary=f"{service.name} ends at once: {text}",
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
    return changed_files_evidence(case.snapshot, crash, _NAME_FILES if said.kind == "name" else ())


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


CAUSE = Cause(
    id=CAUSE_ID,
    title="the backend cannot start: a dependency is unreachable or refuses it",
    family="backend crashed, or exits at once",
    variants=(
        "start-db-refused", "start-db-dns-failure", "start-db-auth-failed", "start-dependency-failed",
        "startup-blocked-on-dependency",
    ),
    verdict=judge,
    page=__doc__,
)
