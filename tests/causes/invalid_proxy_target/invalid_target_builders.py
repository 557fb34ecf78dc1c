"""Builders for invalid-proxy-target: a site with one directive before its pass, and what nginx logs."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding
from fixer.model.nginx_config import Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from tests.causes.snapshot_builders import (
    SITE,
    Scene,
    file,
    finding_of,
    healthy_scene,
    probe,
)

CAUSE = "invalid-proxy-target"
PAGE = probe(500, body="<center><h1>500 Internal Server Error</h1></center><hr><center>nginx</center>")
URL = 'invalid URL prefix in "127.0.0.1:8000"'
BIND = "bind(192.0.2.9) failed (99: Cannot assign requested address)"
CYCLE = 'rewrite or internal redirection cycle while processing "/"'
CACHE = 'cache "pages" not found'
CONNECT = "connecting to upstream"


def refusing(message: str, before: str = "", *, errno: int | None = None, phase: str = "", argument: str = "",
             count: int = 1, page: object = PAGE) -> Scene:
    """A site whose location has `before` in front of its pass, and what nginx logs of a request."""
    scene = healthy_scene().answers(page).logs(message, errno, phase, count=count)      # type: ignore[arg-type]
    text = f"server {{\n    listen 80;\n    location / {{\n        {before}\n        proxy_pass {argument or 'http://127.0.0.1:8000'};\n    }}\n}}\n"
    scene.files = [file(SITE, text, real_path="/etc/nginx/sites-available/shop")]
    start = text.index("proxy_pass")
    source = Span(SITE, text[:start].count("\n") + 1, start, start + 10)
    scene.route[0] = {"source": source, "pass_text": argument or "http://127.0.0.1:8000"}
    return scene


def diagnosed(scene: Scene, **inputs: str) -> Diagnosis:
    return diagnose(scene.snapshot(), inputs)


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnosed(scene, **inputs), CAUSE)


def written(scene: Scene, **inputs: str) -> str:
    write, check, reload = found(scene, **inputs).repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    return (write.after or b"").decode()
