"""The backend ends at once or never listens, because a system that it needs (a database, a cache) does not let it in.
nginx finds no listener (`111: Connection refused`, 502). Start what the backend's log complains of, then the backend.

By hand
  journalctl -u UNIT -n 50       # which address does it complain of?
  systemctl status postgresql    # Debian shows the clusters with pg_lsclusters
  ss -ltn 'sport = :5432'        # does it listen?
  systemctl start postgresql; systemctl reset-failed UNIT; systemctl start UNIT
  docker ps -a; docker start DEPENDENCY CONTAINER
  systemctl show UNIT -p Environment | grep -i _proxy    # does a proxy take the call? docker inspect CONTAINER

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
  So is a container's entry point, also one that should start nginx; where its text names nothing, its last lines may
  ("PostgreSQL not running on the db yet").
  A unit that systemd did not start because a unit that it requires failed says "Dependency failed". A container that
  Compose made and never started waits for one of the project that is not healthy (`depends_on`): started by itself it
  would run until the next `up`. Where its log names nothing, and its variables (DATABASE_URL, REDIS_HOST) or its unit
  (Requires=, Wants=) name a system of this host that is stopped, that is likely meant, unless its own words say
  otherwise. A call that a proxy has (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY of the unit, the compose file, supervisord or
  the container) says ProxyError or fails at the proxy's address, while what it asks for listens here. A variable that
  is not set is crash-missing-env. Where a name has no address, and the program's account may not read resolv.conf (or
  hosts), that file is named with its mode: for root the same name resolves.

The repair and its safety
  start-dependency (safe): the database that is stopped is started, and enabled where it is off at boot; then the
  backend (disruptive where only a line of cron starts it: it is done again, as backend-down does). A database that
  failed by itself, one that is masked, and one on another machine are for people.
  set-variable (disruptive): the address, the account or the password is yours to give (`--set NAME=VALUE`), written
  over the old value where the service takes it from.
  start-service (safe): the database answers now, or the settings that name it were changed since: only the start is
  left.
  set-no-proxy (disruptive): what it asks is on this host: its name is added to NO_PROXY, where the service takes its
  variables from. For an address elsewhere a person decides whether the proxy is wrong or the exception is missing.
  continue-dependency (safe): a database that was stopped by a signal or paused goes on; the backend then starts.

Variants
  start-db-refused               the database refuses the connection: it does not run
  start-db-dns-failure           the name of the database does not resolve
  start-db-auth-failed           the database refuses the account or the password, or lacks that database
  start-through-proxy            a proxy of its variables (HTTP_PROXY) has the call, and NO_PROXY does not except it
  call-through-proxy             the same while it runs: its pages answer with errors of their own, so it is advice
  start-dependency-failed        a unit or container that it requires failed, so its manager does not start it
  startup-blocked-on-dependency  it waits for a dependency that does not answer, and does not listen meanwhile
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, Outcome, conclude, sort_outcomes
from fixer.analysis.dependency.blocked_start import blocked_starts, unstarted_units
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.failed_run import FailedRun, failed_runs, has_listening_socket
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.run_log import may_tell_of_proxy
from fixer.analysis.service_state import state_evidence
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Effect, Finding, Verdict

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.causes.crash_dependency_down.dependency_finding import stopped_dependency_findings
    from fixer.causes.crash_dependency_down.ended_before_nginx import ended_findings
    from fixer.causes.crash_dependency_down.proxied_dependency import proxied_finding
    from fixer.causes.crash_dependency_down.proxied_running import proxied_advice
    from fixer.causes.crash_dependency_down.reported_dependency import (
        closed_file_finding,
        complaint_of,
        judge_complaint,
        unnamed_dependency_finding,
    )
    from fixer.causes.crash_dependency_down.unanswered_dependency import (
        awaited_findings,
        blocked_finding,
        required_finding,
    )
    from fixer.causes.crash_dependency_down.waiting_script import waiting_findings


# of a container that should run an nginx and ends before that, or of a script that should start nginx
NGINX_ENDS: tuple[Effect, ...] = ("dependents-end", "nothing-listens", "nginx-stops")


def judge(case: Case) -> Verdict:
    """Judge each failed service: does its log end with an error about a dependency, and is that still so?"""
    all_of = failed_runs(case)
    outcomes = (*all_of.missing, *(_before_nginx(case, crash, _judge_run(case, crash)) for crash in all_of.found),
                *(_judge_hand_started(case, crash) for crash in hand_started_runs(case)))
    findings, missing, ruled = sort_outcomes(outcomes, all_of.ruled_out)
    ended = {(finding.node, finding.service) for finding in findings}     # a log explains more than the state
    findings += [blocked_finding(case, one) for one in blocked_starts(case)
                 if (one.service.node, one.service.name) not in ended]
    findings += [required_finding(case, one) for one in unstarted_units(case)]
    if any(service.startup_waits or (service.container is not None and service.dependencies)
           for service in case.snapshot.services):
        findings += waiting_findings(case, {(f.node, f.service) for f in findings})
    if any(nginx.master_pid is None for nginx in case.snapshot.nginxes):
        findings += ended_findings(case, {crash.service.id for crash in all_of.found}, NGINX_ENDS)
    if any(_has_no_socket(case, trouble) for trouble in case.failing_addresses):
        findings += stopped_dependency_findings(case, all_of.found, {(f.node, f.service) for f in findings} | ended)
    if any(s.container is not None and s.container.status == "created" for s in case.snapshot.services):
        findings += awaited_findings(case)
    if any(map(may_tell_of_proxy, case.snapshot.services)):
        findings += proxied_advice(case, {crash.service.id for crash in all_of.found})
    return conclude(findings, missing, ruled)


def _judge_run(case: Case, crash: FailedRun) -> Outcome:
    proxied = proxied_finding(case, crash)
    if proxied is not None:
        return proxied
    said = complaint_of(crash)
    if said is not None:
        return closed_file_finding(case, crash, said) or judge_complaint(case, crash, said)
    last = next((line for line in reversed(crash.lines) if line.text.strip()), None)
    return unnamed_dependency_finding(case, crash) or (
        state_evidence(crash.service) if last is None else log_evidence(last.text, last.where))


def _judge_hand_started(case: Case, crash: FailedRun) -> Outcome:
    outcome = _judge_run(case, crash)
    return for_person(crash, outcome) if isinstance(outcome, Finding) else outcome


def _before_nginx(case: Case, crash: FailedRun, outcome: Outcome) -> Outcome:
    """Return the outcome; what ends a container that should run an nginx stops that nginx too."""
    within = any(nginx.master_pid is None and nginx.service is not None and nginx.service.id == crash.service.id
                 for nginx in case.snapshot.nginxes)
    return replace(outcome, effects=NGINX_ENDS) if within and isinstance(outcome, Finding) else outcome


def _has_no_socket(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the owner of the address has no listening socket. The address must be on an observed node."""
    owner = only_owner(case, trouble) if trouble.endpoint.node is not None else None
    return owner is not None and not has_listening_socket(case, owner.service)


CAUSE = Cause(
    id="crash-dependency-down",
    title="the backend cannot start: a dependency is unreachable or refuses it",
    family="backend crashed, or exits at once",
    variants=(
        "start-db-refused", "start-db-dns-failure", "start-db-auth-failed", "start-through-proxy",
        "call-through-proxy", "start-dependency-failed", "startup-blocked-on-dependency",
    ),
    verdict=judge,
    page=__doc__,
)
