"""What the tests of fixer/causes/unix_socket_missing/__init__.py and others are built of."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.facts import Known
from fixer.model.snapshot import Listener, Service
from tests.causes.snapshot_builders import Scene, binding, file, listener, service

ASKED, HELD = "/run/shop/app.sock", "/run/shop/gunicorn.sock"


def socket(path: str = HELD, pid: int = 200) -> Listener:
    return replace(listener(1, pid), family="unix", address=path, port=0)


def told(path: str = HELD, **changes: object) -> Service:
    return service(bindings=Known((replace(binding(0), host="", unix=path),)), **changes)


def scene(made: Service, *held: Listener, asked: str = ASKED) -> Scene:
    """The site names one socket, the service has what it has."""
    text = f"server {{\n    listen 80;\n    location / {{ proxy_pass http://unix:{asked}; }}\n}}\n"
    found = Scene().with_service(made, *held)
    page = file("/etc/nginx/sites-enabled/shop", text, real_path="/etc/nginx/sites-available/shop")
    found.files = [page]
    at = text.index(asked)
    return found.refused(unix=asked, host="", port=0, written=asked, configured_service=None, start=at, end=at + len(asked), line=3)
