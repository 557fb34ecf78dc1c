"""Backends at their limit of open files."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.model.snapshot import Compose, ComposeSetting, EnvSlot
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    SLOW,
    TIMED_OUT,
    Scene,
    container_service,
    file,
    finding_of,
    listener,
    log_lines,
    service,
)

CAUSE = "fd-exhausted"
SAID = "OSError: [Errno 24] Too many open files"


def full(*lines: str, limit: int = 48, established: int = 40, queued: int = 4, **changes: object) -> Scene:
    values = {"log": log_lines(*lines, ago=4.0), "unit_changes": {"nofile_limit": limit}, **changes}
    scene = Scene().with_service(service(**values),   # type: ignore[arg-type]
                                 listener(8000, 200, established=established, queued=queued))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=5)


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def in_compose(*keys: str, start: int | None = 0) -> Scene:
    text = "48 48\n"
    settings = tuple(ComposeSetting(key, "48", "/p/compose.yaml", 1, n * 3 if start is not None else None,
                             n * 3 + 2 if start is not None else None) for n, key in enumerate(keys))
    back = container_service(log=log_lines(SAID, ago=3.0), compose_settings=settings,
                 setting_slot=EnvSlot("engine", "/p/compose.yaml", 5, "\n  {name}: {value}", "yaml-map"),
                 box={"nofile_limit": 48, "labels": (("com.docker.compose.config-hash", "h"),)})
    scene = Scene("app:8000", node="web", back="app").with_service(back, listener(8000, 7, "0.0.0.0", "app", queued=2))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    scene.files.append(file("/p/compose.yaml", text, node="engine"))
    scene.extra = {
        "target": TargetRef("compose", "p"),
        "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True)),
    }
    return scene
