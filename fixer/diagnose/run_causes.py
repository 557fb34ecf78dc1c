"""The diagnosis of a snapshot: run every cause, rank the findings, judge the routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixer.analysis.case import Case, open_case
from fixer.analysis.route_verdict import LOGGED_SECONDS, RECENT_ERROR
from fixer.causes import CauseJudge, lazy_causes, module_names
from fixer.diagnose.notes import NOTES, Assessment
from fixer.diagnose.precedence import is_about_address, rank_of_finding
from fixer.diagnose.repair_proof import mark_proofs
from fixer.diagnose.revise_findings import revise
from fixer.diagnose.route_health import (
    health_of_route,
    health_verdict,
    interrupted_routes,
    unconnectable_routes,
    unreachable_slow_routes,
)
from fixer.diagnose.state_notes import unresolved_values
from fixer.diagnose.triggers import is_triggered, runless_verdict, triggers_of, untriggered_verdict
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import (
    UNEXPLAINED,
    Check,
    Diagnosis,
    Finding,
    Found,
    IgnoredFinding,
    Inputs,
    RuledOut,
    Undetermined,
)
from fixer.model.facts import Known
from fixer.model.snapshot import Snapshot

with lazy_imports():
    from fixer.diagnose.ignored_findings import apply_ignored  # rarely needed
    from fixer.diagnose.lasting_failures import judge_logged_failures  # only if nginx logged something
    from fixer.diagnose.named_services import named_owners  # only if an address is wrong
    from fixer.diagnose.newer_side import newer_side_notes  # only for a root finding

ANSWERED_BY_NGINX = frozenset({"rate-limit-503", "gateway-error-from-config"})    # variants: on purpose, and told so
NOTHING_SEEN = "anything that would rule it out"
_ROLE_RANK = {"root": 0, "contributing": 1, "consequence": 2, "advice": 3}
_CONFIDENCE_RANK = {"certain": 0, "likely": 1, "possible": 2}


def diagnose(
    snapshot: Snapshot, inputs: Inputs | None = None, *, causes: Sequence[CauseJudge] | None = None,
    accepted: Sequence[IgnoredFinding] = (),
) -> Diagnosis:
    """Return the diagnosis. The same snapshot gives the same one. `causes` defaults to all of fixer's; `accepted` are
    ignored findings, shown as advice and not counted."""
    case, asked = open_case(snapshot, inputs or {}), lazy_causes(module_names()) if causes is None else causes
    checks = _check_causes(case, asked)
    found = _findings_of(checks)
    if any(is_about_address(f.cause) for f in found) and (named := named_owners(case, found)):
        case = replace(case, named_owners=named)
        checks = _check_causes(case, asked)         # now also why these services end
        found = _findings_of(checks)
    shown = revise(case, found)
    lasting, past, doubts = _logged_failures(case, shown)
    shown, excused, ignored = _apply_ignored((*shown, *lasting), accepted, snapshot)
    seen = _assess(case, mark_proofs(case, _rank_findings(shown)), excused)
    notes = (*ignored, *(note for notes_on in NOTES for note in notes_on(seen)), *_newer_sides(case, shown), *past)
    if doubts:
        checks = tuple(_with_doubt(check, doubts) for check in checks)
    checks = (*checks, *_unexplained_checks(lasting, seen.unresolved))
    return Diagnosis(seen.verdict, seen.findings, checks, seen.health, notes)


def _check_causes(case: Case, causes: Sequence[CauseJudge]) -> tuple[Check, ...]:
    """Return a check for each cause. One that nothing triggers is not asked, nor one of runs where no run failed.
    What no evidence rules out is not ruled out."""
    present, untold = triggers_of(case), untriggered_verdict(case)
    verdicts = ((runless_verdict(cause.id, case, present) or cause.verdict(case))
                if is_triggered(cause.id, present) else untold for cause in causes)
    return tuple(
        Check(cause.id, Undetermined((NOTHING_SEEN,)) if verdict == RuledOut(()) else verdict)
        for cause, verdict in zip(causes, verdicts, strict=True))


def _findings_of(checks: Sequence[Check]) -> list[Finding]:
    return [f for check in checks if isinstance(check.verdict, Found) for f in check.verdict.findings]


def _apply_ignored(findings: tuple[Finding, ...], accepted: Sequence[IgnoredFinding], snapshot: Snapshot) -> tuple[
        tuple[Finding, ...], frozenset[str], tuple[str, ...]]:
    """Return the findings after `fixer ignore`, the routes whose failure is ignored, and the notes about both."""
    if not accepted:
        return findings, frozenset(), ()
    return apply_ignored(findings, accepted, snapshot)


def _assess(case: Case, findings: tuple[Finding, ...], excused: frozenset[str]) -> Assessment:
    """Judge the routes by the settled findings. `excused` routes are ignored."""
    blamed: dict[str, str] = {}
    for finding in findings:
        if finding.is_proven_fault:
            blamed.update((route, finding.cause) for route in finding.routes if route not in blamed)
    deaf, dark = unconnectable_routes(case), unreachable_slow_routes(case)
    interrupted = interrupted_routes(case) if blamed else frozenset()
    health = tuple(health_of_route(judged, blamed, route in deaf, route in interrupted)
                   for route, judged in case.verdicts.items())
    counted = tuple(entry for entry in health if entry.route not in excused)
    verdict = health_verdict(case, findings, counted, dark, all_excused=bool(excused) and not counted)
    failing = {entry.route for entry in counted if entry.state in ("failing", "degraded")}
    by_nginx = {route for finding in findings if finding.variant in ANSWERED_BY_NGINX for route in finding.routes}
    return Assessment(case, findings, health, counted, verdict, frozenset(failing.difference(blamed, by_nginx)), dark,
                      unresolved_values(case))


def _with_doubt(check: Check, doubts: Mapping[str, str]) -> Check:
    """Return the check as undetermined if only answers for other pages rule its cause out."""
    if check.cause not in doubts or not isinstance(check.verdict, RuledOut) or any(
            shown.source != "probe" for shown in check.verdict.evidence):
        return check
    return Check(check.cause, Undetermined((doubts[check.cause],)))


def _logged_failures(case: Case, shown: Sequence[Finding]) -> tuple[
        tuple[Finding, ...], tuple[str, ...], Mapping[str, str]]:
    """Return (findings, notes, doubts by cause) on what nginx logged in the last quarter of an hour."""
    since = case.snapshot.taken_at - 2 * RECENT_ERROR - LOGGED_SECONDS      # the clocks of nodes may differ
    if not any(isinstance(nginx.errors, Known) and nginx.errors.value and nginx.errors.value[-1].at >= since
               for nginx in case.snapshot.nginxes):
        return (), (), {}
    return judge_logged_failures(case, shown)


def _newer_sides(case: Case, shown: Sequence[Finding]) -> tuple[str, ...]:
    """Return the notes on which side of a disagreement changed last."""
    return tuple(newer_side_notes(case, shown)) if any(found.role == "root" for found in shown) else ()


def _unexplained_checks(lasting: tuple[Finding, ...], unresolved: tuple[str, ...]) -> tuple[Check, ...]:
    """Return the check of what has no cause; none if there is nothing to say."""
    if lasting:
        return (Check(UNEXPLAINED, Found(lasting, unresolved)),)
    return (Check(UNEXPLAINED, Undetermined(unresolved)),) if unresolved else ()


def _rank_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    def rank(finding: Finding) -> tuple[int, bool, int, int, str, str, int]:
        first = min((_route_number(route) for route in finding.routes), default=0)
        return (
            _ROLE_RANK[finding.role], finding.is_past, rank_of_finding(finding),
            _CONFIDENCE_RANK[finding.confidence], finding.cause, finding.node, first,
        )

    return tuple(sorted(findings, key=rank))


def _route_number(route: str) -> int:
    digits = "".join(c for c in route if c.isdigit())
    return int(digits) if digits else 0
