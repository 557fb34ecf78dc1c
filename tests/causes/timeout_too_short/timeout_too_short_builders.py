"""What the tests of fixer/causes/timeout_too_short/__init__.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Unknown
from tests.causes.snapshot_builders import GOOD, Scene, finding_of, healthy_scene

CAUSE = "timeout-too-short"
READING = "reading response header from upstream"
TIMEOUT = "upstream timed out (110: Connection timed out)"


def late(count: int = 4, *, phase: str = READING, path: str = "/report", seconds: float = 2.0, **more: object) -> Scene:
    """Every page but one is quick."""
    scene = healthy_scene().answers(GOOD).logs(TIMEOUT, 110, phase, count=count, path=path, **more)   # type: ignore[arg-type]
    scene.route[0] = {"read_timeout": seconds, "send_timeout": seconds}
    return scene


def without_http(scene: Scene, kind: str = "uwsgi_pass") -> Scene:
    """Its server speaks another protocol: only nginx can ask it."""
    scene.route[0] |= {"kind": kind}
    return scene.endpoint(http=Unknown("the upstream protocol is not HTTP"))


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)
