"""Which side of a disagreement changed last is told; what is edited does not depend on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.diagnose.newer_side import newer_side_notes
from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.nginx_config import GeneratedFile
from fixer.model.plan import WriteFile
from tests.causes.snapshot_builders import NOW, SITE, Scene, file, roots, wrong_port_scene

UNIT = "/etc/systemd/system/backend.service"


def changed(site: float, unit: float, *, failed: float = 5.0, upstream: str = "http://127.0.0.1:8001/") -> Scene:
    """nginx asks for 8001, the unit listens on 8000; both files changed so many seconds ago."""
    scene = wrong_port_scene()
    own = file(UNIT, "[Service]\nExecStart=/usr/bin/uvicorn a:b --port 8000\n")
    scene.files = [replace(f, stat=replace(f.stat, mtime=NOW - site)) for f in scene.files]
    scene.files.append(replace(own, stat=replace(own.stat, mtime=NOW - unit)))
    scene.events = [replace(event, at=NOW - failed, upstream=upstream) for event in scene.events]
    return scene


def notes(scene: Scene) -> list[str]:
    return [note for note in diagnose(scene.snapshot()).notes if "disagree" in note]


def test_the_side_that_changed_last_is_named_and_nginx_is_edited_all_the_same() -> None:
    scene = changed(site=300_000.0, unit=12.0)
    assert notes(scene) == [
        f"nginx and backend.service disagree: {UNIT} changed 12 s ago, and no failure is logged from before; "
        f"{SITE} changed 3 d ago. If that change was the mistake, take it back instead"]
    diagnosis = diagnose(scene.snapshot())
    step = diagnosis.findings[0].repairs[0].steps[0]
    assert roots(diagnosis) == ["wrong-port"] and isinstance(step, WriteFile) and b"127.0.0.1:8000" in (step.after or b"")


def test_where_the_repair_edits_what_changed_nothing_has_to_be_taken_back() -> None:
    (note,) = notes(changed(site=12.0, unit=300_000.0))
    assert f"{SITE} changed 12 s ago" in note and "take it back" not in note


@pytest.mark.parametrize("scene", [
    changed(site=12.0, unit=12.5),                              # both
    changed(site=300_000.0, unit=12.0, failed=40.0),            # it failed before
    changed(site=300_000.0, unit=12.0, upstream="http://127.0.0.1:9000/"),     # no failure of this address is logged
])
def test_nothing_is_told_where_the_times_decide_nothing(scene: Scene) -> None:
    assert roots(diagnose(scene.snapshot())) == ["wrong-port"] and not notes(scene)


def test_a_file_that_is_made_at_each_start_has_no_age_of_its_own() -> None:
    scene = changed(site=12.0, unit=300_000.0)
    seen = scene.snapshot()
    made = GeneratedFile("local", next(f.real_path for f in scene.files if f.path == SITE), "/etc/nginx/templates/shop", ())
    findings = diagnose(seen).findings
    assert list(newer_side_notes(open_case(seen, {}), findings))
    assert not list(newer_side_notes(open_case(replace(seen, generated_files=(made,)), {}), findings))


def test_a_file_that_was_not_read_has_no_age() -> None:
    scene = changed(site=12.0, unit=300_000.0)
    scene.files.pop()
    assert not notes(scene)


def test_two_services_of_one_file_do_not_disagree_by_age() -> None:
    scene = changed(site=12.0, unit=300_000.0)
    told = scene.services[0].bindings
    assert isinstance(told, Known)
    source = replace(told.value[0].source, where=f"{SITE}:9")
    scene.services[0] = replace(scene.services[0], bindings=Known((replace(told.value[0], source=source),)))
    assert not notes(scene)
