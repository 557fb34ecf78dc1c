"""dns-unresolved: the name that nginx asks for is a container's on another network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ContainerAction, NetworkAction, StartNginx
from fixer.model.snapshot import ComposeNetwork, Container, LogLine
from fixer.model.target import TargetRef
from fixer.redaction.masked_steps import step_from_json, step_to_json
from tests.causes.dns_unresolved.dns_unresolved_builders import boxes, found
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    REFUSED,
    SLOW,
    Scene,
    container,
    container_service,
    finding_of,
    listener,
    roots,
)

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


def container_names_found(made: Scene, **inputs: str) -> Finding:
    diagnosis = diagnose(made.snapshot(), inputs)
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


@pytest.mark.parametrize("down", [True, False])
def test_hit_the_one_that_bears_the_name_is_named_and_joined_where_a_person_says_so(down: bool) -> None:
    told = container_names_found(scene(carrier(), down=down))
    assert told.detail[0] == "container desk has that name, but is not on shared"
    assert any(e.where == "desk" and e.text == "running, on bridge" for e in told.evidence)
    join, by_name = told.repairs
    assert (join.id, by_name.id) == ("connect-container", "name-address") and not join.steps
    assert "docker network connect --alias desk shared desk" in join.summary and join.needs[0].choices == ("desk",)
    step = container_names_found(scene(carrier(), down=down), connect="desk").repairs[0].steps[0]
    assert isinstance(step, NetworkAction)
    assert (step.name, step.network, step.verb, step.aliases) == ("desk", "shared", "connect", ("desk",))
    assert not any(isinstance(one, StartNginx) for one in join.steps)


def test_what_compose_made_is_for_a_person_since_its_files_put_it_elsewhere() -> None:
    made = carrier("q-desk-1", service="desk", project="q", labels=(("com.docker.compose.project.config_files", "/srv/q/compose.yaml"),))
    told = container_names_found(scene(made))
    assert told.detail[0] == "container q-desk-1 of project q has that name, but is not on shared"
    join = told.repairs[0]
    assert join.risk == "manual" and not join.needs
    assert "if that is the intended container, run docker network connect --alias desk shared q-desk-1, then start nginx" in join.manual
    assert "add shared to its networks in /srv/q/compose.yaml" in join.manual


def test_its_own_name_comes_before_services_of_other_projects() -> None:
    others = [carrier(f"q{n}-desk-1", service="desk", project=f"q{n}") for n in range(5)]
    assert container_names_found(scene(*others, carrier())).detail == ("container desk has that name, but is not on shared",)
    assert len(container_names_found(scene(*others)).detail) == 3


def test_one_that_does_not_run_is_named_and_not_joined() -> None:
    join = container_names_found(scene(carrier(status="exited"))).repairs[0]
    assert join.risk == "manual" and "docker network connect" in join.manual


@pytest.mark.parametrize("made", [scene(), scene(carrier("till")), scene(carrier(), networks=("bridge",))])
def test_miss_nobody_of_that_name_or_no_network_that_knows_names(made: Scene) -> None:
    assert [repair.id for repair in container_names_found(made).repairs] == ["name-address"]


def test_hit_a_container_without_its_name() -> None:
    shown = found(boxes("p-app-1"))
    off, on, start, *_ = shown.repairs[0].steps
    assert shown.variant == "docker-alias-lost" and shown.repairs[0].risk == "safe"
    assert isinstance(off, NetworkAction) and isinstance(on, NetworkAction) and isinstance(start, ContainerAction)
    assert (off.verb, off.aliases, on.verb, on.aliases) == ("disconnect", ("p-app-1",), "connect", ("app", "p-app-1"))
    assert start.verb == "restart"        # between two tries a start would wait


def test_the_address_that_was_chosen_for_a_container_is_kept() -> None:
    scene = boxes("p-app-1")
    box = scene.services[0].container
    assert box is not None
    scene.services[0] = replace(scene.services[0], container=replace(box, fixed_addresses=(("p_default", ("172.18.0.2",)),)))
    scene.endpoint(configured_service=scene.services[0].id)
    off, on, *_ = found(scene).repairs[0].steps
    assert isinstance(off, NetworkAction) and isinstance(on, NetworkAction)
    assert off.addresses == on.addresses == ("172.18.0.2",)
    assert step_from_json(step_to_json(off)) == off


def test_hit_a_container_without_the_name_that_its_files_give_it() -> None:
    scene = boxes("app", "p-app-1").endpoint(host="api.internal", written="api.internal:8000", configured_service="p-app-1")
    said = LogLine(NOW - 2, '[emerg] 1#1: host not found in upstream "api.internal" in /etc/nginx/conf.d/x.conf:3', "docker logs")
    scene.nginx["service"] = replace(scene.nginx["service"], log=Known((said,)))
    told = ComposeNetwork("p_default", ("api.internal",), Evidence("file", "/srv/compose.yaml:4", "networks: default"))
    scene.services[0] = replace(scene.services[0], compose_networks=(told,))
    scene.endpoint(configured_service=scene.services[0].id)
    shown = found(scene)
    on = shown.repairs[0].steps[1]
    assert shown.variant == "docker-alias-lost" and isinstance(on, NetworkAction)
    assert on.aliases == ("app", "p-app-1", "api.internal")


# network-detached / shared-network-gone: containers in the network of another one, which was started again or is
# gone.
GUEST = "container:" + "pod" * 4
INSIDE = (("p_default", "172.18.0.3", ("web",)),)


def nameless(mode: str = GUEST, *, lender: bool = True) -> Scene:
    """nginx asks for the name of a container that is in the network of another one: Docker's DNS knows no such name."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box={"networks": (), "network_mode": mode, "started_at": NOW - 600}), listener(8000, 7, "0.0.0.0", "app"))
    if lender:
        scene.services.append(container_service("pod", 1, pid=11, runtime="", is_app_server=False, bindings=Known(()), box={
            "networks": (("p_default", "172.18.0.7", ("pod",)),)}))
    scene.nginx["service"] = container_service("web", 80, box={"networks": INSIDE, "network_mode": "p_default"})
    scene.services.append(scene.nginx["service"])
    scene.endpoint(listener=Unknown("nowhere"), tcp=Known(REFUSED), http=Known(REFUSED), node=None, addresses=Known(()),
                   listening_service=None).answers(REFUSED)
    scene.nginx["master_pid"] = None
    scene.nginx["test"] = Known((1, 'nginx: [emerg] host not found in upstream "app" in /etc/nginx/conf.d/a.conf:3'))
    return scene


def test_the_name_of_its_host_takes_the_place_of_its_own() -> None:
    scene = nameless()
    scene.node_changes["app"] = {"addresses": ("127.0.0.1", "172.18.0.7")}
    found = finding_of(diagnose(scene.snapshot()), "dns-unresolved")
    assert (found.variant, found.confidence, found.repairs[0].id) == ("docker-alias-lost", "certain", "name-address")
    assert not found.repairs[0].needs and "write pod instead of app" in (found.repairs[0].summary + found.repairs[0].manual)


def test_of_one_in_the_network_of_the_docker_host_it_is_said_how_to_reach_it() -> None:
    found = finding_of(diagnose(nameless("host", lender=False).snapshot()), "dns-unresolved")
    assert found.repairs[0].risk == "manual" and "host.docker.internal:8000" in found.repairs[0].manual


@pytest.mark.parametrize(("names", "lost"), [(("app",), True), (("app", "api.internal"), False)])
def test_an_alias_that_was_lost_is_given_back_where_nginx_asks_at_each_request(names: tuple[str, ...], lost: bool) -> None:
    told = ComposeNetwork("p_default", ("api.internal",), Evidence("file", "/srv/compose.yaml:9", "networks: default"))
    scene = Scene("api.internal:8000", node="web", back="app").with_service(
        container_service(box={"networks": (("p_default", "172.18.0.2", names),), "network_mode": "p_default"}, compose_networks=(told,)),
        listener(8000, 7, "0.0.0.0", "app"))
    scene.nginx["service"] = container_service("web", 80, box={"networks": INSIDE, "network_mode": "p_default"})
    scene.services.append(scene.nginx["service"])
    scene.endpoint(addresses=Known(()), listener=Unknown("-"), tcp=Unknown("-"), http=Unknown("-"), node=None)
    scene.answers(BAD_GATEWAY).logs("api.internal could not be resolved (3: Host not found)", 3, "")
    found = finding_of(diagnose(scene.snapshot()), "dns-unresolved")
    assert found.variant == ("docker-alias-lost" if lost else "resolver-nxdomain")
    if lost:
        steps = found.repairs[0].steps
        assert [type(step) for step in steps] == [NetworkAction, NetworkAction] and "api.internal" in steps[1].aliases
