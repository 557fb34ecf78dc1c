"""What the tests of fixer/causes/backend_down/__init__.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.plan import ContainerAction, UnitAction
from tests.causes.snapshot_builders import NOW, Scene, container_service, finding_of, stopped_service

CAUSE = "backend-down"


def down(**changes: object) -> Scene:
    return Scene().with_service(stopped_service(**changes)).refused()   # type: ignore[arg-type]


def verbs(scene: Scene) -> list[str]:
    steps = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps
    return [s.verb for s in steps if isinstance(s, UnitAction | ContainerAction)]


def boxes(**box: object) -> Scene:
    made = container_service(box={"status": "exited", "pid": 0, "finished_at": NOW - 60, **box}, pid=None)
    return Scene("app:8000", node="web", back="app").with_service(made).refused(
        addresses=Known(()), configured_service=None, node=None)
