"""Tests of fixer/analysis/service_names.py."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import WriteFile
from tests.causes.snapshot_builders import finding_of, listener, service, unit, wrong_port_scene

CAUSE = "wrong-port"


def test_two_equal_services_are_named_and_none_is_chosen() -> None:
    scene = wrong_port_scene().with_service(service("other.service", 9000, 300), listener(9000, 300))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    (repair,) = found.repairs
    assert repair.steps == () and repair.needs[0].choices == ("127.0.0.1:8000", "127.0.0.1:9000")
    chosen = finding_of(diagnose(scene.snapshot(), {"upstream": "127.0.0.1:9000"}), CAUSE).repairs[0]
    write = chosen.steps[0]
    assert isinstance(write, WriteFile) and write.after is not None and b":9000" in write.after


def test_names_separate_two_services() -> None:
    scene = wrong_port_scene().with_service(service("shop.service", 9000, 300), listener(9000, 300))
    scene.services[0] = replace(
        scene.services[0], id="local/metrics.service", name="metrics.service",
        unit=unit("metrics.service", working_directory="/opt/metrics", user="metrics"))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.service == "shop.service" and found.repairs[0].needs == ()
