"""What the tests of fixer/causes/wrong_port/__init__.py and others are built of."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.facts import Known
from tests.causes.snapshot_builders import Scene, binding, container_service, listener, service, supervised_service


def containers(port: int = 8001, *lines: int) -> Scene:
    scene = Scene(f"app:{port}", node="web", back="app")
    scene.with_service(container_service(), *(listener(n, 7, "0.0.0.0", "app") for n in lines or (8000,)))
    scene.endpoint(addresses=Known(("172.18.0.2",))).refused()
    web = container_service("web", 80, pid=NGINX, is_app_server=False, box={
        "mounts": (("/home/lab/files", "/etc/nginx/sites-available", True),)})
    scene.nginx["service"] = web
    scene.services.append(web)
    return scene


NGINX = 100


def group(*ports: int, told: tuple[int, ...], program: bool = False, held: tuple[int, ...] = ()) -> Scene:
    """One upstream of several servers, all of them empty; one service that holds several sockets."""
    scene = Scene(*(f"127.0.0.1:{port}" for port in ports))
    bindings = Known(tuple(binding(port) for port in told))
    made = supervised_service(bindings=bindings) if program else service("shop.service", bindings=bindings)
    scene.with_service(made, *(listener(port, made.pids[0]) for port in held or told))
    scene.with_service(service(      # the name tells which of the two is meant
        "office.service", 9999, 300, argv=("/usr/bin/uvicorn", "office:app"),
        unit_changes={"working_directory": "/srv/office", "user": "office"}))
    for index, port in enumerate(ports):
        if port not in (held or told):
            scene.refused(index, configured_service=None)
    page = scene.snapshot()
    named = replace(page.routes[0].route, server_names=("shop.example",), upstream="shop")
    route = replace(page.routes[0], route=named, endpoints=tuple(e.id for e in page.endpoints))
    scene.extra = {"routes": (route,)}
    return scene
