"""nginx-down, containers: an nginx that may not do what it does first, and a master whose workers all ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.model.kernel import SecurityPolicy
from tests.causes.mac_denied_builders import audited
from tests.causes.nginx_down.nginx_down_builders import nginx_unit, no_nginx
from tests.causes.snapshot_builders import NOW, Scene, container_service, finding_of, log_lines, roots

DOWN = "nginx-down"
EMERG = "2026/11/27 12:13:10 [emerg] 1#1: "


def ended(said: str, *, user: str = "", mtime: float | None = None, **box: object) -> Scene:
    web = container_service("web", 80, pid=None, is_app_server=False, log=log_lines(EMERG + said),
                box={"status": "exited", "exit_code": 1, "user": user, **box})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service())
    scene.listeners[:] = [line for line in scene.listeners if line.node != "web"]
    scene.services.append(web)
    scene.nginx.update({"service": web, "master_pid": None, "worker_pids": (), "test": Unknown("not running"),
                        **({} if mtime is None else {"config_mtime": Known(mtime)})})
    scene.processes.clear()
    return scene


@pytest.mark.parametrize(("said", "user", "todo"), [
    ('open() "/run/nginx.pid" failed (13: Permission denied)', "33:33", "account 33:33 may not use /run/nginx.pid"),
    ('cannot load certificate key "/tls/k": BIO_new_file() failed (SSL: error:8000000D:system library::Permission denied: '
     'fopen(/tls/k, r)) (13: Permission denied)', "101", "account 101 may not use /tls/k"),
    ("bind() to 0.0.0.0:80 failed (13: Permission denied)", "101", "a port above 1023"),
    ('chown("/var/lib/nginx/body", 33) failed (1: Operation not permitted)', "", "cap_add"),
])
def test_what_it_may_not_do_is_not_tried_again(said: str, user: str, todo: str) -> None:
    """The start was tried in vain: the engine would let it end there again."""
    diagnosis = diagnose(ended(said, user=user).snapshot())
    assert roots(diagnosis) == [DOWN]
    found = finding_of(diagnosis, DOWN)
    assert "its container denies a call" in found.summary
    assert found.repairs[0].risk == "manual" and todo in found.repairs[0].manual


@pytest.mark.parametrize("scene", [
    ended("still could not bind()"), ended('open() "/run/nginx.pid" failed (13: Permission denied)', exit_code=0),
    ended('open() "/etc/nginx/x" failed (13: Permission denied)', mtime=2e9),      # changed since
])
def test_other_ends_are_told_as_before(scene: Scene) -> None:
    assert "its container denies a call" not in finding_of(diagnose(scene.snapshot()), DOWN).summary


def failed_unit(said: str, *, enforcing: bool | None = True, mtime: float = NOW - 7200, **unit: object) -> Scene:
    """A machine whose nginx.service has just failed with that line."""
    scene = no_nginx(config_mtime=Known(mtime), service=replace(
        nginx_unit(active_state="failed", sub_state="failed", result="exit-code", **{"user": "", **unit}), log=log_lines("nginx: [emerg] " + said)))
    scene.node_changes["local"] = {"policy": Unknown("not asked") if enforcing is None else Known(
        SecurityPolicy(enforcing, (), "", audited(BIND)))}
    return scene


BIND = ('type=AVC msg=audit({at:.3f}:80): avc:  denied  {{ name_bind }} for  pid=36 comm="nginx" src=8880 '
        "scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:unreserved_port_t:s0 tclass=tcp_socket permissive=0")
PORT = "bind() to 0.0.0.0:8880 failed (13: Permission denied)"


@pytest.mark.parametrize(("said", "how"), [
    (PORT, "semanage port -a -t http_port_t -p tcp 8880"), ("bind() to [::]:8880 failed (13: Permission denied)", "-p tcp 8880"),
    ('open() "/etc/nginx/conf.d/a.conf" failed (13: Permission denied) in /etc/nginx/nginx.conf:25', "restorecon -v /etc/nginx/conf.d/a.conf"),
    ("socketpair() failed while spawning (13: Permission denied)", "audit2why"),
])
def test_what_selinux_denies_to_a_unit_is_not_started_again(said: str, how: str) -> None:
    found = finding_of(diagnose(failed_unit(said).snapshot()), DOWN)
    assert "SELinux is enforcing" in found.summary and any("name_bind" in evidence.text for evidence in found.evidence)
    assert (found.repairs[0].risk, found.repairs[0].steps) == ("manual", ()) and how in found.repairs[0].manual
    assert "systemctl start nginx.service" in found.repairs[0].manual


@pytest.mark.parametrize("scene", [
    failed_unit(PORT, enforcing=False), failed_unit(PORT, enforcing=None), failed_unit(PORT, mtime=NOW - 1),
    failed_unit("bind() to 0.0.0.0:80 failed (98: Address already in use)"), failed_unit(PORT, user="web"),
])
def test_other_failures_of_a_unit_are_no_denial_of_selinux(scene: Scene) -> None:
    found = finding_of(diagnose(scene.snapshot()), DOWN)
    assert "SELinux" not in found.summary and "semanage" not in found.repairs[0].manual
