"""What a repair writes inside a container that holds everything lasts as long as that container."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import process, wrong_port_scene


@pytest.mark.parametrize(("kind", "first", "told"), [
    ("docker", "supervisord", True), ("compose", "sh", True), ("docker", "systemd", False), ("local", "supervisord", False),
])
def test_it_is_said_that_a_new_container_has_it_not(kind: str, first: str, told: bool) -> None:
    scene = wrong_port_scene()
    scene.extra["target"] = TargetRef(kind, "web" if kind != "local" else "")      # type: ignore[arg-type]
    made = scene.snapshot().nodes[0].processes
    assert isinstance(made, Known)
    scene.node_changes["local"] = {"processes": Known((process(1, first), *made.value))}
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.findings[0].repairs[0].steps
    assert any("unless it is mounted" in note for note in diagnosis.notes) is told
