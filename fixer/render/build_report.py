"""The report of a diagnosis: routes with probes, findings with their repairs as text and masked diffs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fixer.analysis.evidence import ENGINE
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
from fixer.redaction.secrets import redact_text


def build_report(snapshot: Snapshot, diagnosis: Diagnosis, *, duration_ms: float,
                 notes: tuple[str, ...] = (), host: str = "") -> Report:
    """Return the report of one observation of a target."""
    health = {entry.route: entry for entry in diagnosis.health}
    endpoints = {endpoint.id: endpoint for endpoint in snapshot.endpoints}
    return Report(
        SCHEMA_VERSION, str(snapshot.target), diagnosis.verdict, round(duration_ms, 1),
        routes=tuple(_route_report(facts, endpoints, health.get(facts.route.id)) for facts in snapshot.routes),
        findings=tuple(_finding_report(finding) for finding in diagnosis.findings),
        checks=tuple(_check_report(check) for check in diagnosis.checks),
        notes=tuple(dict.fromkeys((*notes, *snapshot.notes, *diagnosis.notes))),
        host=host, observed_at=snapshot.taken_at,
        without_root=tuple(node.name for node in snapshot.nodes if node.name != ENGINE and not node.root),
    )


def _route_report(facts: RouteFacts, endpoints: Mapping[str, Endpoint], health: RouteHealth | None) -> RouteReport:
    route = facts.route
    return RouteReport(
        route.id, route.listen_text, route.server_names, route.location,
        SourceRef(route.source.file, route.source.line),
        endpoints=tuple(dict.fromkeys(_address_text(endpoints[name]) for name in facts.endpoints if name in endpoints)),
        probe=_worst_probe(facts.probes.value) if isinstance(facts.probes, Known) else None,
        state=health.state if health else "unknown",
        reason=health.reason if health else "",
        scheme=route.listen_scheme,
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


def _finding_report(finding: Finding) -> FindingReport:
    return FindingReport(
        finding.cause, finding.variant, finding.role, finding.confidence, redact_text(finding.summary),
        finding.routes, finding.service, finding.node,
        tuple(_masked_evidence(evidence) for evidence in finding.evidence),
        repairs=tuple(repair_report(repair) for repair in finding.repairs),
        detail=tuple(redact_text(line) for line in finding.detail),
    )


@cache
def _masked_evidence(evidence: Evidence) -> Evidence:
    """Return evidence for print, masked by the same rules as a bundle."""
    text = evidence.text
    if evidence.source == "nginx-config":
        from fixer.redaction.config_files import redact_nginx

        text = redact_nginx(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
    return Evidence(evidence.source, evidence.where, redact_text(text))


def repair_report(repair: Repair) -> RepairReport:
    """Return a repair as offered."""
    from fixer.redaction.masked_steps import describe_step, diff_of  # only if something was found

    steps = tuple(describe_step(step) for step in repair.steps)
    return RepairReport(
        repair.id, repair.risk, redact_text(repair.summary),
        steps=steps or ((redact_text(repair.manual),) if repair.manual else ()),
        diff=diff_of(repair.steps),
        needs=tuple(_need_report(need) for need in repair.needs),
        waits=repair.waits,
    )


def _need_report(need: Need) -> NeedReport:
    default = None if need.kind == "secret" else need.default
    return NeedReport(need.key, need.kind, need.why, need.choices, default)


def _check_report(check: Check) -> CheckReport:
    match check.verdict:
        case Found(findings):
            evidence = tuple(_masked_evidence(evidence) for finding in findings for evidence in finding.evidence)
            return CheckReport(check.cause, "found", evidence, ())
        case RuledOut(evidence):
            return CheckReport(check.cause, "ruled-out", tuple(_masked_evidence(each) for each in evidence), ())
        case verdict:
            return CheckReport(check.cause, "undetermined", (), verdict.missing)
