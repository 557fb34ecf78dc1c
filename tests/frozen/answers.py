"""What is frozen of a diagnosis: its report, the whole of its repairs, and the plans that follow from it, as plain JSON.

Only public words stand in it (those of the report, of the journal's steps, and our own), so renaming code changes none.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fixer.model.diagnosis import Diagnosis, Finding, Found, Inputs, Repair
from fixer.model.plan import Risk, Step, WriteFile
from fixer.model.snapshot import Snapshot
from fixer.planner import RepairPolicy, plan
from fixer.redaction.masked_steps import step_to_json
from fixer.render.build_report import build_report
from fixer.render.to_json import to_value

_DIGITS = 16
_RISKS: tuple[Risk, ...] = ("safe", "disruptive")


def answer_of(snapshot: Snapshot, diagnosis: Diagnosis, inputs: Inputs | None = None) -> dict[str, Any]:
    """All of it, for a comparison to the byte."""
    report = to_value(build_report(snapshot, diagnosis, duration_ms=0.0))
    del report["duration_ms"]
    return {
        "report": report,
        "missing": {check.cause: list(check.verdict.missing) for check in diagnosis.checks
                    if isinstance(check.verdict, Found) and check.verdict.missing},
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "plans": {risk: _plan(diagnosis, risk, inputs) for risk in _RISKS},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """What the report leaves out."""
    return {"cause": finding.cause, "repairs": list(map(_repair, finding.repairs))}


def _repair(repair: Repair) -> dict[str, Any]:
    return {
        "id": repair.id, "manual": repair.manual, "doubt": repair.doubt,
        "patterns": {need.key: need.pattern for need in repair.needs if need.pattern},
        "steps": list(map(_step, repair.steps)),
    }


def _plan(diagnosis: Diagnosis, risk: Risk, inputs: Inputs | None) -> dict[str, Any]:
    made = plan(diagnosis, RepairPolicy(max_risk=risk), inputs=inputs, strict=False)
    return {
        "cause": made.cause, "repair": made.repair_id, "risk": made.risk, "summary": made.summary, "waits": made.waits,
        "steps": list(map(_step, made.steps)),
        "withheld": [{"repair": each.repair_id, "cause": each.cause, "why": each.why, "flag": each.flag}
                     for each in made.withheld],
    }


def _step(step: Step) -> dict[str, Any]:
    """The step as the journal has it, and of the bytes that it leaves out a number each."""
    told: dict[str, Any] = json.loads(step_to_json(step))
    if isinstance(step, WriteFile):
        told["bytes"] = [_number(step.before), _number(step.after), [_number(secret) for secret in step.mask]]
    return told


def _number(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()[:_DIGITS]
