"""The steps by which Docker starts a container."""

from __future__ import annotations

import pytest

from fixer.managers import starter_of
from fixer.managers.docker_steps import swarm_advice_text
from fixer.model.plan import ContainerAction
from tests.causes.snapshot_builders import Scene, container_service


@pytest.mark.parametrize(("status", "verb"), [
    ("exited", "start"), ("created", "start"), ("paused", "unpause"), ("restarting", "restart"), ("running", "restart"),
])
def test_the_verb_goes_by_its_state(status: str, verb: str) -> None:
    made = container_service(box={"status": status})
    (step,) = starter_of(Scene().with_service(made).snapshot(), made).start_steps()
    assert isinstance(step, ContainerAction) and (step.verb, step.was) == (verb, status)


def test_replicas_that_ended_alike_are_started_with_it() -> None:
    ended = {"status": "exited", "exit_code": 1, "project": "p", "service": "app"}
    first, other = container_service("app", box=ended), container_service("app2", box=ended)
    scene = Scene().with_service(first).with_service(other)
    starter = starter_of(scene.snapshot(), first)
    assert len(starter.start_steps()) == 1 and len(starter.start_steps(with_replicas=True)) == 2


def test_a_task_of_a_swarm_is_left_to_its_operator() -> None:
    made = container_service(box={"status": "exited", "labels": (("com.docker.swarm.service.name", "web"),)})
    starter = starter_of(Scene().with_service(made).snapshot(), made)
    assert starter.start_steps() == () == starter.restart_steps()
    assert starter.by_hand() == swarm_advice_text(made) and "docker service update --force web" in starter.by_hand()


def test_what_no_project_of_the_target_describes_must_be_recreated_by_hand() -> None:
    made = container_service(box={"project": "other", "service": "app"})
    why = starter_of(Scene().with_service(made).snapshot(), made).apply_steps()
    assert isinstance(why, str) and "docker compose -p other up -d --no-deps app" in why
