"""Tests of fixer/causes/wrong_port/published_port.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Listener
from tests.causes.snapshot_builders import Scene, container_service, finding_of, listener, probe, roots, verdict_of

CAUSE = "wrong-port"


def behind_docker(*lines: Listener, published: tuple[tuple[str, int, int], ...] = (("127.0.0.1", 8001, 8000),),
                  inner: int = 8000, **changes: Any) -> Scene:
    """nginx on the Docker host asks for 127.0.0.1:8001; the application is in a container named for the site."""
    made = container_service("app", 8000)
    assert made.container is not None
    name = changes.pop("name", "shop-app-1")
    made = replace(made, name=name, container=replace(made.container, published=published, name=name, service=None, project=None))
    scene = Scene("127.0.0.1:8001").with_service(made, *lines).refused(configured_service=made.id if inner else None)
    if inner:
        scene.endpoint(node="app", container_port=inner, tcp=Known(probe()), http=Known(probe(error="reset")))
    return scene


def test_a_published_port_that_leads_to_nothing_inside() -> None:
    scene = behind_docker(listener(9000, 7, "0.0.0.0", "app"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.confidence) == ("docker-proxy-no-listener", "certain")
    assert found.repairs[0].risk == "manual" and "-p 127.0.0.1:8001:9000" in found.repairs[0].manual
    unseen = diagnose(scene.endpoint(listener=Unknown("no shell")).snapshot())
    assert isinstance(verdict_of(unseen, CAUSE), Undetermined)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.0.0.110"])
def test_the_containers_own_loopback_is_nobody_elses(address: str) -> None:
    """127.0.0.11 is Docker's resolver, in every container of a network; no other address is."""
    diagnosis = diagnose(behind_docker(listener(8000, 7, address, "app")).snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert roots(diagnosis) == [CAUSE] and found.variant == "docker-proxy-no-listener"
    assert "listen on 0.0.0.0" in found.repairs[0].manual


def test_a_port_that_no_container_publishes() -> None:
    found = finding_of(diagnose(behind_docker(listener(8000, 7, "0.0.0.0", "app"), published=(), inner=0).snapshot()), CAUSE)
    assert (found.variant, found.confidence) == ("docker-port-not-published", "likely")
    assert found.repairs[0].risk == "manual" and "-p 127.0.0.1:8001:8000" in found.repairs[0].manual


def test_a_port_that_is_published_on_another_address_only() -> None:
    there = (("10.0.0.5", 8001, 8000),)
    found = finding_of(diagnose(behind_docker(listener(8000, 7, "0.0.0.0", "app"), published=there, inner=0).snapshot()), CAUSE)
    assert found.variant == "docker-port-not-published" and "published at 10.0.0.5:8001 only" in found.summary


def test_a_container_that_is_published_elsewhere_and_named_for_the_site() -> None:
    elsewhere = (("127.0.0.1", 8002, 8000),)
    found = finding_of(diagnose(behind_docker(listener(8000, 7, "0.0.0.0", "app"), published=elsewhere, inner=0).snapshot()), CAUSE)
    write = found.repairs[0].steps[0]
    assert (found.variant, found.repairs[0].risk) == ("container-wrong-port", "safe")
    assert isinstance(write, WriteFile) and b"127.0.0.1:8002" in (write.after or b"")


def test_a_container_that_nothing_binds_to_the_site_is_a_persons_choice() -> None:
    scene = behind_docker(listener(8000, 7, "0.0.0.0", "app"), published=(("", 8002, 8000),), inner=0, name="zealous-tesla")
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.confidence == "possible" and found.repairs[0].steps == ()
    assert found.repairs[0].needs[0].choices == ("127.0.0.1:8002",)


def test_of_several_containers_that_may_be_meant_a_person_chooses_one() -> None:
    """Each of them is published elsewhere; one that is not is named too."""
    scene = behind_docker(listener(8000, 7, "0.0.0.0", "app"), published=(("", 8002, 8000),), inner=0, name="app")
    for name, port, pid, published in (("api", 9000, 8, (("", 9002, 9000),)), ("back", 9100, 9, ())):
        scene.with_service(container_service(name, port, pid=pid, box={"published": published, "service": None, "project": None}),
                           listener(port, pid, "0.0.0.0", name))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    (need,) = found.repairs[0].needs
    assert (found.confidence, found.service, need.key, need.choices) == ("possible", None, "upstream", ("127.0.0.1:8002", "127.0.0.1:9002"))
    assert not found.repairs[0].steps and "p-back-1 (without a published listener)" in found.summary
    write = finding_of(diagnose(scene.snapshot(), {"upstream": "127.0.0.1:9002"}), CAUSE).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"127.0.0.1:9002" in (write.after or b"")
