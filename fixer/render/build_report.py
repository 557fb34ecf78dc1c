"""The report of a diagnosis: routes with probes, findings with their repairs as text and masked diffs."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.analysis.evidence import ENGINE
from fixer.diagnose.precedence import weigh_hidden
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Check, Diagnosis, Finding, Found, Need, Repair, RouteHealth, RuledOut
from fixer.model.facts import Evidence, Known
from fixer.model.report import (
    SCHEMA_VERSION,
    CheckReport,
    FindingReport,
    NeedReport,
    ProbeReport,
    RepairReport,
    Report,
    RouteReport,
    SourceRef,
)
from fixer.model.snapshot import Endpoint, ProbeResult, RouteFacts, Snapshot
from fixer.redaction.known_names import words_of_snapshot, words_of_steps
from fixer.redaction.log_lines import mask_quoted_line, mask_said
from fixer.redaction.masks import Masks

with lazy_imports():
    from fixer.redaction.masked_steps import describe_step, diff_of  # only if something was found
    from fixer.redaction.nginx_words import mask_quoted  # only where a statement is quoted


def build_report(snapshot: Snapshot, diagnosis: Diagnosis, *, duration_ms: float,
                 notes: tuple[str, ...] = (), host: str = "") -> Report:
    """Return the report of one observation of a target."""
    health = {entry.route: entry for entry in diagnosis.health}
    endpoints = {endpoint.id: endpoint for endpoint in snapshot.endpoints}
    masked = _Masked(snapshot)
    answering = _answering_routes(snapshot, endpoints) if diagnosis.findings else frozenset[str]()
    return Report(
        SCHEMA_VERSION, str(snapshot.target), diagnosis.verdict, round(duration_ms, 1),
        routes=tuple(_route_report(facts, endpoints, health.get(facts.route.id), masked) for facts in snapshot.routes),
        findings=tuple(_finding_report(finding, masked) for finding in diagnosis.findings),
        checks=tuple(_check_report(check, masked) for check in weigh_hidden(diagnosis, answering)),
        notes=tuple(dict.fromkeys(map(masked.note, (*notes, *snapshot.notes, *diagnosis.notes)))),
        host=host, observed_at=snapshot.taken_at,
        without_root=tuple(node.name for node in snapshot.nodes if node.name != ENGINE and not node.root),
    )


class _Masked:
    """The texts of one report, masked with the same numbers, each once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.masks = Masks(known=words_of_snapshot(snapshot))
        self._evidence: dict[Evidence, Evidence] = {}
        self._notes: dict[tuple[str, int], str] = {}

    def text(self, text: str) -> str:
        """Return a text that fixer wrote."""
        return mask_said(self.masks.again(text), self.masks)

    def note(self, text: str) -> str:
        """Return a sentence that fixer wrote, with its secrets masked already. Thousands of routes share one: it is
        masked once, until something else gets a number."""
        key = text, self.masks.count
        found = self._notes.get(key)
        if found is None:
            found = self._notes[key] = self.masks.parts(self.masks.again(text), ids=True)
        return found

    def evidence(self, evidence: Evidence) -> Evidence:
        """Return evidence for print, masked by the same rules as a bundle."""
        shown = self._evidence.get(evidence)
        if shown is None:
            where = self.note(evidence.where) if evidence.source == "probe" else evidence.where      # a page's address
            shown = self._evidence[evidence] = Evidence(evidence.source, where, self._quoted(evidence))
        return shown

    def _quoted(self, evidence: Evidence) -> str:
        if evidence.source in _LOGS:
            return mask_quoted_line(self.masks.again(evidence.text), self.masks)
        if evidence.source != "nginx-config":
            return self.text(evidence.text)
        return mask_said(mask_quoted(self.masks.again(evidence.text), self.masks), self.masks)


_LOGS = frozenset(("nginx-log", "service-log", "nginx-test"))


def _answering_routes(snapshot: Snapshot, endpoints: Mapping[str, Endpoint]) -> frozenset[str]:
    """Return the routes whose every address answered fixer's own request, without an error."""
    told = ((facts.route.id, [endpoints[name] for name in facts.endpoints if name in endpoints])
            for facts in snapshot.routes)
    return frozenset(route for route, reached in told if reached and all(map(_answers_well, reached)))


def _answers_well(endpoint: Endpoint) -> bool:
    return isinstance(endpoint.http, Known) and not endpoint.http.value.has_failed


def _route_report(facts: RouteFacts, endpoints: Mapping[str, Endpoint], health: RouteHealth | None,
                  masked: _Masked) -> RouteReport:
    route = facts.route
    return RouteReport(
        route.id, route.listen_text, route.server_names, masked.note(route.location),
        SourceRef(route.source.file, route.source.line),
        endpoints=tuple(dict.fromkeys(_address_text(endpoints[name]) for name in facts.endpoints if name in endpoints)),
        probe=_worst_probe(facts.probes.value) if isinstance(facts.probes, Known) else None,
        state=health.state if health else "unknown",
        reason=masked.note(health.reason) if health else "",
        scheme=route.listen_scheme,
        passed_on=health is not None and health.passed_on,
    )


def _address_text(endpoint: Endpoint) -> str:
    if endpoint.unix is not None:
        return f"unix:{endpoint.unix}"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def _worst_probe(probes: tuple[ProbeResult, ...]) -> ProbeReport | None:
    """Return the most relevant probe: one without an answer, else the highest status."""
    if not probes:
        return None
    worst = max(probes, key=lambda probe: (probe.status is None, probe.status or 0))
    return ProbeReport(worst.status, round(worst.ms, 1), worst.error)


def _finding_report(finding: Finding, masked: _Masked) -> FindingReport:
    return FindingReport(
        finding.cause, finding.variant, finding.role, finding.confidence, masked.text(finding.summary),
        finding.routes, finding.service, finding.node, tuple(map(masked.evidence, finding.evidence)),
        repairs=tuple(repair_report(repair, masked.masks) for repair in finding.repairs),
        detail=tuple(map(masked.text, finding.detail)),
    )


def repair_report(repair: Repair, masks: Masks | None = None) -> RepairReport:
    """Return a repair as offered."""
    masks = masks or Masks(known=words_of_steps(repair.steps))
    steps = tuple(describe_step(step, masks) for step in repair.steps)
    return RepairReport(
        repair.id, repair.risk, mask_said(repair.summary, masks),
        steps=steps or ((mask_said(repair.manual, masks),) if repair.manual else ()),
        diff=diff_of(repair.steps, masks),
        needs=tuple(_need_report(need) for need in repair.needs),
        waits=repair.waits,
        proof=repair.proof,
    )


def _need_report(need: Need) -> NeedReport:
    default = None if need.kind == "secret" else need.default
    return NeedReport(need.key, need.kind, need.why, need.choices, default)


def _check_report(check: Check, masked: _Masked) -> CheckReport:
    match check.verdict:
        case Found(findings):
            evidence = tuple(masked.evidence(evidence) for finding in findings for evidence in finding.evidence)
            return CheckReport(check.cause, "found", evidence, ())
        case RuledOut(evidence):
            return CheckReport(check.cause, "ruled-out", tuple(map(masked.evidence, evidence)), ())
        case verdict:
            return CheckReport(check.cause, "undetermined", (), tuple(map(masked.note, verdict.missing)))
