"""Builders for wrong-protocol: one pass, and a server of uWSGI unless a test says another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.formats.application_servers import uwsgi_protocol
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    SITE,
    Scene,
    binding,
    file,
    finding_of,
    listener,
    probe,
    service,
)

CAUSE = "wrong-protocol"
MISREAD = "invalid request block size: 21573 (max 4096)...skip"
CLOSED = Known(probe(error="closed"))


def judged(kind: str = "proxy_pass", key: str = "socket", page: str = "http://127.0.0.1:8000", http: Any = CLOSED,
           text: str = "location / { PASS; }\n", answer: Any = BAD_GATEWAY,
           line: tuple[str, int | None] = ("upstream prematurely closed connection", None), written: str = "",
           uid: int | None = None, spoken: str = "", end: Mapping[str, Any] = MappingProxyType({}), **changes: Any) -> Diagnosis:
    said = (replace(binding(8000), source=Evidence("file", "/srv/shop/app.ini:4", f"{key} = :8000"),
                    protocol=spoken or uwsgi_protocol(key, "")),) if key else ()
    changes = {"runtime": "uwsgi", "argv": ("/usr/bin/uwsgi", "--ini", "app.ini"), "bindings": Known(said), **changes}
    made = Scene().with_service(service(**changes), listener(8000, 200)).answers(answer)
    made.processes = [p if uid is None else replace(p, uid=uid) for p in made.processes]
    whole = text.replace("PASS", f"{kind} {page}")
    made.files = [file(SITE, whole, real_path="/etc/nginx/sites-available/shop")]
    made.route[0] = {"kind": kind, "pass_text": page, "source": Span(SITE, 1, whole.index(kind), 0)}
    shown: dict[str, Any] = {"written": written, **end} if written else {}
    made.endpoint(tcp=Known(probe()), http=http, **shown)
    made.logs(*line, "reading response header from upstream")
    return diagnose(made.snapshot())


def written(diagnosis: Diagnosis) -> str:
    steps = finding_of(diagnosis, CAUSE).repairs[0].steps
    write, check, reload = steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    return (write.after or b"").decode()
