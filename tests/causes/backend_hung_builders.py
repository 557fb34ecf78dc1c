"""What the tests of fixer/causes/backend_hung.py and others are built of."""

from __future__ import annotations

from fixer.model.facts import Known
from tests.causes.snapshot_builders import SLOW, TIMED_OUT, Scene, listener, log_lines, probe, service

HUNG, BUSY = "backend-hung", "overload-saturated"
DONE = 'INFO:     10.0.0.9:41 - "GET /api/report HTTP/1.1" 200 OK'


def late(*, queued: int = 1, established: int = 1, state: str = "S", timeouts: int = 4, **changes: object) -> Scene:
    """It accepts, and no answer comes in time."""
    made = service(**changes)   # type: ignore[arg-type]
    scene = Scene().with_service(made, listener(8000, 200, queued=queued, established=established), state=state)
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    return scene.logs(
        "upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=timeouts)


def late_handshake(*, timeouts: int = 4, **changes: object) -> Scene:
    """nginx speaks TLS to it, and neither its handshake nor ours is answered in time."""
    scene = late(timeouts=0, **changes)   # type: ignore[arg-type]
    scene.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000"}
    silent = probe(error="slow", phase="tls", ms=2001.0)
    scene.endpoint(http=Known(silent), other_scheme_probe=Known(silent))
    return scene.logs(
        "upstream timed out (110: Connection timed out)", 110, "SSL handshaking to upstream", count=timeouts)


def busy(**changes: object) -> Scene:
    """Many wait, and requests get done."""
    numbers = {"queued": changes.pop("queued", 7), "established": changes.pop("established", 9)}
    return late(log=log_lines(DONE, ago=2), **numbers, **changes)   # type: ignore[arg-type]
