"""What the tests of fixer/causes/nginx_down/__init__.py and others are built of."""

from __future__ import annotations

from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    REFUSED,
    SITE,
    STOPPED,
    Scene,
    container_service,
    healthy_scene,
    log_lines,
    service,
    unit,
)

DOWN, INVALID, OLD, SLOW_START = "nginx-down", "nginx-config-invalid", "nginx-not-reloaded", "slow-start"


def nginx_unit(**changes: object) -> object:
    return service("nginx.service", 80, None, unit=unit("nginx.service", **{**STOPPED, **changes}),   # type: ignore[arg-type]
                   is_app_server=False, bindings=Known(()))


def no_nginx(**nginx: object) -> Scene:
    scene = healthy_scene().answers(REFUSED)
    scene.listeners.pop(0)
    scene.processes.pop(0)
    scene.nginx.update({"master_pid": None, "worker_pids": (), "loaded_at": Unknown("not running"),
                        "service": nginx_unit(), "test": Known((0, "ok"))})
    scene.nginx.update(nginx)
    return scene


UNEXPECTED = f'nginx: [emerg] unexpected "}}" in {SITE}:4\nnginx: configuration file /etc/nginx/nginx.conf test failed\n'


def edited(**nginx: object) -> Scene:
    """The file is right and younger than the workers; pages still fail."""
    scene = healthy_scene().answers(BAD_GATEWAY).logs("connect() failed (111: Connection refused)", 111, "connecting to upstream")
    scene.nginx.update({"config_mtime": Known(NOW - 60), **nginx})
    return scene


def ended_box(words: str, *, status: str = "restarting", ago: float = 30.0) -> Scene:
    """An nginx whose container ends again and again, and can be asked nothing."""
    box = container_service("web", 80, box={"status": status, "restart_count": 4, "restart_policy": "always", "exit_code": 1},
                pid=None, log=log_lines(words, ago=ago), is_app_server=False)
    return no_nginx(service=box, test=Unknown("not running"))
