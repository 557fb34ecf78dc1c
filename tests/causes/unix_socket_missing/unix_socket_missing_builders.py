"""What the tests of fixer/causes/unix_socket_missing/__init__.py and others are built of."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.facts import Known
from fixer.model.snapshot import Listener, Service
from tests.causes.snapshot_builders import binding, listener, service

ASKED, HELD = "/run/shop/app.sock", "/run/shop/gunicorn.sock"


def socket(path: str = HELD, pid: int = 200) -> Listener:
    return replace(listener(1, pid), family="unix", address=path, port=0)


def told(path: str = HELD, **changes: object) -> Service:
    return service(bindings=Known((replace(binding(0), host="", unix=path),)), **changes)
