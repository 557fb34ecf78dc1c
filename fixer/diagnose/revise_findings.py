"""Revision of findings: merge equal file edits, name failing replicas, drop starts that would not last.

Instances of a template (`app@1`, `app@2`) share their unit, drop-ins, environment files and working folder. If one
change repairs the same fault in several of them, it is made once and all are restarted. Undo restarts or stops all of
them, since each has read the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from fixer.analysis.case import Case, is_auth_request_of
from fixer.analysis.hidden_failures import is_dead
from fixer.analysis.nginx_process import is_held_by_nginx
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.service_state import is_unwatched, run_state_of
from fixer.diagnose.precedence import demote_explained, effects_of, is_about_protocol
from fixer.formats.unit_file import RC_LOCAL_UNIT
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import DaemonReload, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import Container, RouteFacts, Service, Unit
from fixer.repairs.mount_sources import restart_after_mounted_edits, write_at_mount_sources

with lazy_imports():
    from fixer.diagnose.named_services import doubt_named_services  # only if one ends again and again
    from fixer.repairs.generated_config import with_lasting_edits  # only if a container generates files
    from fixer.repairs.manual_steps import complete_manual_steps  # only for what a person repairs

_ChangeKey: TypeAlias = tuple[str, str, tuple[object, ...]]
_START_VERBS = frozenset({"start", "restart"})


def merge_shared_edits(_: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; a repair also restarts the other services that the same file change repairs."""
    sharing: dict[_ChangeKey, list[UnitAction]] = {}
    for finding in findings:
        for repair in finding.repairs if finding.is_at_fault else ():
            key, start = _change_key(finding, repair), _only_start(repair)
            if key is not None and start is not None:
                sharing.setdefault(key, []).append(start)
    if all(len(starts) < 2 for starts in sharing.values()):
        return findings
    return [
        replace(finding,
                repairs=tuple(_join_restarts(repair, sharing.get(_change_key(finding, repair) or _NO_CHANGE, ()))
                                       for repair in finding.repairs))
        for finding in findings
    ]


_NO_CHANGE: _ChangeKey = ("", "", ())


def _change_key(finding: Finding, repair: Repair) -> _ChangeKey | None:
    """Return what identifies the repair's file changes; None if it changes no file."""
    files = tuple((s.node, s.path, s.before, s.after, s.link_target) for s in repair.steps if isinstance(s, WriteFile))
    return (finding.cause, repair.id, files) if files else None


def _only_start(repair: Repair) -> UnitAction | None:
    """Return the only start or restart in the repair; None if it does anything else to units."""
    others = [step for step in repair.steps if not isinstance(step, WriteFile | DaemonReload | WaitForListener)]
    units = {step.unit for step in others if isinstance(step, UnitAction)}
    starts = [step for step in others if isinstance(step, UnitAction) and step.verb in _START_VERBS]
    return starts[0] if len(units) == len(starts) == 1 and all(isinstance(s, UnitAction) for s in others) else None


def _join_restarts(repair: Repair, starts: Sequence[UnitAction]) -> Repair:
    own = _only_start(repair)
    if own is None:
        return repair
    others = {s.unit: s for s in starts if (s.node, s.unit) != (own.node, own.unit) and s.node == own.node}
    if not others:
        return repair
    at = repair.steps.index(own) + 1
    along = tuple(replace(step, verb="restart", along=True) for step in others.values())
    summary = f"{repair.summary}, and restart {', '.join(others)}"
    return replace(repair, summary=summary, steps=(*repair.steps[:at], *along, *repair.steps[at:]))


@dataclass(frozen=True, slots=True)
class _FailingReplica:
    """A failing replica of a route that answers through others, and the number of replicas."""

    service: Service
    container: Container
    verdict: RouteVerdict
    replica_count: int


def name_failing_replica(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings, naming the container of a failing replica in place of its service."""
    lost = list(_failing_replicas(case))
    return [_name_replica(finding, lost) for finding in findings] if lost else findings


def _failing_replicas(case: Case) -> Iterator[_FailingReplica]:
    for judged in (judged for judged in case.verdicts.values() if judged.has_failures
                   and len(judged.facts.endpoints) > 1):
        for endpoint in (case.endpoints[name] for name in judged.skipped_members or judged.facts.endpoints):
            service = case.service(endpoint.configured_service)
            box = service.container if service is not None else None
            if service is None or box is None or not (box.project and box.service and is_dead(endpoint, case.snapshot)):
                continue
            boxes = [s.container for s in case.snapshot.services if s.container is not None]
            every = sum((other.project, other.service) == (box.project, box.service) for other in boxes)
            if every > 1:
                yield _FailingReplica(service, box, judged, every)


def _name_replica(finding: Finding, lost: Sequence[_FailingReplica]) -> Finding:
    mine = [x for x in lost if x.verdict.facts.route.id in finding.routes
            and finding.service in (x.service.name, x.container.name)]
    first = next((x for x in mine if finding.node == x.service.node), None)
    if first is None or not finding.is_at_fault:
        return finding
    name, own = first.service.name, first.container.name
    summary = f"{own}{finding.summary[len(name):]}" if finding.summary.startswith(f"{name} ") else finding.summary
    others = ", ".join(dict.fromkeys(x.container.name for x in mine if x.container.id != first.container.id))
    only = first.verdict.facts.route.one_try
    seen = (f"nginx tries no other ({only}), so a request that it sends there fails" if only else
            "nginx tries the next one if one does not answer, so a request that it sends there waits first")
    also = f" ({others} as well)" if others else ""
    text = f"{own}{also} is one of {first.replica_count} replicas of {first.container.service}: {seen}"
    return replace(finding, summary=summary, detail=(text, *finding.detail))


# Servers that no manager watches: nothing records when and how one ended. The last lines of its log may be of an
# earlier run.


def doubt_unrecorded_ends(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; none is certain about why a server ended that nothing watches."""
    names = {(service.node, service.name) for service in case.snapshot.services if is_unwatched(service)}
    if not names:
        return findings
    return [replace(finding, confidence="likely") if finding.confidence == "certain"
            and (finding.node, finding.service) in names and "run-ends" in effects_of(finding) else finding
            for finding in findings]


# Transient units (`systemd-run`): systemd forgets one when its failure is reset, and all of them at boot.
_TRANSIENT_FOLDER = "/run/systemd/transient/"


def drop_transient_restarts(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Remove starts of stopped transient units: the unit would vanish before the start or at the next boot."""
    gone = {(service.node, service.unit.name) for service in case.snapshot.services if service.unit is not None
            and service.unit.fragment_path.startswith(_TRANSIENT_FOLDER) and not service.running}
    if not gone:
        return findings
    return [replace(finding, repairs=tuple(_without_transient_restart(repair, gone) for repair in finding.repairs))
            for finding in findings]


def _without_transient_restart(repair: Repair, gone: set[tuple[str, str]]) -> Repair:
    name = next((step.unit for step in repair.steps if isinstance(step, UnitAction)
                 and step.verb in ("start", "restart") and (step.node, step.unit) in gone), None)
    if name is None:
        return repair
    manual = (
        f"systemd-run created {name}, which has no unit file. systemd forgets it at `systemctl reset-failed` and at "
        f"the next boot. Write what `systemctl cat {name}` shows to /etc/systemd/system/{name}, with "
        f"WantedBy=multi-user.target below [Install]. Then run: systemctl reset-failed {name}; "
        f"systemctl daemon-reload; systemctl enable --now {name}"
    )
    return replace(repair, risk="manual", steps=(), needs=(), manual=manual)


def drop_conflicting_starts(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Make repairs manual that start a unit while a conflicting one runs (`Conflicts=`). systemd would stop the running
    one, and an undo would not restore its state."""
    contested = {(service.node, unit.name): unit.conflicts for service in case.snapshot.services
                 for unit in (service.unit, service.socket, service.program.unit if service.program else None)
                 if unit is not None and _has_running_conflict(unit)}
    return [_without_conflicting_start(finding, contested) for finding in findings] if contested else findings


def _has_running_conflict(unit: Unit) -> bool:
    return bool(unit.conflicts) and unit.active_state not in ("active", "reloading")


def _without_conflicting_start(finding: Finding, contested: dict[tuple[str, str], tuple[str, ...]]) -> Finding:
    met = next((key for repair in finding.repairs for key in _started_units(repair) if key in contested), None)
    if met is None:
        return finding
    rivals = ", ".join(contested[met])
    text = f"{rivals} runs, and conflicts with {met[1]}: a start of {met[1]} would stop it"
    shown = Evidence("unit", met[1], f"Conflicts: {rivals}, running now")
    return replace(
        finding, detail=(*finding.detail, text), evidence=(*finding.evidence[:1], shown, *finding.evidence[1:]),
        repairs=tuple(_manual_repair(repair, text) if contested.keys() & set(_started_units(repair)) else repair
                      for repair in finding.repairs),
    )


def _started_units(repair: Repair) -> list[tuple[str, str]]:
    return [(step.node, step.unit) for step in repair.steps
            if isinstance(step, UnitAction) and step.verb in ("start", "restart")]


def _manual_repair(repair: Repair, text: str) -> Repair:
    return replace(repair, risk="manual", steps=(), needs=(),
                   manual=f"{text}; decide which of the two should run. Without the conflict: {repair.summary}")


def prefer_present_faults(_: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; where the manager of a service tries no more and the reason of its end is over, only that
    keeps it down. It takes the repair of the reason, which becomes its consequence."""
    given_up = {(f.node, f.service) for f in findings if f.has_given_up}
    over = {place: f for f in findings if f.is_over and f.role == "root" and (place := (f.node, f.service)) in given_up}
    if not over:
        return findings
    return [_settle_over(finding, over.get((finding.node, finding.service))) for finding in findings]


def _settle_over(finding: Finding, over: Finding | None) -> Finding:
    if over is None or finding.role != "root":
        return finding
    if finding is over:
        return replace(finding, role="consequence", repairs=())
    if not finding.has_given_up:
        return finding
    summary = f"{finding.summary.partition('; ')[0]}; the reason no longer holds"
    return replace(finding, confidence=over.confidence, summary=summary, detail=(over.summary, *finding.detail),
                   evidence=tuple(dict.fromkeys((*finding.evidence[:1], *over.evidence, *finding.evidence[1:]))),
                   repairs=over.repairs)


def doubt_named_owners(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; why a service ends is only possible where a person must confirm that it is meant."""
    return doubt_named_services(case, findings) if case.named_owners else findings


def explain_findings(_: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; what another one explains is its consequence."""
    return demote_explained(findings)


def blame_for_guarded_routes(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; what breaks the location of an `auth_request`, or another one with the same addresses,
    breaks the routes that ask that location first, unless another finding names them."""
    guards = [facts for facts in case.snapshot.routes if facts.route.asked_first]
    named = {route for finding in findings if finding.is_at_fault for route in finding.routes}
    behind = {guard.route.id: [j.facts.route.id for j in case.verdicts.values() if j.has_failures
                               and j.facts.route.id not in named and is_auth_request_of(guard, j.facts)]
              for guard in guards}
    return [_with_guarded_routes(case, finding, [guard for guard in guards if behind[guard.route.id]], behind)
            if finding.is_at_fault else finding for finding in findings] if any(behind.values()) else findings


def _with_guarded_routes(case: Case, finding: Finding, guards: Sequence[RouteFacts],
                         behind: Mapping[str, Sequence[str]]) -> Finding:
    failing = [j.facts for j in case.verdicts.values() if j.has_failures and j.facts.route.id in finding.routes]
    reached = {(facts.node, place) for facts in failing for place in _places(case, facts)}
    also = [name for guard in guards for name in (guard.route.id, *behind[guard.route.id])
            if guard.route.id in finding.routes
            or (guard.endpoints and {(guard.node, place) for place in _places(case, guard)} <= reached)]
    return replace(finding, routes=tuple(dict.fromkeys((*finding.routes, *also)))) if also else finding


def _places(case: Case, facts: RouteFacts) -> list[tuple[str, int, str | None]]:
    ends = [case.endpoints[name] for name in facts.endpoints if name in case.endpoints]
    return [(end.host, end.port, end.unix) for end in ends]


def find_root_where_nginx_is_down(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; what only contributes to the end of an nginx is its root if nothing that it waits for is."""
    down = {nginx.node for nginx in case.snapshot.nginxes if nginx.master_pid is None}
    if any(finding.role == "root" for finding in findings):
        return findings
    return [replace(finding, role="root") if finding.role == "contributing" and finding.confidence == "certain"
            and finding.node in down else finding for finding in findings]


def edit_sources_of_generated_files(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; what a container generates at each start is edited in the template or variable."""
    if not case.snapshot.generated_files:
        return findings
    return [replace(finding, repairs=tuple(with_lasting_edits(case.snapshot, repair) for repair in finding.repairs))
            for finding in findings]


def weigh_boot_script_starts(_: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; to start rc-local.service runs all of rc.local, also what runs already: that is not safe."""
    return [replace(finding, repairs=tuple(map(_weighed, finding.repairs))) for finding in findings]


def _weighed(repair: Repair) -> Repair:
    if repair.risk != "safe" or not any(isinstance(step, UnitAction) and step.unit == RC_LOCAL_UNIT
                                        and step.verb in ("start", "restart") for step in repair.steps):
        return repair
    return replace(repair, risk="disruptive", summary=f"{repair.summary}, which runs all of rc.local again")


def meet_nginx_first(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; what keeps nginx itself from connecting, and what a server of nginx refuses of an outer one,
    hide whatever is at fault behind it."""
    outer = {judged.facts.route.id for judged in case.verdicts.values() if _leads_to_nginx(case, judged)}
    own = {(nginx.service.node, nginx.service.name) for nginx in case.snapshot.nginxes if nginx.service is not None}
    return [replace(finding, is_met_first=True) if finding.role == "root" and (
        (finding.node, finding.service) in own or (
            is_about_protocol(finding.cause) and finding.routes and outer.issuperset(finding.routes)))
            else finding for finding in findings]


def _leads_to_nginx(case: Case, judged: RouteVerdict) -> bool:
    """Return whether an nginx that is diagnosed itself listens at every address of a failing route."""
    ends = [case.endpoints[name] for name in judged.facts.endpoints] if judged.has_failures else []
    return bool(ends) and all(is_held_by_nginx(case.snapshot, end) for end in ends)


def say_what_comes_first(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; a repair that waits for a service says how it comes to run: by the finding that keeps it
    down, else by what its state needs."""
    if not any(repair.after for finding in findings for repair in finding.repairs):
        return findings
    return [replace(finding, repairs=tuple(_with_first_step(case, findings, repair) for repair in finding.repairs))
            for finding in findings]


def _with_first_step(case: Case, findings: Sequence[Finding], repair: Repair) -> Repair:
    if not repair.after:
        return repair
    blocking = _blocking_finding(findings, repair.after)
    return replace(repair, manual=f"{_first_step(case, blocking, repair.after)}: {repair.manual}")


def _blocking_finding(findings: Sequence[Finding], name: str) -> Finding | None:
    """Return what keeps the service down: its own fault, else the fault on its routes of which its end is a
    consequence (a database that is stopped)."""
    faults = [one for one in findings if one.is_at_fault and not any(repair.after for repair in one.repairs)]
    ends = [one for one in findings if one.role == "consequence" and one.service == name]
    routes = {route for one in ends for route in one.routes}
    return next((one for one in faults if one.service == name), None) or next(
        (one for one in faults if not routes.isdisjoint(one.routes)), None)


def _first_step(case: Case, blocking: Finding | None, name: str) -> str:
    own = blocking.repairs[0] if blocking is not None and blocking.repairs else None
    if blocking is not None:
        summary = f" ({own.summary})" if own is not None else ""
        by_hand = own is None or own.risk == "manual"
        return f"first mend {blocking.cause}{summary}" if by_hand or own is None else (
            f"first {own.summary} ({blocking.cause})")
    service = next((service for service in case.snapshot.services if service.name == name), None)
    state = run_state_of(service) if service is not None else "unknown"
    return f"first {_STATE_VERBS.get(state, 'start')} {name}"


# What a service that cannot be connected to needs, where that is no start.
_STATE_VERBS = {"paused": "unpause", "looping": "find what ends", "masked": "unmask and start",
                "running": "find what delays", "starting": "find what delays"}


def tell_manual_steps(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings; each manual repair names what a person needs to follow it."""
    if not any(repair.manual for finding in findings for repair in finding.repairs):
        return findings
    return complete_manual_steps(case, findings)


Revision: TypeAlias = Callable[[Case, Sequence[Finding]], Sequence[Finding]]
# All revisions of what the causes have found, in the order in which they are made.
REVISIONS: tuple[Revision, ...] = (
    prefer_present_faults, blame_for_guarded_routes, doubt_named_owners, explain_findings,
    find_root_where_nginx_is_down, meet_nginx_first,
    edit_sources_of_generated_files, write_at_mount_sources, restart_after_mounted_edits,
    merge_shared_edits, drop_conflicting_starts, drop_transient_restarts, name_failing_replica,
    doubt_unrecorded_ends, say_what_comes_first, weigh_boot_script_starts, tell_manual_steps,
)


def revise(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings after all revisions."""
    for revision in REVISIONS:
        findings = revision(case, findings)
    return findings
