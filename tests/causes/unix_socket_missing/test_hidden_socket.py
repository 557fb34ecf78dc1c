"""unix-socket-private-tmp: a socket that nginx's own unit hides from nginx."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.plan import WriteFile
from fixer.model.service import UnitValue
from tests.causes.snapshot_builders import NGINX_PID, finding_of, probe, roots, service
from tests.causes.unix_socket_missing.unix_socket_missing_builders import scene, socket, told


@pytest.mark.parametrize(("key", "value", "path", "errno", "change"), [
    ("PrivateTmp", "true", "/tmp/app.sock", 2, "PrivateTmp=no"), ("ProtectHome", "yes", "/home/shop/app.sock", 13, "ProtectHome=read-only"),
    ("InaccessiblePaths", "/srv/shop", "/srv/shop/app.sock", 13, ""), ("PrivateTmp", "no", "/tmp/app.sock", 2, None),
    ("PrivateTmp", "yes", "/run/app.sock", 2, None), ("PrivateTmp", "yes", "/tmp/app.sock", 11, None),
])
def test_a_socket_that_nginx_s_own_unit_hides_from_nginx(
    key: str, value: str, path: str, errno: int, change: str | None,
) -> None:
    drop = "/etc/systemd/system/nginx.service.d/hard.conf"
    hidden = scene(told(path), socket(path), asked=path).endpoint(
        listener=Known(socket(path)), tcp=Known(probe()), http=Known(probe(200)))
    hidden.events.clear()
    hidden.logs(f"connect() to unix:{path} failed", errno, "connecting to upstream")
    hidden.nginx["service"] = service("nginx.service", 80, NGINX_PID, is_app_server=False,
                                      unit_values=(UnitValue(key, value, drop, 2, 10, 12),))
    diagnosis = diagnose(hidden.snapshot())
    if change is None:
        assert "unix-socket-missing" not in roots(diagnosis)
        return
    assert roots(diagnosis) == ["unix-socket-missing"]
    first = finding_of(diagnosis, "unix-socket-missing")
    assert (first.variant, first.confidence, first.service) == ("unix-socket-private-tmp", "certain", "nginx.service")
    assert first.repairs[-1].risk == "manual" and first.repairs[-1].id == "move-socket"
    write = first.repairs[0].steps[0] if change else None
    assert write is None or (isinstance(write, WriteFile) and f"{change}\n".encode() in (write.after or b""))
