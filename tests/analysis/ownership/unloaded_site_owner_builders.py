"""What the tests of fixer/analysis/ownership/unloaded_site_owner.py and others are built of."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known
from fixer.model.nginx_config import Listen, ServerBlock, Span, UnloadedSite
from tests.causes.snapshot_builders import SITE, Scene

# A site that nginx does not load: its backend is no other site's, and a request for its name falls to the default.
FILE = "/etc/nginx/sites-enabled/other"
PATTERN = "/etc/nginx/sites-enabled/*.conf"
LEFT = UnloadedSite(FILE, 5, ("other.example",), "127.0.0.1", 8000, None, PATTERN)


def judged(scene: Scene, *left: UnloadedSite, asked: str = "") -> Diagnosis:
    made = scene.snapshot()
    nginx = replace(made.nginxes[0], unloaded_sites=left)
    assert isinstance(nginx.config, Known) and isinstance(nginx.errors, Known)
    block = ServerBlock((Listen("0.0.0.0", 80, False, True, False, Span(SITE, 2, 0, 0)),), ("_",), Span(SITE, 1, 0, 6), None)
    raw = f', host: "{asked}"' if asked else ""
    events = tuple(replace(e, raw=e.raw + raw) for e in nginx.errors.value)
    nginx = replace(nginx, config=Known(replace(nginx.config.value, servers=(block,))), errors=Known(events))
    return diagnose(replace(made, nginxes=(nginx,)))
