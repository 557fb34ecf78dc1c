"""What a script's capture brings of its machine: the findings ignored there and the policy of its operator."""

from __future__ import annotations

import json

import pytest

from fixer.app.bundle_policy import add_bundle_policy
from fixer.model.capture import Capture, NodeCapture
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.query import Answer, FileAnswer
from fixer.model.target import TargetRef
from fixer.observe.script_bundle import OPERATOR_FILES
from tests.causes.snapshot_builders import NOW, stat

LIST, POLICY = OPERATOR_FILES
ENTRY = {"id": "aa01", "cause": "wrong-port", "where": "/api", "because": "known", "owner": "ann", "until": "2030-01-01"}
LISTED = json.dumps({"accepted": [ENTRY]}).encode()


def after(listed: FileAnswer | None = None, policy: FileAnswer | None = None) -> Capture:
    answers = {query: Answer("ok", files=(file,)) for query, file in ((LIST, listed), (POLICY, policy)) if file is not None}
    node = NodeCapture("local", "machine", NOW, True, answers)
    return add_bundle_policy(Capture(TargetRef("bundle", "x.tgz"), (node,)))


def test_ignored_findings_come_along() -> None:
    assert after(FileAnswer(LIST.path, "ok", stat(), LISTED)).accepted == (IgnoredFinding(**ENTRY),)


def test_a_list_that_is_none_is_said() -> None:
    found = after(FileAnswer(LIST.path, "ok", stat(), b"{"))
    assert found.accepted == () and found.said == (
        f"ignored findings of that machine are unknown: {LIST.path} is not such a list",)


@pytest.mark.parametrize("listed", [None, FileAnswer(LIST.path, "absent"), FileAnswer(LIST.path, "denied", stat())])
def test_a_list_that_is_absent_or_not_ours_to_read_says_nothing(listed: FileAnswer | None) -> None:
    found = after(listed)
    assert (found.accepted, found.said) == ((), ())


@pytest.mark.parametrize(("policy", "said"), [
    (FileAnswer(POLICY.path, "ok", stat(), b'max_risk = "safe"'), "without an operator up to safe"),
    (FileAnswer(POLICY.path, "ok", stat(), b"max_rsk = 1"), "unknown key max_rsk"),
    (FileAnswer(POLICY.path, "denied", stat()), "could not be read"),
    (FileAnswer(POLICY.path, "ok", stat(uid=1000), b'max_risk = "safe"'), "is not a file that only root can change"),
    (FileAnswer(POLICY.path, "ok", stat(mode=0o100666), b'max_risk = "safe"'), "is not a file that only root can change"),
    (FileAnswer(POLICY.path, "ok", stat(kind="link"), b'max_risk = "safe"'), "is not a file that only root can change"),
])
def test_the_policy_is_told_in_one_line(policy: FileAnswer, said: str) -> None:
    (line,) = after(policy=policy).said
    assert line.startswith(POLICY.path) and said in line


def test_no_policy_is_no_word() -> None:
    assert after(policy=FileAnswer(POLICY.path, "absent")).said == ()
