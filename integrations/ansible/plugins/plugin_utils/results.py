"""Reports of fixer as results of a task: what `register` gets, when a host failed, when it was changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.badgateway.fixer.plugins.plugin_utils.reasons import Reason, reason_of

_AT_FAULT = ("root", "contributing")
_DRY_RUN = "this is a dry run"  # fixer's own words on a plan that it would apply


def parse_report(text: str, code: int, said: str) -> dict[str, Any]:
    """Return the one JSON object that fixer printed; a report of an error if it is none. `said` is its stderr."""
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        report = None
    if isinstance(report, dict):
        return report
    return error_report(reason_of(said or f"fixer ended with {code} and printed no report"))


def error_report(reason: Reason) -> dict[str, Any]:
    """Return the object that `--json` prints for an error."""
    return {"schema_version": 1, "target": "local", "verdict": "unknown",
            "error": {"kind": reason.kind, "message": reason.message, "hint": reason.hint}}


def objects(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list: a host may write anything into its report."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """Return the texts of a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def common_result(report: Mapping[str, Any], code: int, via: str) -> dict[str, Any]:
    """Return what every task reports: verdict, cause, variant, findings, exit_code, the whole report; `failed` and one
    line if the host could not be looked at."""
    error = report.get("error")
    if isinstance(error, Mapping):
        return {"changed": False, "failed": True, "msg": _error_text(error), "verdict": "unknown", "exit_code": code,
                "via": via, "report": dict(report)}
    findings = [short_finding(item) for item in objects(report.get("findings"))]
    first = next((item for item in findings if item["role"] in _AT_FAULT), {"cause": None, "variant": None})
    result: dict[str, Any] = {
        "changed": False, "verdict": report.get("verdict"), "cause": first["cause"], "variant": first["variant"],
        "findings": findings,
        "faults": [fault_name(item) for item in findings if item["role"] in _AT_FAULT],
        "exit_code": code, "via": via, "report": dict(report),
    }
    if code not in (0, 1, 4):
        result |= {"failed": True, "msg": "no route could be judged"}
    elif first["cause"]:
        result["msg"] = first["summary"]
    return result


def short_finding(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a playbook decides by: not the evidence, not the diffs."""
    keys = ("cause", "variant", "role", "confidence", "summary", "service", "node")
    repairs = [{"id": repair.get("id"), "risk": repair.get("risk")} for repair in objects(item.get("repairs"))]
    return {**{key: item.get(key) for key in keys}, "repairs": repairs}


def fault_name(finding: Mapping[str, Any]) -> str:
    """Return one text by which a playbook knows the same fault again in a later report."""
    return "{cause}/{variant} of {service} on {node}".format_map(finding)


def repair_result(report: Mapping[str, Any], code: int, via: str, *, check: bool) -> dict[str, Any]:
    """Return the result of `repair`. In check mode `changed` says that a plan would be applied."""
    result = common_result(report, code, via)
    if "error" in report:
        return result
    result |= {key: report.get(key) for key in ("outcome", "applied", "withheld", "journal")}
    if check:
        result["changed"] = any(_DRY_RUN in item for item in texts(report.get("withheld")))
    else:
        result["changed"] = bool(report.get("journal"))
    if code == 1:
        result |= {"failed": True, "msg": "; ".join(["the repair failed", *texts(report.get("notes"))][:3])}
    elif code == 4 and not check:
        result["msg"] = "; ".join(["an operator must decide", *texts(report.get("withheld"))][:3])
    return result


def plan_diff(report: Mapping[str, Any], *, check: bool) -> list[dict[str, str]]:
    """Return the diffs of the plan: of the first repair of each fault, before the run. Of a real run only those whose
    steps were applied."""
    before = report.get("before")
    applied = " ".join(texts(report.get("applied")))
    diffs = []
    for item in objects((before if isinstance(before, Mapping) else report).get("findings")):
        for repair in objects(item.get("repairs")) if item.get("role") in _AT_FAULT else ():
            if repair.get("diff") and (check or any(step in applied for step in texts(repair.get("steps")))):
                diffs.append({"prepared": f"{item.get('cause')}: {repair.get('summary')}\n{repair['diff']}"})
                break
    return diffs


def undo_result(report: Mapping[str, Any], code: int, via: str) -> dict[str, Any]:
    """Return the result of `undo`: failed if it left conflicts."""
    result: dict[str, Any] = {
        "changed": bool(report.get("restored")), "exit_code": code, "via": via, "report": dict(report),
        **{key: report.get(key) for key in ("id", "restored", "conflicts", "irreversible", "notes")},
    }
    error = report.get("error")
    if isinstance(error, Mapping):
        result |= {"failed": True, "msg": _error_text(error)}
    elif code != 0:
        result |= {"failed": True,
                   "msg": "; ".join(["not everything was undone", *texts(result["conflicts"])])}
    return result


def history_result(report: Mapping[str, Any], code: int, via: str, wanted: str | None) -> dict[str, Any]:
    """Return the result of `undo` in check mode: the run that would be undone, from the report of `history`."""
    runs = [run for run in objects(report.get("runs")) if run.get("state") == "committed"]
    chosen = next((run for run in runs if wanted in (None, run.get("id"))), None)
    result = undo_result(report, code, via)
    result |= {"changed": chosen is not None, "id": chosen.get("id") if chosen else None}
    if chosen is not None and "failed" not in result:
        result["msg"] = f"it would undo run {chosen.get('id')}"
    return result


def _error_text(error: Mapping[str, Any]) -> str:
    message, hint = str(error.get("message") or "it could not be looked at"), str(error.get("hint") or "")
    return f"{message} ({hint})" if hint else message
