"""Units that systemd would stop to start another: which of the two is meant, a person says."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import UnitAction
from fixer.model.snapshot import Snapshot, Unit


def spare_rivals(snapshot: Snapshot, findings: Sequence[Finding]) -> Sequence[Finding]:
    """No repair starts a unit while one that conflicts with it runs: its own words in the unit files say that systemd
    stops it then, and an undo would not bring back what it held."""
    contested = {(service.node, unit.name): unit.conflicts for service in snapshot.services
                 for unit in (service.unit, service.socket, service.program.unit if service.program else None)
                 if unit is not None and _is_contested(unit)}
    return [_spared(finding, contested) for finding in findings] if contested else findings


def _is_contested(unit: Unit) -> bool:
    return bool(unit.conflicts) and unit.active_state not in ("active", "reloading")


def _spared(finding: Finding, contested: dict[tuple[str, str], tuple[str, ...]]) -> Finding:
    met = next((key for repair in finding.repairs for key in _begun(repair) if key in contested), None)
    if met is None:
        return finding
    rivals = ", ".join(contested[met])
    text = f"{rivals} runs, and conflicts with {met[1]}: to start that would stop it"
    shown = Evidence("unit", met[1], f"Conflicts: {rivals}, running now")
    return replace(
        finding, detail=(*finding.detail, text), evidence=(*finding.evidence[:1], shown, *finding.evidence[1:]),
        repairs=tuple(_left(repair, text) if contested.keys() & set(_begun(repair)) else repair
                      for repair in finding.repairs),
    )


def _begun(repair: Repair) -> list[tuple[str, str]]:
    return [(step.node, step.unit) for step in repair.steps
            if isinstance(step, UnitAction) and step.verb in ("start", "restart")]


def _left(repair: Repair, text: str) -> Repair:
    return replace(repair, risk="manual", steps=(), needs=(),
                   manual=f"{text}; decide which of the two is meant. Without that: {repair.summary}")
