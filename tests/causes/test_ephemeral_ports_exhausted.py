"""ephemeral-ports-exhausted: connects that fail for want of a local port, and those that fail for want of an address."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    Scene,
    container_service,
    finding_of,
    healthy_scene,
    roots,
    verdict_of,
    wrong_port_scene,
)

CAUSE = "ephemeral-ports-exhausted"
FULL = "connect() to 127.0.0.1:8000 failed (99: Cannot assign requested address)"
FEW, USUAL = Known((40000, 40007)), Known((32768, 60999))


def used_up(ports: Any = FEW, message: str = FULL, **about: Any) -> Scene:
    scene = healthy_scene().answers(GOOD, BAD_GATEWAY, BAD_GATEWAY).logs(message, 99, "connecting to upstream", count=3, **about)
    scene.node_changes["local"] = {"local_ports": ports}
    return scene


def judged(scene: Scene) -> Diagnosis:
    return diagnose(scene.snapshot())


def found(scene: Scene) -> Finding:
    return finding_of(judged(scene), CAUSE)


def test_hit_a_small_range() -> None:
    diagnosis = judged(used_up())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == (CAUSE, "certain") and "all 8 local ports" in first.summary
    assert any(e.where.endswith("/ip_local_port_range") and e.text == "40000 40007: 8 ports" for e in first.evidence)
    (repair,) = first.repairs
    assert repair.risk == "manual" and repair.manual.startswith("set net.ipv4.ip_local_port_range")


def test_hit_the_usual_range_and_too_many_connections() -> None:
    first = found(used_up(USUAL))
    assert (first.confidence, first.repairs[0].manual.partition(" ")[0]) == ("likely", "keep")
    assert "28232 local ports" in first.summary
    assert "all its local ports" in found(used_up(Unknown("not asked"))).summary


def test_the_range_of_a_container_stands_in_its_compose_file() -> None:
    scene = used_up()
    labels = (("com.docker.compose.project.config_files", "/srv/shop/compose.yaml"),)
    scene.nginx["service"] = container_service("web", 80, box={"labels": labels})
    assert "`sysctls` of web in /srv/shop/compose.yaml" in found(scene).repairs[0].manual


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(),
    used_up(message="connect() to [::1]:8000 failed (99: Cannot assign requested address)"),     # no IPv6 there
    used_up(message="bind(192.0.2.9) failed (99: Cannot assign requested address)"),
    used_up(ago=7200.0),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(judged(scene), CAUSE), RuledOut)


def test_unknown_where_nginx_s_log_could_not_be_read() -> None:
    scene = used_up()
    scene.nginx["errors"] = Unknown("not root")
    assert isinstance(verdict_of(judged(scene), CAUSE), Undetermined)
