"""dns-unresolved: the name that nginx asks for is a container's on another network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known, Unknown
from fixer.model.plan import NetworkAction, StartNginx
from fixer.model.snapshot import Container
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import REFUSED, SLOW, Scene, container, container_service, finding_of, roots

CAUSE = "dns-unresolved"


def carrier(name: str = "desk", **changes: Any) -> Container:
    made = container(name, networks=(("bridge", "172.17.0.2", ()),), **{"service": None, "project": None, **changes})
    return replace(made, name=name)


def scene(*carriers: Container, down: bool = True, networks: tuple[str, ...] = ("shared",)) -> Scene:
    """nginx in a container asks for `desk`, which nobody on its networks is called."""
    made = Scene("desk:7001", node="web", back="web").answers(REFUSED if down else SLOW)
    made.endpoint(node=None, listener=Unknown("nowhere"), tcp=Unknown("not asked"), http=Unknown("not asked"), configured_service=None,
                  listening_service=None, addresses=Known(()))
    box = {"networks": tuple((name, "172.18.0.3", ("web",)) for name in networks), "network_mode": networks[0], "project": None, "service": None}
    web = container_service("web", 80, pid=None if down else 100, is_app_server=False, runtime="", argv=("nginx",), bindings=Known(()),
                box={**box, "status": "exited" if down else "running"})
    made.services.append(web)
    made.nginx["service"] = web
    if down:
        made.nginx["master_pid"] = None
        made.nginx["test"] = Known((1, 'nginx: [emerg] host not found in upstream "desk" in /etc/nginx/conf.d/a.conf:3'))
    made.extra = {"target": TargetRef("docker", "p-web-1"), "named_containers": carriers}
    return made


def found(made: Scene, **inputs: str) -> Finding:
    diagnosis = diagnose(made.snapshot(), inputs)
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


@pytest.mark.parametrize("down", [True, False])
def test_hit_the_one_that_bears_the_name_is_named_and_joined_where_a_person_says_so(down: bool) -> None:
    told = found(scene(carrier(), down=down))
    assert told.detail[0] == "container desk is called so, and is not on shared"
    assert any(e.where == "desk" and e.text == "running, on bridge" for e in told.evidence)
    join, by_name = told.repairs
    assert (join.id, by_name.id) == ("connect-container", "name-address") and not join.steps
    assert "docker network connect --alias desk shared desk" in join.summary and join.needs[0].choices == ("desk",)
    step = found(scene(carrier(), down=down), connect="desk").repairs[0].steps[0]
    assert isinstance(step, NetworkAction)
    assert (step.name, step.network, step.verb, step.aliases) == ("desk", "shared", "connect", ("desk",))
    assert not any(isinstance(one, StartNginx) for one in join.steps)


def test_what_compose_made_is_for_a_person_since_its_files_put_it_elsewhere() -> None:
    made = carrier("q-desk-1", service="desk", project="q", labels=(("com.docker.compose.project.config_files", "/srv/q/compose.yaml"),))
    told = found(scene(made))
    assert told.detail[0] == "container q-desk-1 of project q is called so, and is not on shared"
    join = told.repairs[0]
    assert join.risk == "manual" and not join.needs
    assert "if that is the one that is meant: docker network connect --alias desk shared q-desk-1, then start nginx" in join.manual
    assert "name shared among its networks in /srv/q/compose.yaml" in join.manual


def test_its_own_name_comes_before_services_of_other_projects() -> None:
    others = [carrier(f"q{n}-desk-1", service="desk", project=f"q{n}") for n in range(5)]
    assert found(scene(*others, carrier())).detail == ("container desk is called so, and is not on shared",)
    assert len(found(scene(*others)).detail) == 3


def test_one_that_does_not_run_is_named_and_not_joined() -> None:
    join = found(scene(carrier(status="exited"))).repairs[0]
    assert join.risk == "manual" and "docker network connect" in join.manual


@pytest.mark.parametrize("made", [scene(), scene(carrier("till")), scene(carrier(), networks=("bridge",))])
def test_miss_nobody_of_that_name_or_no_network_that_knows_names(made: Scene) -> None:
    assert [repair.id for repair in found(made).repairs] == ["name-address"]
