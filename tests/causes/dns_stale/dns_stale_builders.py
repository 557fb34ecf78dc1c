"""What the tests of fixer/causes/dns_stale/__init__.py and others are built of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fixer.model.facts import Known
from fixer.model.snapshot import ErrorEvent
from tests.causes.snapshot_builders import NOW, Scene, container_service, error_event, listener


def event(upstream: str, errno: int = 111) -> ErrorEvent:
    return error_event(NOW - 3, "error", f"connect() failed ({errno}: x)", errno, "connecting to upstream", "10.0.0.9", "",
                      "GET / HTTP/1.1", upstream, "log:1", f'[error] connect() failed, upstream: "{upstream}"')


NETWORK = "p_default"


def shared(*, name: str = "feed", argv: tuple[str, ...] = ("python3", "/srv/feed.py"), held: bool = True) -> Scene:
    """nginx's container, the application, and another container with the application's name on the same network."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service("app"), listener(8000, 7, "0.0.0.0", "app"))
    other = container_service(name, pid=9, argv=argv, box={"networks": ((NETWORK, "172.18.0.3", (name, "app")),), "argv": argv})
    scene.with_service(other, *([listener(8000, 9, "0.0.0.0", name)] if held else []))
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, runtime="", argv=("nginx",), bindings=Known(()),
                             box={"networks": ((NETWORK, "172.18.0.5", ("web",)),)}))
    return scene.endpoint(addresses=Known(("172.18.0.2", "172.18.0.3")), configured_service="app/p-app-1")


def scaled(*upstreams: str, **second: Any) -> Scene:
    """Two copies of one service; the second one ended after nginx had looked their name up, and the first answers."""
    scene = Scene("app:8000", node="web", back="app").with_service(container_service("app"), listener(8000, 7, "0.0.0.0", "app"))
    box = {"status": "exited", "pid": 0, "started_at": NOW - 5000,
           "finished_at": NOW - 300, "networks": ((NETWORK, "", ("app",)),), **second}
    gone = container_service("app", pid=None, pids=())
    assert gone.container is not None
    ended = replace(gone.container, id="second", name="p-app-2", **box)
    scene.with_service(replace(gone, id="engine/p-app-2", node="p-app-2", container=ended))
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, runtime="", argv=("nginx",), bindings=Known(()),
                             box={"networks": ((NETWORK, "172.18.0.5", ("web",)),)}))
    scene.events += [event(text, 113) for text in upstreams]
    return scene.endpoint(addresses=Known(("172.18.0.2",)), configured_service="app/p-app-1")
