"""mac-denied: nginx may not connect, others may; the policy is named only where the kernel shows it."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.kernel import SecurityPolicy
from fixer.model.plan import DaemonReload, SetBoolean, UnitAction, WriteFile
from fixer.model.service import UnitSetting
from fixer.observe.build_snapshot import build_snapshot
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json
from tests.causes.mac_denied_builders import OLD, SOUND, audited
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    container_service,
    healthy_scene,
    listener,
    probe,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)
from tests.observe.capture_builders import recorded_capture

MAC = "mac-denied"
HTTPD = "system_u:system_r:httpd_t:s0"
OFF = (("httpd_can_network_connect", False),)


def denied(policy: SecurityPolicy | None = None, errno: int = 13, **changes: Any) -> Scene:
    """nginx is denied its connects, and the unit answers others."""
    scene = healthy_scene().answers(BAD_GATEWAY).endpoint(**changes)
    scene.node_changes["local"] = {"policy": Known(policy) if policy else Unknown("not asked")}
    return scene.logs(f"connect() to 127.0.0.1:8000 failed ({errno}: Permission denied)", errno, "connecting to upstream")


def found(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [MAC], roots(diagnosis)
    return diagnosis.findings[0]


def test_hit_selinux_by_name() -> None:
    shown = found(denied(SecurityPolicy(True, OFF, HTTPD)))
    (step,) = shown.repairs[0].steps
    assert shown.variant == "selinux-connect-denied" and shown.repairs[0].risk == "disruptive"
    assert step == SetBoolean("local", "httpd_can_network_connect", value=True, was=False)
    assert "setsebool -P httpd_can_network_connect 1" in shown.repairs[0].summary
    assert describe_step(step) == "turn the SELinux boolean httpd_can_network_connect on (setsebool -P)"
    assert step_from_json(step_to_json(step)) == step


def test_hit_apparmor() -> None:
    shown = found(denied(SecurityPolicy(None, (), "/usr/sbin/nginx (enforce)")))
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


def test_one_filter_denies_every_address_of_nginx() -> None:
    """A second site on the machine was left without a cause: one filter is one finding, with the routes of both."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    scene.with_service(service("feed.service", 8001, 201), listener(8001, 201))
    for index, path in enumerate(("/", "/1")):
        scene.answers(BAD_GATEWAY, route=index)
        scene.logs(f"connect() to 127.0.0.1:800{index} failed (13: Permission denied)", 13, "connecting to upstream", path=path)
    value = "~connect:EACCES"
    scene.nginx["service"] = service("nginx.service", 80, 100, settings=(
        UnitSetting("SystemCallFilter", value, Evidence("unit", "/etc/x.conf:2", value)),))
    diagnosis = diagnose(scene.snapshot())
    assert [(finding.cause, finding.routes) for finding in diagnosis.findings] == [(MAC, ("r1", "r2"))]


def test_hit_a_profile_of_the_container() -> None:
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.answers(BAD_GATEWAY).logs("connect() to 172.18.0.2:8000 failed (13: x)", 13, "connecting to upstream")
    scene.nginx["service"] = container_service("web", 80, box={"security": ('seccomp={"defaultAction"',)})
    shown = found(scene)
    assert shown.variant == "connect-denied-by-policy" and "seccomp" in shown.repairs[0].manual


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), denied(SecurityPolicy(True, OFF, HTTPD), unix="/run/app.sock", port=0),
    denied(SecurityPolicy(True, OFF, HTTPD), tcp=Known(probe(error="permission")), http=Known(probe(error="permission"))),
    denied(SecurityPolicy(True, OFF, HTTPD), errno=111),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), MAC), RuledOut)


@pytest.mark.parametrize("policy", [
    None, SecurityPolicy(None, (), ""), SecurityPolicy(False, OFF, HTTPD), SecurityPolicy(True, (), HTTPD), SecurityPolicy(True, OFF, "unconfined_t"),
    SecurityPolicy(True, (("httpd_can_network_connect", True),), HTTPD), SecurityPolicy(None, (), "unconfined"),
])
def test_unknown(policy: SecurityPolicy | None) -> None:
    """Denied for sure, but by whom nothing shows: nothing is claimed and nothing is changed."""
    assert isinstance(verdict_of(diagnose(denied(policy).snapshot()), MAC), Undetermined)


SOCKET = ('type=AVC msg=audit({at:.3f}:77): avc:  denied  {{ write }} for  pid=3355 comm="nginx" name="app.sock" '
          'dev="tmpfs" ino=42 scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:var_run_t:s0 '
          "tclass=sock_file permissive=0")
SPOKEN = ('type=AVC msg=audit({at:.3f}:78): avc:  denied  {{ connectto }} for  pid=3355 comm="nginx" '
          'path="/run/app/app.sock" scontext=system_u:system_r:httpd_t:s0 '
          "tcontext=system_u:system_r:unconfined_service_t:s0 tclass=unix_stream_socket permissive=0")


def test_hit_audit_is_evidence_beside_the_boolean() -> None:
    shown = found(denied(SecurityPolicy(True, OFF, "", audited(SOUND))))      # the label of a worker could not be read
    assert shown.variant == "selinux-connect-denied" and shown.confidence == "certain"
    assert shown.repairs[0].steps == (SetBoolean("local", "httpd_can_network_connect", value=True, was=False),)
    assert any("soundd_port_t" in e.text for e in shown.evidence)


@pytest.mark.parametrize("booleans", [(), (("httpd_can_network_connect", True),)])
def test_hit_a_port_that_no_boolean_covers(booleans: tuple[tuple[str, bool], ...]) -> None:
    shown = found(denied(SecurityPolicy(True, booleans, HTTPD, audited(SOUND))))
    assert (shown.variant, shown.repairs[0].risk, shown.repairs[0].steps) == ("selinux-connect-denied", "manual", ())
    assert "semanage port -a -t http_port_t -p tcp 8000" in shown.repairs[0].manual and "soundd_port_t" in shown.summary


@pytest.mark.parametrize(("line", "word"), [(SOCKET, "semanage fcontext -a -t httpd_var_run_t '/run/app/app.sock'"),
                                            (SPOKEN, "unconfined_service_t")])
def test_hit_a_unix_socket(line: str, word: str) -> None:
    scene = denied(SecurityPolicy(True, OFF, HTTPD, audited(line)), unix="/run/app/app.sock", port=0)
    shown = found(scene)
    assert shown.variant == "selinux-connect-denied" and shown.repairs[0].risk == "manual"
    assert word in shown.repairs[0].manual


@pytest.mark.parametrize("policy", [
    SecurityPolicy(False, OFF, HTTPD, audited(SOUND)), SecurityPolicy(True, (), HTTPD, audited(OLD)),
    SecurityPolicy(True, (), HTTPD, audited(SOUND, at=NOW - 900)),
    SecurityPolicy(True, (), HTTPD, audited(SOUND.replace("httpd_t", "cron_t"))),
])
def test_unknown_where_audit_speaks_of_something_else(policy: SecurityPolicy) -> None:
    assert isinstance(verdict_of(diagnose(denied(policy).snapshot()), MAC), Undetermined)


@pytest.mark.parametrize(("name", "summary", "risk"), [
    ("selinux", "httpd_can_network_connect is off", "disruptive"),
    ("selinux-socket", "/run/ledger/app.sock has the type initrc_runtime_t", "manual"),
])
def test_hit_on_what_an_enforcing_machine_answered(name: str, summary: str, risk: str) -> None:
    """Recorded by `fixer collect` on Debian 13 with SELinux enforcing and its own policy; of the first the log had been
    empty before fixer's own request."""
    shown = diagnose(build_snapshot(recorded_capture(name))).findings[0]
    assert (shown.cause, shown.variant, shown.confidence) == (MAC, "selinux-connect-denied", "certain")
    assert summary in shown.summary and shown.repairs[0].risk == risk
    assert any(e.source == "kernel" and e.where == "/sys/fs/selinux/enforce" for e in shown.evidence)
    modes = verdict_of(diagnose(build_snapshot(recorded_capture(name))), "unix-socket-permission")
    assert isinstance(modes, RuledOut)      # what denies it is known: nobody needs to look for an access list


@pytest.mark.parametrize("errno", [1, 13])
def test_a_socket_that_was_not_opened_is_no_denied_connect(errno: int) -> None:
    """No policy of connects denies it: nginx never asked for the backend."""
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.logs(f"socket() failed ({errno}: Permission denied)", errno, "connecting to upstream")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), MAC), RuledOut)
    assert isinstance(verdict_of(diagnose(denied(errno=errno).snapshot()), MAC), RuledOut) is False


FOLDER = ('type=AVC msg=audit({at:.3f}:79): avc:  denied  {{ search }} for  pid=3355 comm="nginx" name="deploy" dev="dm-0" '
          "ino=42 scontext=system_u:system_r:httpd_t:s0 tcontext=unconfined_u:object_r:user_home_dir_t:s0 tclass=dir permissive=0")


def test_hit_a_folder_on_the_way_to_a_socket() -> None:
    scene = denied(SecurityPolicy(True, OFF, HTTPD, audited(FOLDER)), unix="/home/deploy/shop/app.sock", port=0)
    shown = found(scene)
    assert (shown.variant, shown.repairs[0].risk) == ("selinux-connect-denied", "manual")
    assert "/home/deploy, on the way to" in shown.summary and "user_home_dir_t" in shown.summary
    assert "RuntimeDirectory=" in shown.repairs[0].manual and "semanage" not in shown.repairs[0].manual
    other = denied(SecurityPolicy(True, OFF, HTTPD, audited(FOLDER)), unix="/run/shop/app.sock", port=0)
    assert isinstance(verdict_of(diagnose(other.snapshot()), MAC), RuledOut)
