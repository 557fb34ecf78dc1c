"""Which of SELinux's denials belong to an address that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.selinux_denials import audit_evidence, recent_denials, selinux_type_of
from fixer.model.facts import Known, Unknown
from fixer.model.kernel import SecurityPolicy, SelinuxDenial
from tests.causes.snapshot_builders import NOW, Scene, listener, service

DENIAL = SelinuxDenial(NOW - 5, "name_connect", 8000, "", "system_u:system_r:httpd_t:s0", "system_u:object_r:port_t:s0", "avc: denied")


def found(denial: SelinuxDenial, enforcing: bool | None = True, **endpoint: object) -> int:
    scene = Scene().with_service(service(), listener(8000, 200)).refused(**endpoint)
    scene.node_changes["local"] = {"policy": Known(SecurityPolicy(enforcing, (), "", (denial,)))}
    case = open_case(scene.snapshot(), {})
    return len(recent_denials(case, case.failing_addresses[0]))


@pytest.mark.parametrize(("changes", "count"), [
    ({}, 1), ({"at": NOW - 599}, 1), ({"at": NOW - 601}, 0), ({"port": 9000}, 0), ({"permission": "name_bind"}, 0),
    ({"source": "u:r:sshd_t:s0"}, 0), ({"source": "u:r:nginx_t:s0"}, 1), ({"source": "odd"}, 0),
])
def test_a_denial_is_recent_of_a_web_server_and_of_that_port(changes: dict[str, object], count: int) -> None:
    assert found(replace(DENIAL, **changes)) == count      # type: ignore[arg-type]


@pytest.mark.parametrize("enforcing", [False, None])
def test_where_nothing_is_enforced_nothing_is_denied(enforcing: bool | None) -> None:
    assert found(DENIAL, enforcing) == 0


def test_an_unread_policy_has_no_denials() -> None:
    scene = Scene().with_service(service(), listener(8000, 200)).refused()
    scene.node_changes["local"] = {"policy": Unknown("not root")}
    case = open_case(scene.snapshot(), {})
    assert recent_denials(case, case.failing_addresses[0]) == ()


@pytest.mark.parametrize(("name", "permission", "count"), [
    ("shop.sock", "connectto", 1), ("/run/shop.sock", "write", 1), ("other.sock", "write", 0), ("shop.sock", "name_connect", 0),
])
def test_a_socket_is_told_by_its_last_name(name: str, permission: str, count: int) -> None:
    assert found(replace(DENIAL, port=0, name=name, permission=permission), unix="/run/shop.sock") == count


@pytest.mark.parametrize(("context", "kind"), [("u:r:httpd_t:s0:c1,c2", "httpd_t"), ("u:r", ""), ("", "")])
def test_the_type_of_a_context(context: str, kind: str) -> None:
    assert selinux_type_of(context) == kind


def test_the_evidence_is_audits_own_line_whole() -> None:
    assert audit_evidence(replace(DENIAL, text="x" * 500)).text == "x" * 500
