"""What the tests of fixer/causes/firewall_drop.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from tests.causes.snapshot_builders import Scene, roots

DROP = "firewall-drop"


def found(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [DROP], roots(diagnosis)
    return diagnosis.findings[0]
