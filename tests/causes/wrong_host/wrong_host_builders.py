"""What the tests of fixer/causes/wrong_host/__init__.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import BAD_GATEWAY, REFUSED, Scene, container_service, finding_of, listener, roots

CAUSE = "wrong-host"
MOUNT = (("/srv/conf", "/etc/nginx", True),)


def web(**changes: object) -> Service:
    """nginx's own container."""
    return container_service("web", 80, is_app_server=False, runtime="", argv=("nginx",), bindings=Known(()),
                 box={"mounts": MOUNT, "networks": (("p_default", "172.18.0.5", ("web",)),), **changes})


def apart(written: str = "127.0.0.1:8000", *backs: Service, port: int = 8000, held: str = "0.0.0.0") -> Scene:
    """nginx in a container, applications in others."""
    scene = Scene(written, node="web", back="web").with_service(web(pid=None))
    for back in backs or (container_service(),):
        scene.with_service(back, listener(port, 7, held, back.node))
    scene.answers(BAD_GATEWAY).endpoint(listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), configured_service=None,
                                        listening_service=None)
    scene.node_changes = {"web": {"kind": "container"}, "app": {"kind": "container"}}
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    diagnosis = diagnose(scene.snapshot(), inputs)
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)
