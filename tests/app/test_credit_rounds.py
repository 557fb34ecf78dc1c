"""Rounds on credit: those that help in the end stay, those that a person's step needs too, all others are rolled back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app.credit_rounds import CreditRound, settle_credit
from fixer.app.repair_session import RepairSession
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.terminal import Terminal
from fixer.verify import Observation
from tests.app.abandoned_repairs_builders import Run
from tests.apply.folder_target import FolderTarget
from tests.causes.snapshot_builders import healthy_scene, wrong_port_scene
from tests.verify_builders import look, with_health

ASKS = Repair("set-variable", "disruptive", "set KEY", (), (Need("KEY", "secret", "the program asks for it"),))


def settled(folder: Path, now: Observation, *, abandoned: Finding | None = None) -> tuple[Run, tuple[str, ...]]:
    before = look(wrong_port_scene())
    course = RepairSession(FolderTarget(folder), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), before, now)
    if abandoned is not None:
        course.give_up(now, abandoned, "set KEY", "it was in vain")
    run = Run({})
    rounds = [CreditRound(number, before.diagnosis.findings[0], before) for number in (1, 2)]
    return run, settle_credit(run, course, rounds)      # type: ignore[arg-type]


def broken(*found: Finding) -> Observation:
    return with_health(look(wrong_port_scene()), "failing", findings=found)


def next_fault(*repairs: Repair) -> Finding:
    return replace(look(wrong_port_scene()).diagnosis.findings[0], cause="crash-missing-env", repairs=repairs)


def test_what_helps_in_the_end_stays(tmp_path: Path) -> None:
    run, notes = settled(tmp_path, look(healthy_scene()))
    assert run.redeemed == [2, 1] and run.taken_back_rounds == [] and notes == ()


def test_what_a_persons_step_needs_stays(tmp_path: Path) -> None:
    run, notes = settled(tmp_path, broken(next_fault(ASKS)))
    assert run.redeemed == run.taken_back_rounds == [] and notes == ()


@pytest.mark.parametrize("found", [(), (next_fault(),)])
def test_what_nothing_waits_for_is_rolled_back_last_first(found: tuple[Finding, ...], tmp_path: Path) -> None:
    run, notes = settled(tmp_path, broken(*found))
    assert run.taken_back_rounds == [2, 1] and len(notes) == 2 and run.redeemed == []


def test_a_repair_that_was_tried_in_vain_waits_for_nothing(tmp_path: Path) -> None:
    run, _ = settled(tmp_path, broken(next_fault(ASKS)), abandoned=next_fault(ASKS))
    assert run.taken_back_rounds == [2, 1]
