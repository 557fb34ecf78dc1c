"""The diagnosis of a snapshot: run every cause, rank the findings, judge the routes."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, open_case
from fixer.analysis.route_verdict import LOGGED_SECONDS, RECENT_ERROR
from fixer.causes import Cause, load_causes
from fixer.diagnose.notes import (
    container_layer_notes,
    dead_value_notes,
    route_notes,
    shared_drop_in_notes,
    slow_route_notes,
    unclear_route_notes,
    unresolved_value_notes,
    unresolved_values,
)
from fixer.diagnose.precedence import demote_explained, rank_of
from fixer.diagnose.revise_findings import drop_conflicting_starts, drop_transient_restarts, merge_shared_edits
from fixer.diagnose.route_health import health_of_route, health_verdict, unconnectable_routes, unreachable_slow_routes
from fixer.model.diagnosis import (
    AT_FAULT,
    UNEXPLAINED,
    Check,
    Diagnosis,
    Finding,
    Found,
    HealthVerdict,
    IgnoredFinding,
    Inputs,
    Undetermined,
)
from fixer.model.facts import Known
from fixer.model.snapshot import Snapshot

_ROLE_RANK = {"root": 0, "contributing": 1, "consequence": 2, "advice": 3}
_CONFIDENCE_RANK = {"certain": 0, "likely": 1, "possible": 2}


def diagnose(
    snapshot: Snapshot, inputs: Inputs | None = None, *, causes: Sequence[Cause] | None = None,
    accepted: Sequence[IgnoredFinding] = (),
) -> Diagnosis:
    """Return the diagnosis. The same snapshot gives the same one. `causes` defaults to all of fixer's; `accepted` are
    ignored findings, shown as advice and not counted."""
    case = open_case(snapshot, inputs or {})
    judges = load_causes() if causes is None else tuple(causes)
    checks = tuple(Check(cause.id, cause.verdict(case)) for cause in judges)
    findings = [f for check in checks if isinstance(check.verdict, Found) for f in check.verdict.findings]
    shown: Sequence[Finding] = drop_transient_restarts(snapshot, drop_conflicting_starts(
        snapshot, merge_shared_edits(demote_explained(findings))))
    shown = _name_replicas(case, shown)
    excused: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    lasting, past = _logged_failures(case, shown)
    shown = (*shown, *lasting)
    if accepted:
        from fixer.diagnose.ignored_findings import apply_ignored  # rarely needed

        shown, excused, notes = apply_ignored(shown, accepted, snapshot)
    unresolved = unresolved_values(case)
    checks = (*checks, *_unexplained_checks(lasting, unresolved))
    settled = _mark_proofs(case, _rank_findings(shown))
    blamed: dict[str, str] = {}
    for finding in settled:
        if finding.is_proven_fault:
            blamed.update((route, finding.cause) for route in finding.routes if route not in blamed)
    deaf = unconnectable_routes(case)
    health = tuple(health_of_route(judged, blamed, route in deaf) for route, judged in case.verdicts.items())
    counted = tuple(entry for entry in health if entry.route not in excused)
    dark = unreachable_slow_routes(case)
    verdict = health_verdict(case, settled, counted, dark, all_excused=bool(excused) and not counted)
    notes = (*notes, *route_notes(case), *slow_route_notes(case, health, dark), *unclear_route_notes(case, health),
             *shared_drop_in_notes(snapshot, settled), *unresolved_value_notes(unresolved),
             *dead_value_notes(case))
    puzzling = {entry.route for entry in counted if entry.state in ("failing", "degraded")} - set(blamed)
    if puzzling:
        from fixer.diagnose.unexplained import unexplained_notes  # only for unexplained routes

        notes = (*notes, *unexplained_notes(case, puzzling))
    if any(isinstance(nginx.errors, Known) and nginx.errors.value for nginx in snapshot.nginxes):
        from fixer.diagnose.notes import rejected_answer_notes  # only if nginx logged errors

        notes = (*notes, *rejected_answer_notes(case, {entry.route for entry in counted if entry.state == "ok"}))
    notes = (*notes, *_snapshot_notes(case, settled, verdict), *past)
    return Diagnosis(verdict, settled, checks, health, notes)


def _snapshot_notes(case: Case, settled: Sequence[Finding], verdict: HealthVerdict) -> tuple[str, ...]:
    """Return the notes that few snapshots need. Their modules are imported only then."""
    snapshot = case.snapshot
    notes: tuple[str, ...] = ()
    if verdict != "healthy" and any(nginx.unloaded_sites for nginx in snapshot.nginxes):
        from fixer.diagnose.notes import unloaded_site_notes  # only if there are unloaded sites

        notes = (*notes, *unloaded_site_notes(case))
    if any(service.container is not None and service.container.published for service in snapshot.services):
        from fixer.diagnose.notes import front_proxy_notes  # only if Docker publishes ports

        notes = (*notes, *front_proxy_notes(snapshot))
    if snapshot.nginxes and not snapshot.routes:
        from fixer.diagnose.notes import no_pass_notes  # only without routes

        notes = (*notes, *no_pass_notes(snapshot))
    heard = (facts.probes.value for facts in snapshot.routes if isinstance(facts.probes, Known))
    if verdict == "healthy" and any(probe.location for probes in heard for probe in probes):
        from fixer.diagnose.notes import redirect_notes  # only for redirects

        notes = (*notes, *redirect_notes(case))
    if any(repair.steps for finding in settled for repair in finding.repairs):
        notes = (*notes, *container_layer_notes(snapshot, settled))
    return notes


def _logged_failures(case: Case, shown: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return (findings, notes) on what nginx logged in the last quarter of an hour."""
    since = case.snapshot.taken_at - 2 * RECENT_ERROR - LOGGED_SECONDS      # the clocks of nodes may differ
    if not any(isinstance(nginx.errors, Known) and nginx.errors.value and nginx.errors.value[-1].at >= since
               for nginx in case.snapshot.nginxes):
        return (), ()
    from fixer.diagnose.lasting_failures import judge_logged_failures  # only if nginx logged something

    return judge_logged_failures(case, shown)


def _unexplained_checks(lasting: tuple[Finding, ...], unresolved: tuple[str, ...]) -> tuple[Check, ...]:
    """Return the check of what has no cause; none if there is nothing to say."""
    if lasting:
        return (Check(UNEXPLAINED, Found(lasting, unresolved)),)
    return (Check(UNEXPLAINED, Undetermined(unresolved)),) if unresolved else ()


def _mark_proofs(case: Case, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if not any(finding.role in AT_FAULT and finding.repairs for finding in findings):
        return findings
    from fixer.diagnose.repair_proof import mark_proofs  # only if there is something to repair

    return mark_proofs(case, findings)


def _name_replicas(case: Case, findings: Sequence[Finding]) -> Sequence[Finding]:
    if not any(judged.has_failures and len(judged.facts.endpoints) > 1 for judged in case.verdicts.values()):
        return findings
    from fixer.diagnose.revise_findings import name_failing_replica  # only if a route has several endpoints

    return name_failing_replica(case, findings)


def _rank_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    def rank(finding: Finding) -> tuple[int, bool, int, int, str, str, int]:
        first = min((_route_number(route) for route in finding.routes), default=0)
        return (
            _ROLE_RANK[finding.role], finding.is_past, rank_of(finding.cause),
            _CONFIDENCE_RANK[finding.confidence], finding.cause, finding.node, first,
        )

    return tuple(sorted(findings, key=rank))


def _route_number(route: str) -> int:
    digits = "".join(c for c in route if c.isdigit())
    return int(digits) if digits else 0
