"""Tests of fixer/causes/dns_stale/replaced_container.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known
from tests.causes.dns_stale.dns_stale_builders import scaled, shared
from tests.causes.snapshot_builders import NOW, Scene, binding, finding_of, listener, roots, verdict_of

STALE = "dns-stale"


def test_a_name_that_another_program_has_too() -> None:
    for held in (True, False):
        diagnosis = diagnose(shared(held=held).snapshot())
        found = finding_of(diagnosis, STALE)
        assert (roots(diagnosis), found.variant, diagnosis.verdict) == ([STALE], "docker-alias-collision", "degraded")
        assert found.repairs[0].risk == "manual" and "remove the alias app from service feed" in found.repairs[0].manual


def test_one_program_on_two_ports_is_no_copy() -> None:
    """Whatever lies behind both names is the same server of the same image; the port tells them apart."""
    scene = shared(argv=("uvicorn", "app.main:app"), held=False)
    scene.services[1] = replace(scene.services[1], bindings=Known((binding(9000),)))
    scene.listeners.append(listener(9000, 9, "0.0.0.0", "feed"))
    found = finding_of(diagnose(scene.snapshot()), STALE)
    assert found.variant == "docker-alias-collision" and "which does not listen there" in found.summary


def test_a_service_of_that_name_in_another_project_is_told() -> None:
    """On a network that two projects share. The same program there may be meant, so a healthy page stays healthy."""
    def with_other(**changes: Any) -> Scene:
        scene = shared(argv=("uvicorn", "app.main:app"))
        other = scene.services[1]
        assert other.container is not None
        box = replace(other.container, project="q", service="app", name="q-app-1")
        scene.services[1] = replace(other, container=replace(box, **changes))
        return scene

    diagnosis = diagnose(with_other().snapshot())
    (found,) = diagnosis.findings
    assert (diagnosis.verdict, found.role, found.variant) == ("healthy", "advice", "docker-alias-collision")
    assert "runs the same program for another project" in found.summary
    diagnosis = diagnose(with_other(argv=("python3", "/srv/feed.py")).snapshot())
    assert roots(diagnosis) == [STALE] and "rename service app or remove it from network" in diagnosis.findings[0].repairs[0].manual


def test_copies_of_one_program_share_a_name_on_purpose() -> None:
    assert isinstance(verdict_of(diagnose(shared(argv=("uvicorn", "app.main:app")).snapshot()), STALE), RuledOut)
    assert isinstance(verdict_of(diagnose(shared(name="app").snapshot()), STALE), RuledOut)     # scaled
    alone = shared().endpoint(addresses=Known(("172.18.0.2",)))
    assert isinstance(verdict_of(diagnose(alone.snapshot()), STALE), RuledOut)


def test_a_copy_that_ended_and_is_still_asked() -> None:
    diagnosis = diagnose(scaled().snapshot())
    found = finding_of(diagnosis, STALE)
    assert (diagnosis.verdict, roots(diagnosis), found.confidence) == ("degraded", [STALE], "certain")
    assert [r.id for r in found.repairs] == ["reload-nginx", "start-service"] and "p-app-2" in found.summary
    assert all((r.risk, r.proof) == ("disruptive", "mechanism") for r in found.repairs)      # the page answers


def test_a_copy_that_the_next_boot_starts_is_started() -> None:
    found = finding_of(diagnose(scaled(restart_policy="always").snapshot()), STALE)
    assert [r.id for r in found.repairs] == ["start-service", "reload-nginx"]


def test_a_copy_that_was_taken_away_is_told_by_the_log_alone() -> None:
    """Two lines of an address that the name has no more: once could be the moment in which it was taken away."""
    scene = scaled("http://172.18.0.3:8000/", "http://172.18.0.3:8000/login")
    del scene.services[1]
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, STALE)
    assert (diagnosis.verdict, found.confidence) == ("degraded", "likely") and "172.18.0.3" in found.summary
    assert [r.id for r in found.repairs] == ["reload-nginx"]


@pytest.mark.parametrize("scene", [
    scaled(finished_at=NOW - 4000), scaled(started_at=NOW - 2000), scaled(service="other"), scaled(status="created"),
    scaled(networks=(("elsewhere", "", ("app",)),)),
])
def test_a_copy_that_nginx_never_heard_of_is_no_matter(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy" and isinstance(verdict_of(diagnosis, STALE), RuledOut)


@pytest.mark.parametrize("lines", [
    ("http://172.18.0.3:8000/",), ("http://172.18.0.2:8000/", "http://172.18.0.2:8000/"), ("odd", "odd"),
])
def test_lines_that_prove_no_copy(lines: tuple[str, ...]) -> None:
    scene = scaled(*lines)
    del scene.services[1]
    assert diagnose(scene.snapshot()).verdict == "healthy"
