"""What the tests of fixer/causes/nginx_down/lost_workers.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from tests.causes.snapshot_builders import Scene, finding_of

DOWN = "nginx-down"


def down(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), DOWN)
