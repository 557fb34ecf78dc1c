"""Steps through the own command of a service manager: what runs, and what an undo runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixer.apply.steps.service_step import apply_service, restart_if_running, restart_service, undo_service
from fixer.errors import StepFailed
from fixer.model.host import CommandResult
from fixer.model.plan import ServiceAction
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json


class Node:
    """A node whose commands end with these codes, by verb."""

    def __init__(self, **codes: int) -> None:
        self.codes, self.ran = codes, list[str]()

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        assert argv[:3] == ["rc-service", "--", "shop"]
        self.ran.append(argv[3])
        code = self.codes.get(argv[3], 0)
        return CommandResult(tuple(argv), code, b"", b" * ERROR: shop failed to start" if code else b"")


def action(verb: str, was: str) -> ServiceAction:
    return ServiceAction("local", "openrc", "shop", verb, was, describe="the shop")    # type: ignore[arg-type]


@pytest.mark.parametrize(("verb", "was", "before", "after"), [
    ("start", "stopped", ["stop"], []), ("restart", "failed", ["stop"], []), ("restart", "running", [], ["restart"]),
    ("start", "running", [], []),
])
def test_an_undo_returns_to_the_state_before(verb: str, was: str, before: list[str], after: list[str]) -> None:
    node, step = Node(), action(verb, was)
    apply_service(step, node)
    assert node.ran == [verb]
    node.ran.clear()
    said = undo_service(step, node)
    assert node.ran == before and said == ("stopped shop" if before else "")
    node.ran.clear()
    said = restart_service(step, node)
    assert node.ran == after and said == ("restarted shop" if after else "")


def test_a_start_that_its_manager_reports_as_failed() -> None:
    with pytest.raises(StepFailed, match=r"could not start shop: .*shop failed to start"):
        apply_service(action("start", "stopped"), Node(start=1))


@pytest.mark.parametrize(("status", "ran"), [(0, ["status", "restart"]), (3, ["status"]), (32, ["status"])])
def test_only_what_runs_reads_restored_files(status: int, ran: list[str]) -> None:
    node = Node(status=status)
    assert bool(restart_if_running(action("restart", "running"), node)) is (status == 0) and node.ran == ran


def test_its_text_and_its_line_in_a_journal() -> None:
    step = action("restart", "running")
    assert describe_step(step) == "restart shop (openrc) (the shop)" and step_from_json(step_to_json(step)) == step
