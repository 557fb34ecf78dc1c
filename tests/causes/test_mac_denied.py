"""mac-denied: nginx may not connect, others may; the policy is named only where the kernel shows it."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose import diagnose
from fixer.model.capture import Capture, NodeCapture
from fixer.model.describe import describe_step, step_from_json, step_to_json
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import DaemonReload, SetBoolean, UnitAction, WriteFile
from fixer.model.query import Answer, FileAnswer, FileStat, ReadFile
from fixer.model.service import UnitSetting
from fixer.model.snapshot import Policy
from fixer.model.target import TargetRef
from fixer.observe.macpolicy import policy_of, policy_queries
from fixer.observe.view import views_of
from tests.causes.building import BAD_GATEWAY, Scene, boxed, healthy, listener, moved, probe, roots, service, verdict_of

MAC = "mac-denied"
HTTPD = "system_u:system_r:httpd_t:s0"
OFF = (("httpd_can_network_connect", False),)


def denied(policy: Policy | None = None, errno: int = 13, **changes: Any) -> Scene:
    """nginx is denied its connects, and the unit answers others."""
    scene = healthy().answers(BAD_GATEWAY).endpoint(**changes)
    scene.node_changes["local"] = {"policy": Known(policy) if policy else Unknown("not asked")}
    return scene.logs(f"connect() to 127.0.0.1:8000 failed ({errno}: Permission denied)", errno, "connecting to upstream")


def found(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [MAC], roots(diagnosis)
    return diagnosis.findings[0]


def test_hit_selinux_by_name() -> None:
    shown = found(denied(Policy(True, OFF, HTTPD)))
    (step,) = shown.repairs[0].steps
    assert shown.variant == "selinux-connect-denied" and shown.repairs[0].risk == "disruptive"
    assert step == SetBoolean("local", "httpd_can_network_connect", value=True, was=False)
    assert "setsebool -P httpd_can_network_connect 1" in shown.repairs[0].summary
    assert describe_step(step) == "turn the SELinux boolean httpd_can_network_connect on (setsebool -P)"
    assert step_from_json(step_to_json(step)) == step


def test_hit_apparmor() -> None:
    shown = found(denied(Policy(None, (), "/usr/sbin/nginx (enforce)")))
    assert (shown.variant, shown.confidence) == ("apparmor-denied", "likely")
    assert "/usr/sbin/nginx" in shown.repairs[0].manual


@pytest.mark.parametrize("value", ["~connect:EACCES", "~@network-io", "~bind connect"])
def test_hit_a_filter_of_the_unit(value: str) -> None:
    scene = denied(errno=1)
    setting = UnitSetting("SystemCallFilter", value, Evidence("unit", "/etc/x.conf:2", value))
    scene.nginx["service"] = service("nginx.service", 80, 100, settings=(setting,))
    shown = found(scene)
    write, reload, restart = shown.repairs[0].steps
    assert shown.variant == "connect-denied-by-policy" and isinstance(write, WriteFile)
    assert write.after == b"[Service]\nSystemCallFilter=\n"
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction)


def test_hit_a_profile_of_the_container() -> None:
    scene = Scene("app:8000", node="web", back="app").with_service(boxed(), listener(8000, 7, "0.0.0.0", "app"))
    scene.answers(BAD_GATEWAY).logs("connect() to 172.18.0.2:8000 failed (13: x)", 13, "connecting to upstream")
    scene.nginx["service"] = boxed("web", 80, box={"security": ('seccomp={"defaultAction"',)})
    shown = found(scene)
    assert shown.variant == "connect-denied-by-policy" and "seccomp" in shown.repairs[0].manual


@pytest.mark.parametrize("scene", [
    healthy(), moved(), denied(Policy(True, OFF, HTTPD), unix="/run/app.sock", port=0),
    denied(Policy(True, OFF, HTTPD), tcp=Known(probe(error="permission")), http=Known(probe(error="permission"))),
    denied(Policy(True, OFF, HTTPD), errno=111),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), MAC), RuledOut)


@pytest.mark.parametrize("policy", [
    None, Policy(None, (), ""), Policy(False, OFF, HTTPD), Policy(True, (), HTTPD), Policy(True, OFF, "unconfined_t"),
    Policy(True, (("httpd_can_network_connect", True),), HTTPD), Policy(None, (), "unconfined"),
])
def test_unknown(policy: Policy | None) -> None:
    """Denied for sure, but by whom nothing shows: nothing is claimed and nothing is changed."""
    assert isinstance(verdict_of(diagnose(denied(policy).snapshot()), MAC), Undetermined)


def read(files: dict[str, bytes]) -> object:
    stat = FileStat("file", 0o100644, 0, 0, 9, 0.0, 1, 1)
    answers = {query: Answer("ok" if query.path in files else "absent", files=(
        FileAnswer(query.path, "ok", stat, files[query.path]),) if query.path in files else (
        FileAnswer(query.path, "absent"),)) for query in policy_queries((101, 102)) if isinstance(query, ReadFile)}
    node = NodeCapture("local", "machine", 0.0, True, dict(answers))
    return policy_of(views_of(Capture(TargetRef("local", "local"), (node,), (), ()))["local"])


def test_the_kernels_own_files() -> None:
    booleans = "/sys/fs/selinux/booleans/httpd_can_network_connect"
    files = {"/sys/fs/selinux/enforce": b"1", booleans: b"0 0", "/proc/101/attr/current": HTTPD.encode() + b"\0"}
    assert read(files) == Known(Policy(True, OFF, HTTPD))
    assert read({**files, "/sys/fs/selinux/enforce": b"0", booleans: b"1 1"}) == Known(
        Policy(False, (("httpd_can_network_connect", True),), HTTPD))
    assert read({}) == Known(Policy(None, (), ""))
    node = NodeCapture("local", "machine", 0.0, True, {})
    assert isinstance(policy_of(views_of(Capture(TargetRef("local", "local"), (node,), (), ()))["local"]), Unknown)
