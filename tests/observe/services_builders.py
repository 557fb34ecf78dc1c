"""What the tests of fixer/observe/services.py and others are built of."""

from __future__ import annotations

from fixer.model.facts import Known
from fixer.model.query import Answer, ReadFile
from fixer.model.snapshot import Service, Snapshot
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, file, node
from tests.observe.nginx.endpoints_builders import SHOW

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
PATH = "/etc/systemd/system/back.service"


def look(text: str = "", *, files: dict[str, str] | None = None, show: str = "", **more: object) -> Snapshot:
    answers = {ReadFile(p, 1 << 16): Answer("ok", files=(file(p, t),)) for p, t in (files or {}).items()}
    units = [file(PATH, f"[Service]\n{text}")] if text else []
    return build_snapshot(capture(node({**answers}, site=SITE, units=units, show=show or (SHOW.format("back.service", "active", 0) if text else ""),
                                 **more)))  # type: ignore[arg-type]


def back(text: str, **more: object) -> Service:
    return next(s for s in look(text, **more).services if s.name == "back.service")  # type: ignore[arg-type]


def port(service: Service) -> int:
    assert isinstance(service.bindings, Known)
    return service.bindings.value[0].port
