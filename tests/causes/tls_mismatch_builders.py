"""What the tests of fixer/causes/tls_mismatch.py and others are built of."""

from __future__ import annotations

from tests.causes.snapshot_builders import BAD_GATEWAY, Scene, file, healthy_scene

SHAKING = "SSL handshaking to upstream"
ALERT = "SSL_do_handshake() failed (SSL: error:0A00042E:SSL routines::tlsv1 alert protocol version:SSL alert number 70)"


def told(message: str = ALERT, config: str = "", *, path: str = "/", **route: object) -> Scene:
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.route[0] = {"scheme": "https", **route}
    if config:
        scene.files.append(file("/etc/nginx/conf.d/tls.conf", config))
    return scene.logs(message, None, SHAKING, path=path)
