"""Tests of fixer/causes/backend_down/condition_or_mask.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.plan import DaemonReload, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import CommandArgument, UnitSetting
from tests.causes.backend_down.backend_down_builders import down
from tests.causes.snapshot_builders import Scene, finding_of, log_lines, stat, stopped_service

CAUSE = "backend-down"

PACKAGED = "/usr/lib/systemd/system/backend.service"
MASK = "/etc/systemd/system/backend.service"
SAID = Evidence("unit", f"{PACKAGED}:9", "WantedBy=multi-user.target")


def masked(*, hides: bool = True, wanted: bool | None = True, **mask: object) -> Scene:
    scene = down(
        unit_changes={"load_state": "masked", "unit_file_state": "masked"},
        command=(CommandArgument("uvicorn", PACKAGED if hides else None),),
        settings=(UnitSetting("WantedBy", "multi-user.target", SAID, wanted),),
    )
    link = stat(**{"kind": "link", "link_target": "/dev/null", **mask})
    scene.node_changes["local"] = {"files": ((MASK, link),)}
    return scene


def repair_of(scene: Scene, **inputs: str) -> Repair:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE).repairs[0]


def test_a_mask_is_taken_away_once_a_person_names_the_unit() -> None:
    found = finding_of(diagnose(masked().snapshot()), CAUSE)
    assert found.variant == "unit-masked" and any("/dev/null" in e.text for e in found.evidence)
    repair = found.repairs[0]
    assert (repair.risk, repair.needs[0].choices, repair.steps) == ("disruptive", ("backend.service",), ())
    lift, reload, start, wait = repair_of(masked(), unmask="backend.service").steps
    assert isinstance(lift, WriteFile) and (lift.path, lift.link_target, lift.after) == (MASK, "/dev/null", None)
    assert isinstance(reload, DaemonReload) and isinstance(wait, WaitForListener)
    assert isinstance(start, UnitAction) and start.verb == "start"


def test_what_nothing_would_start_at_boot_is_enabled_with_the_unmasking() -> None:
    steps = repair_of(masked(wanted=False), unmask="backend.service").steps
    assert [s.verb for s in steps if isinstance(s, UnitAction)] == ["enable", "start"]
    blind = repair_of(masked(wanted=None), unmask="backend.service").steps
    assert [s.verb for s in blind if isinstance(s, UnitAction)] == ["start"]


def test_an_empty_file_masks_too_and_other_masks_are_for_a_person() -> None:
    empty = repair_of(masked(kind="file", link_target=None, size=0), unmask="backend.service").steps[0]
    assert isinstance(empty, WriteFile) and (empty.before, empty.after) == (b"", None)
    for scene in (masked(hides=False), masked(kind="file", link_target=None, size=40)):
        assert repair_of(scene).risk == "manual"
    unseen = masked()
    unseen.node_changes.clear()
    assert repair_of(unseen).risk == "manual"


READY = UnitSetting("ConditionPathExists", "/etc/shop-ready", Evidence("unit", "u:3", "ConditionPathExists=…"), False)
HOME = UnitSetting("ConditionPathIsDirectory", "/srv/shop", Evidence("unit", "u:4", "ConditionPathIsDirectory=…"), True)
PASSED = "Backend skipped, unmet condition check ConditionPathExists=/etc/shop-ready"


def unmet(*settings: UnitSetting, said: str = PASSED, **changes: Any) -> Scene:
    return down(unit_changes={"condition_result": False, **changes}, settings=settings, log=log_lines("Stopped Backend.", said))


@pytest.mark.parametrize("said", [PASSED, "Backend was skipped because of an unmet condition check "
                                          "(ConditionPathExists=/etc/shop-ready).", "nothing"])
def test_an_unmet_condition_is_named_and_a_person_chooses(said: str) -> None:
    scene = unmet(HOME, READY, said=said)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "start-condition-unmet" and any(e.where == "u:3" for e in found.evidence)
    need = found.repairs[0].needs[0]
    assert (need.key, need.choices) == ("condition", ("create", "drop")) and found.repairs[0].steps == ()
    made = repair_of(scene, condition="create").steps[0]
    assert isinstance(made, WriteFile) and (made.path, made.before, made.after) == ("/etc/shop-ready", None, b"")
    dropped = repair_of(scene, condition="drop").steps[0]
    assert isinstance(dropped, WriteFile)
    assert dropped.after == b"[Unit]\nConditionPathExists=\nConditionPathIsDirectory=/srv/shop\n"


def test_a_file_that_must_not_be_there_may_be_taken_away() -> None:
    flag = UnitSetting("ConditionPathExists", "!/srv/shop/MAINTENANCE", Evidence("unit", "u:3", "x"), True)
    said = PASSED.replace(READY.value, flag.value)
    (need,) = repair_of(unmet(flag, said=said)).needs
    assert need.choices == ("drop",) and "remove /srv/shop/MAINTENANCE yourself" in need.why


def test_a_drop_in_is_read_after_those_that_are_there() -> None:
    paths = ("/etc/systemd/system/backend.service.d/override.conf",)
    dropped = repair_of(unmet(READY, drop_in_paths=paths), condition="drop").steps[0]
    assert isinstance(dropped, WriteFile)
    assert dropped.path == "/etc/systemd/system/backend.service.d/zz-50-badgateway-condition.conf"
    last = ("/etc/systemd/system/backend.service.d/zzzzzzzzzzzzz.conf",)
    hopeless = repair_of(unmet(READY, drop_in_paths=last), condition="drop")
    assert hopeless.steps == () and "drop" not in hopeless.needs[0].choices


def test_a_condition_that_is_met_by_now_needs_only_a_start() -> None:
    scene = unmet(replace(READY, present=True))
    repair = repair_of(scene)
    assert (repair.id, repair.risk) == ("start-service", "safe") and repair.steps
    gone = replace(READY, value="!/etc/off", present=False)
    by_then = PASSED.replace("/etc/shop-ready", "!/etc/off")
    assert repair_of(unmet(gone, said=by_then, unit_file_state="disabled")).risk == "safe"


def test_a_condition_that_nobody_could_look_at_or_make_is_for_a_person() -> None:
    unknown = down(unit_changes={"condition_result": False})
    assert repair_of(unknown).risk == "manual"
    other = "Backend skipped, unmet condition check ConditionHost=web1"
    assert repair_of(unmet(said=other)).risk == "manual"
    fleeting = replace(READY, value="/run/shop/ready")
    choices = repair_of(unmet(fleeting, said=PASSED.replace("/etc/shop-ready", "/run/shop/ready"))).needs[0].choices
    assert choices == ("drop",)
    started = unmet(said="Started Backend.")
    assert repair_of(started).risk == "manual"
    told = repair_of(unmet(said="Started Backend.", result="exec-condition"))
    assert told.risk == "manual" and "ExecCondition= did not allow the start" in told.manual


def test_an_assertion_of_its_unit_would_refuse_every_start() -> None:
    words = log_lines("Started backend.service.", "backend.service: Starting requested but asserts failed.")
    (repair,) = finding_of(diagnose(Scene().with_service(stopped_service(log=words)).refused().snapshot()), "backend-down").repairs
    assert repair.risk == "manual" and "Assert…= condition of its unit is not met" in repair.manual
    over = log_lines("backend.service: Starting requested but asserts failed.", "Started backend.service.")
    again = finding_of(diagnose(Scene().with_service(stopped_service(log=over)).refused().snapshot()), "backend-down")
    assert again.repairs[0].risk == "safe"
