"""What the tests of fixer/causes/dns_unresolved/__init__.py and others are built of."""

from __future__ import annotations

from typing import Any

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import LogLine, Service
from tests.causes.snapshot_builders import NOW, Scene, container_service, listener, roots

UNRESOLVED = "dns-unresolved"
NOWHERE: dict[str, Any] = {"addresses": Known(()), "listener": Unknown("x"), "tcp": Unknown("x"), "http": Unknown("x"),
                           "node": None, "listening_service": None, "configured_service": None}


def boxes(*names: str, network: str = "p_default", status: str = "running", **more: Any) -> Scene:
    """nginx in a container that ends at once; the backend's container has these names."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box={"networks": ((network, "172.18.0.2", names),), "status": status}), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(**NOWHERE)
    last = Known((LogLine(NOW - 2, '[emerg] 1#1: host not found in upstream "app" in /etc/nginx/conf.d/x.conf:3', "docker logs"),))
    web: Service = container_service("web", 80, log=last, box={"status": "restarting", "restart_count": 4, "network_mode": "p_default",
                                                   "networks": (), **more})
    scene.nginx |= {"master_pid": None, "worker_pids": (), "service": web}
    scene.probes[0] = Unknown("nginx does not run")
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    diagnosis = diagnose(scene.snapshot(), inputs)
    assert roots(diagnosis) == [UNRESOLVED], roots(diagnosis)
    return diagnosis.findings[0]
