"""When a host failed, when it was changed, and what `register` gets, from reports of every shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.badgateway.fixer.plugins.plugin_utils.reasons import Reason
from ansible_collections.badgateway.fixer.plugins.plugin_utils.results import (
    common_result,
    error_report,
    history_result,
    parse_report,
    plan_diff,
    repair_result,
    undo_result,
)
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fixer.render.json_schema import command_schemas
from fixer.render.to_json import to_value
from tests.render import report_samples as r

BROKEN = to_value(r.BROKEN)
FOUND: dict[str, Any] = {"cause": "wrong-port", "variant": "wrong-port", "role": "root", "service": "a.service", "node": "local", "repairs": [
    {"id": "point", "risk": "safe", "summary": "point it", "steps": ["edit /etc/x"], "diff": "-a\n+b\n"}]}


def test_a_broken_host_is_a_result_and_no_failure() -> None:
    result = common_result(BROKEN, 1, "fixer")
    assert "failed" not in result and not result["changed"]
    assert (result["verdict"], result["cause"], result["variant"], result["exit_code"], result["via"]) == (
        "broken", "wrong-port", "wrong-port", 1, "fixer")
    assert result["report"] == BROKEN and result["msg"] == result["findings"][0]["summary"]
    assert result["findings"][0]["repairs"][0] == {"id": "point-route-at-listener", "risk": "safe"}
    assert "evidence" not in result["findings"][0]
    assert result["faults"][0] == "wrong-port/wrong-port of backend.service on local"


def test_a_host_that_could_not_be_looked_at_failed_with_one_line() -> None:
    report = error_report(Reason("unreachable", "no answer", "look"))
    result = common_result(report, 3, "fixer")
    assert (result["failed"], result["msg"], result["verdict"]) == (True, "no answer (look)", "unknown")
    assert common_result({"verdict": "unknown"}, 3, "fixer")["msg"] == "no route could be judged"
    Draft202012Validator(command_schemas()["diagnose"]).validate(report)


@pytest.mark.parametrize(("text", "code", "said", "message"), [
    ("", 3, "Traceback\nKilled", "Killed"), ("[1]", 137, "", "fixer ended with 137 and printed no report"), ("{" * 99999, 1, "x", "x"),
])
def test_output_that_is_no_report_is_an_error(text: str, code: int, said: str, message: str) -> None:
    assert parse_report(text, code, said)["error"]["message"] == message
    assert parse_report(json.dumps(BROKEN), 1, "") == BROKEN


@pytest.mark.parametrize(("report", "code", "check", "changed", "failed"), [
    ({"outcome": "repaired", "verdict": "healthy", "journal": "r1", "applied": ["edit"]}, 0, False, True, False),
    ({"outcome": "nothing-to-do", "verdict": "healthy", "journal": None}, 0, False, False, False),
    ({"outcome": "rolled-back", "verdict": "broken", "journal": None, "notes": ["not better"]}, 1, False, False, True),
    ({"outcome": "needs-input", "verdict": "broken", "journal": None, "withheld": ["x for y: it is disruptive"]}, 4, False, False, False),
    ({"outcome": "needs-input", "verdict": "degraded", "journal": "r1", "withheld": []}, 4, False, True, False),
    ({"outcome": "needs-input", "withheld": ["x for y: it is safe, and this is a dry run"]}, 4, True, True, False),
    ({"outcome": "needs-input", "withheld": ["x for y: it is disruptive"]}, 4, True, False, False),
    ({"verdict": "unknown", "error": {"kind": "locked", "message": "another repair runs"}}, 4, False, False, True),
    ({"verdict": "unknown", "error": {"kind": "no-nginx", "message": "no nginx"}}, 3, False, False, True),
])
def test_changed_and_failed_of_a_repair(report: dict[str, Any], code: int, check: bool, changed: bool, failed: bool) -> None:
    result = repair_result(report, code, "fixer", check=check)
    assert (result["changed"], result.get("failed", False)) == (changed, failed)
    assert not failed or "\n" not in result["msg"]


def test_the_diff_is_the_plans() -> None:
    report = {"before": {"findings": [FOUND, {**FOUND, "role": "consequence"}]}, "applied": []}
    assert plan_diff(report, check=True) == [{"prepared": "wrong-port: point it\n-a\n+b\n"}]
    assert plan_diff(report, check=False) == []
    assert plan_diff({**report, "applied": ["edit /etc/x (helped)"]}, check=False) == plan_diff(report, check=True)


def test_undo_and_its_check_mode() -> None:
    done = undo_result({"id": "r1", "restored": ["/etc/x"], "conflicts": []}, 0, "fixer")
    assert (done["changed"], done["id"], "failed" in done) == (True, "r1", False)
    left = undo_result({"id": "r1", "restored": [], "conflicts": ["/etc/x was edited"]}, 1, "fixer")
    assert (left["changed"], left["failed"], left["msg"]) == (False, True, "not everything was undone; /etc/x was edited")
    assert undo_result({"error": {"message": "unknown id"}}, 2, "fixer")["msg"] == "unknown id"
    runs = {"runs": [{"id": "r3", "state": "undone"}, {"id": "r2", "state": "committed"}, {"id": "r1", "state": "committed"}]}
    assert history_result(runs, 0, "fixer", None)["id"] == "r2"
    assert history_result(runs, 0, "fixer", "r1")["changed"] is True
    assert history_result(runs, 0, "fixer", "r3")["changed"] is False


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["verdict", "error", "message", "hint", "findings", "role", "repairs", "runs", "state", "withheld", "applied", "before",
                     "diff", "steps", "conflicts", "restored", "journal", "id", "notes"]), inner), max_leaves=15)


@given(st.dictionaries(st.sampled_from(["verdict", "error", "findings", "before", "runs", "withheld", "applied", "conflicts", "notes", "journal"]), JSON),
       st.integers(0, 255), st.booleans())
def test_no_report_of_a_host_breaks_a_task(report: dict[str, Any], code: int, check: bool) -> None:
    for result in (common_result(report, code, "fixer"), repair_result(report, code, "fixer", check=check), undo_result(report, code, "fixer"),
                   history_result(report, code, "fixer", None)):
        assert isinstance(result["changed"], bool)
        assert not result.get("failed") or isinstance(result["msg"], str)
    plan_diff(report, check=check)
