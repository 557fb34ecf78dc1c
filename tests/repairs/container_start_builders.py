"""What the tests of fixer/repairs/container_start.py and others are built of."""

from __future__ import annotations

from fixer.model.facts import Known
from fixer.model.snapshot import CommandArgument
from tests.causes.snapshot_builders import REFUSED, Scene, container_service, file, log_lines

OCI = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
START = OCI + "unable to start container process: "


def dead(error: str, code: int = 127, status: str = "created", *lines: str) -> Scene:
    text = "services:\n  app:\n    command: hypercorn app.main:app\n"
    at = text.index("hypercorn")
    made = container_service(
        pid=None, log=log_lines(*lines, ago=3600.02), command=(CommandArgument("hypercorn", "/srv/compose.yaml", 3, at, at + 9),),
        box={"status": status, "error": error, "exit_code": code, "restart_policy": "no"},
    )
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    scene.endpoint(tcp=Known(REFUSED))
    scene.files.append(file("/srv/compose.yaml", text, "engine"))
    return scene
