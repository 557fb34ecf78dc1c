"""Tests of lab/stack/lab_parts.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.errors import UnexpectedState, UsageError
from lab.scenario.catalog import choose
from lab.scenario.deployment_fields import Deployment
from lab.stack.docker_command import ListedContainer
from lab.stack.lab_parts import find_part, needed_images, role_of, running_container
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab


def listed(service: str, state: str = "running", name: str = "") -> ListedContainer:
    return ListedContainer("shop-3f2a", name or f"shop-3f2a-{service}-1", state, "", service)


STACK = [listed("edge"), listed("api"), listed("printd"), listed("", name="shop-3f2a-visitors")]


@pytest.mark.parametrize(("word", "part"), [
    ("", "edge"), ("web", "edge"), ("edge", "edge"), ("backend", "api"), ("api", "api"), ("printd", "printd"),
    ("visitors", "visitors"),
])
def test_every_container_of_a_lab_has_a_name(record: LabRecord, word: str, part: str) -> None:
    assert find_part(Lab(record), word, STACK) == part


def test_an_unknown_part_is_answered_with_all_parts(record: LabRecord) -> None:
    with pytest.raises(UsageError, match="no part called 'db'") as caught:
        find_part(Lab(record), "db", STACK)
    assert caught.value.hint == "it has edge, api, printd, visitors"


def test_the_machine_is_all_parts(record: LabRecord) -> None:
    machine = Lab(replace(record, stack="host", parameters={**record.parameters, "unit": "till", "second_unit": "crew"}))
    own = [ListedContainer("shop-3f2a", "shop-3f2a-host", "running", "", "host")]
    for word in ("", "web", "nginx", "backend", "till", "machine", "host"):
        assert running_container(machine, find_part(machine, word, own), own) == "shop-3f2a-host"
    with pytest.raises(UsageError, match="no part called 'db'"):
        find_part(machine, "db", own)
    assert role_of(machine, "till.service") == "backend"


@pytest.mark.parametrize("state", ["exited", "restarting", "paused", "created"])
def test_a_stopped_part_is_answered_with_its_log(record: LabRecord, state: str) -> None:
    with pytest.raises(UnexpectedState) as caught:
        running_container(Lab(record), "api", [listed("edge"), listed("api", state)])
    assert "lab logs shop-3f2a api" in caught.value.message and state in caught.value.message
    assert not caught.value.hint      # one line


def test_of_several_replicas_one_that_runs_is_entered(record: LabRecord) -> None:
    two = [listed("api", "exited"), listed("api", name="shop-3f2a-api-2")]
    assert running_container(Lab(record), "api", two) == "shop-3f2a-api-2"


def test_a_part_without_a_container_is_answered_with_the_command_that_makes_one(record: LabRecord) -> None:
    with pytest.raises(UnexpectedState, match=r"api of shop-3f2a has no container.* up -d api"):
        running_container(Lab(record), "api", [listed("edge")])


def test_only_the_images_of_the_stack_are_needed() -> None:
    drawn = Deployment.from_values({})
    plain = choose("wrong-port/container-wrong-port", "containers", 1).variant
    assert needed_images(plain, "containers", drawn) == {"web", "app"}
    assert needed_images(plain, "containers", replace(drawn, tls=True, database=True)) == {"web", "app", "machine", "database"}
    assert needed_images(choose("wrong-port/wrong-port", "host", 1).variant, "host", drawn) == {"machine"}
    load = choose("overload-saturated/single-worker-overload", "host", 1).variant
    assert needed_images(load, "host", drawn) == {"machine", "app"}      # visitors run in the application's image
    rule = choose("firewall-drop/firewall-drop-in-a-container", "containers", 1).variant
    assert needed_images(rule, "containers", drawn) == {"web", "app", "machine"}
