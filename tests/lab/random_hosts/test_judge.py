"""Tests of lab/random_hosts/judge.py."""

from __future__ import annotations

import pytest

from lab.random_hosts.judge import Observed, accepted_outcomes, judge
from tests.lab.random_hosts.builders import HEALTHY, fault, look, repaired

PORT = fault("port", "wrong-port")
DOWN = fault("down", "backend-down")
KEY = fault("key", "crash-missing-env", outcomes=("operator",))


def test_the_right_cause_repaired_for_good_is_passed() -> None:
    found = judge([PORT], ["port"], repaired(look("wrong-port")))
    assert found.problems == ()
    assert (found.right, found.outcome, found.lasting, found.undo_exact, found.agreeing) == (
        True, "repaired", True, True, True)


@pytest.mark.parametrize("document", [
    look("nginx-down"), look(), look("wrong-port", "nginx-down"), look("nginx-down", "wrong-port"),
    look(("wrong-port", "certain", "advice")), look(("wrong-port", "certain", "consequence")),
])
def test_a_wrong_answer_counts_as_wrong(document: dict[str, object]) -> None:
    found = judge([PORT], ["port"], repaired(document))
    assert found.right is False
    assert found.problems[0].startswith("cause: ")


def test_the_first_finding_must_show_and_a_masked_fault_counts_as_second() -> None:
    assert judge([PORT, DOWN], ["port"], repaired(look("wrong-port", "backend-down"))).right
    assert judge([PORT, DOWN], ["port"], repaired(look("backend-down", "wrong-port"))).right is False
    assert judge([PORT, DOWN], ["port", "down"], repaired(look("backend-down"))).right


def test_each_claim_is_right_or_wrong_by_itself() -> None:
    found = judge([PORT], ["port"], repaired(look("wrong-port", ("nginx-down", "likely"))))
    assert [(one.confidence, one.right) for one in found.claims] == [("certain", True), ("likely", False)]


@pytest.mark.parametrize(("verdicts", "expected"), [
    ({"wrong-port": "found", "backend-down": "ruled-out"}, True),
    ({"wrong-port": "found", "backend-down": "undetermined"}, False), ({"wrong-port": "found"}, False), ({}, None),
])
def test_a_fault_whose_causes_are_all_ruled_out_is_counted(verdicts: dict[str, str], expected: bool | None) -> None:
    said = {**look("wrong-port"), "checks": [{"cause": cause, "verdict": verdict} for cause, verdict in verdicts.items()]}
    found = judge([PORT, DOWN], ["port"], repaired(said))
    assert (found.falsely_ruled_out, found.problems) == (expected, ())
    assert judge([], [], repaired({**HEALTHY, "checks": said["checks"]})).falsely_ruled_out is None


def test_one_of_the_causes_that_a_fault_accepts_may_be_ruled_out() -> None:
    checks = [{"cause": "wrong-port", "verdict": "ruled-out"}, {"cause": "wrong-host", "verdict": "undetermined"}]
    either = fault("either", "wrong-port", "wrong-host")
    assert judge([either], ["either"], repaired({**look("wrong-port"), "checks": checks})).falsely_ruled_out is False


def test_an_operator_is_accepted_only_where_a_fault_says_so() -> None:
    assert accepted_outcomes([PORT]) == {"repaired"}
    assert accepted_outcomes([PORT, KEY]) == {"operator"}
    assert accepted_outcomes([fault("both", outcomes=("repaired", "operator"))]) == {"repaired", "operator"}
    asked = Observed(said=look("crash-missing-env"), repair_code=4, failing_after=("login page",))
    assert judge([KEY], ["key"], asked).outcome_right
    assert not judge([PORT], ["port"], asked).outcome_right
    assert not judge([KEY], ["key"], repaired(look("crash-missing-env"))).outcome_right


def test_exit_code_0_with_failing_pages_is_falsely_healthy() -> None:
    found = judge([PORT], ["port"], repaired(look("wrong-port"), failing_after=("login page: HTTP 502",)))
    assert (found.outcome, found.falsely_healthy, found.lasting) == ("falsely-healthy", True, None)
    assert judge([PORT], ["port"], repaired(HEALTHY)).falsely_healthy
    for other in ("verify", "bundle"):      # each word of it counts
        assert judge([PORT], ["port"], repaired(look("wrong-port"), **{other: HEALTHY})).falsely_healthy
        assert not judge([], [], repaired(HEALTHY, **{other: HEALTHY})).falsely_healthy


def test_a_host_that_got_well_while_the_solver_changed_nothing_is_not_repaired() -> None:
    idle = {"outcome": "nothing-to-do", "applied": [], "before": look("wrong-port")}
    found = judge([PORT], ["port"], repaired(look("wrong-port"), repair=idle, changed_by_repair=()))
    assert (found.outcome, found.outcome_right, found.lasting) == ("untouched", False, None)
    assert found.problems == ("outcome: untouched; accepted repaired",)
    done = {**idle, "outcome": "repaired", "applied": ["a step"]}
    assert judge([PORT], ["port"], repaired(look("wrong-port"), repair=done)).outcome == "repaired"
    waited = {**idle, "applied": ["a step"]}
    assert judge([PORT], ["port"], repaired(look("wrong-port"), repair=waited)).outcome == "repaired"
    assert judge([PORT], ["port"], repaired(look("wrong-port"), repair={})).outcome == "repaired", "it prints no document"
    assert judge([], [], Observed(looks=(HEALTHY,) * 5, verify=HEALTHY, repair={**idle, "before": HEALTHY})).problems == ()


def test_what_does_not_last_is_named() -> None:
    found = judge([PORT], ["port"], repaired(look("wrong-port"), failing_rebooted=("login page: HTTP 502",)))
    assert found.lasting is False
    assert "after a restart of the machine" in found.problems[0]


def test_a_finding_or_a_change_on_a_host_without_faults_is_a_false_alarm_or_harm() -> None:
    quiet = Observed(looks=(HEALTHY,) * 5, verify=HEALTHY, repair={"before": HEALTHY})
    assert judge([], [], quiet).problems == ()
    loud = Observed(looks=(look(("wrong-port", "possible", "contributing"), verdict="degraded"),) * 5, verify=HEALTHY,
                    changed_by_repair=("/etc/nginx/nginx.conf: other content",))
    found = judge([], [], loud)
    assert found.false_alarm
    assert len(found.harm) == 1


def test_changes_of_a_look_or_of_a_repair_that_did_not_help_are_harm() -> None:
    seen = repaired(look("wrong-port"), changed_by_looks=("/etc/hosts2: new",))
    assert judge([PORT], ["port"], seen).harm == ("a look changed /etc/hosts2: new",)
    failed = Observed(looks=(look("wrong-port"),), repair_code=1, failing_after=("x",), changed_by_repair=("/etc/a: new",))
    assert judge([PORT], ["port"], failed).harm == ("not repaired, but this changed: /etc/a: new",)
    partly = Observed(looks=(look("wrong-port"),), repair_code=4, failing_after=("x",), repair={"applied": ["a step"]},
                      changed_by_repair=("/etc/a: new",))
    assert judge([PORT], ["port"], partly).harm == ()


def test_looks_that_differ_and_a_verify_that_contradicts_do_not_agree() -> None:
    seen = repaired(look("wrong-port"))
    cause = repaired(look("wrong-port"), looks=(look("wrong-port"), look("backend-down")))
    verdict = repaired(look("wrong-port"), looks=(look("wrong-port"), look("wrong-port", verdict="degraded")))
    assert (judge([PORT], ["port"], seen).agreeing, judge([PORT], ["port"], seen).steady) == (True, True)
    assert (judge([PORT], ["port"], cause).agreeing, judge([PORT], ["port"], cause).steady) == (True, False)
    assert (judge([PORT], ["port"], verdict).agreeing, judge([PORT], ["port"], verdict).steady) == (False, True)
    assert judge([PORT], ["port"], repaired(look("wrong-port"), verify={"verdict": "healthy"})).agreeing is False
    assert judge([PORT], ["port"], repaired(look("wrong-port"), bundle={"verdict": "unknown"})).agreeing is False


def test_a_bundle_that_offers_another_repair_does_not_agree() -> None:
    edit, by_hand = {"id": "correct-target", "risk": "disruptive", "needs": [{"key": "target"}]}, {"id": "correct-target", "risk": "manual"}
    live, masked = ({**(said := look("crash-code-error")), "findings": [{**said["findings"][0], "repairs": [one]}]} for one in (edit, by_hand))
    code = fault("code", "crash-code-error")
    assert judge([code], ["code"], repaired(live, bundle=live)).agreeing
    for seen in (repaired(live, bundle=masked), repaired(live, repair={"before": masked})):
        found = judge([code], ["code"], seen)
        assert found.agreeing is False and "repairs by correct-target manual, diagnose by correct-target disruptive target" in found.problems[0]
    # a look that names another cause repairs that one
    other = judge([code], ["code"], repaired(live, bundle=look("crash-code-error-2")))
    assert other.agreeing is False and "the bundle names crash-code-error-2 first, diagnose crash-code-error" in other.problems


def test_an_undo_after_which_the_pages_fail_in_another_way_is_not_exact() -> None:
    """All bytes are back, and visitors hang who got an error before: nginx has no worker any more."""
    found = judge([PORT], ["port"], repaired(look("wrong-port"), fails_otherwise="the pages answer (0,), before the repair (500,)"))
    assert found.undo_exact is False and found.problems == ("undo: the pages answer (0,), before the repair (500,)",)


def test_a_solver_without_diagnosis_is_judged_by_what_it_did() -> None:
    found = judge([PORT], ["port"], Observed(repair_code=0, failing_after=("login page",)))
    assert (found.right, found.agreeing, found.claims) == (None, None, ())
    assert found.outcome == "falsely-healthy"
    named = judge([PORT], ["port"], Observed(said=look(("wrong-port", "unstated")), failing_after=("x",)))
    assert (named.right, named.steady) == (True, None)


def test_a_difference_that_undo_leaves_is_named() -> None:
    for kept, left, exact in ((True, (), None), (False, (), True), (True, ("/etc/x: new",), False)):
        found = judge([PORT], ["port"], repaired(look("wrong-port"), left_by_undo=left, undo_kept=kept))
        assert found.undo_exact is exact, "what an undo keeps for somebody else is no proof that it takes all back"
    found = judge([PORT], ["port"], repaired(look("wrong-port"), left_by_undo=("/etc/x: mode 644, now 600",)))
    assert found.undo_exact is False
    assert "undo: 1 difference" in found.problems[0]
