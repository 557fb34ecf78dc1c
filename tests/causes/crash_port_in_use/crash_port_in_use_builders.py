"""Services whose port another process holds."""

from __future__ import annotations

from fixer.model.facts import Known
from tests.causes.snapshot_builders import SLOW, TIMED_OUT, Scene, failed_service, listener, log_lines, process

CAUSE = "crash-port-in-use"
IN_USE = "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use"


def squatted(*, state: str = "T", pid: int | None = 300, lines: tuple[str, ...] = (IN_USE,)) -> Scene:
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", *lines)))
    scene.listeners.append(listener(8000, pid))
    scene.processes.append(process(300, "python3", "-m", "uvicorn", "app.main:app", state=state))
    scene.endpoint(listening_service="local/old", http=Known(SLOW))
    scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=4)
    return scene.answers(TIMED_OUT)
