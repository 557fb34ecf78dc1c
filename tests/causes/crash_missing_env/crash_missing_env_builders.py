"""What the tests of fixer/causes/crash_missing_env/__init__.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.snapshot import Compose, EnvSlot
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import Scene, container_service, failed_service, file, finding_of, log_lines

CAUSE = "crash-missing-env"
TRACEBACK = (
    "Started backend.service - Office.", "Traceback (most recent call last):",
    '  File "/srv/shop/app/settings.py", line 3, in <module>', '    SECRET = os.environ["SECRET_KEY"]',
    '  File "<frozen os>", line 679, in __getitem__', "KeyError: 'SECRET_KEY'",
    "backend.service: Main process exited, code=exited, status=1/FAILURE",
    "backend.service: Failed with result 'exit-code'.",
)


def crashed(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed_service(log=log_lines(*(lines or TRACEBACK)), **changes)).refused()   # type: ignore[arg-type]


def steps_of(scene: Scene, **inputs: str) -> list[object]:
    return list(finding_of(diagnose(scene.snapshot(), inputs), CAUSE).repairs[0].steps)


def slot(path: str, data: str, template: str, style: str, node: str = "local") -> EnvSlot:
    return EnvSlot(node, path, len(data), template, style)   # type: ignore[arg-type]


def composed(compose: Compose | None = None, **slots: object) -> Scene:
    box = {"status": "restarting", "exit_code": 1, "restart_count": 4, "restart_policy": "always",
           "labels": (("com.docker.compose.config-hash", "abc"),)}
    path, data = "/home/lab/compose.yaml", "services:\n  app:\n    environment:\n      PORT: 1\n"
    made = container_service(box=box, pid=None, log=log_lines(*TRACEBACK[1:6]), env_slots=(
        slot(path, data, "      {name}: {value}\n", "yaml-map", "engine"),))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.files.append(file(path, data, node="engine"))
    scene.extra = {
        "target": TargetRef("compose", "p"),
        "compose": compose or Compose("p", "/home/lab", (path,), (), (("app", True),), Known(True)),
    }
    return scene
