"""network-detached / shared-network-gone: containers in the network of another one, which was started again or is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ComposeUp, ContainerAction, NetworkAction, WaitForListener
from fixer.model.snapshot import Compose, ComposeNetwork
from fixer.model.target import TargetRef
from fixer.redaction.masked_steps import step_from_json, step_to_json
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    REFUSED,
    Scene,
    container_service,
    finding_of,
    listener,
    roots,
    verdict_of,
)

DETACHED, VARIANT = "network-detached", "shared-network-gone"
LABELS = (("com.docker.compose.config-hash", "abc"), ("com.docker.compose.depends_on", "pod:service_started:true"))
FILES = Compose("p", "/srv", ("/srv/compose.yaml",), (), (("web", True), ("app", True)), Known(True))


def sidecar(*, lender: dict[str, Any] | None = None, hash_ok: bool = True, **box: Any) -> Scene:
    """nginx is in the network of `pod`, which serves the pages; nobody is at 127.0.0.1 there any more."""
    scene = Scene("127.0.0.1:8000", node="web", back="web").refused(configured_service=None)
    web = {"network_mode": "container:" + "pod" * 4, "networks": (), "labels": LABELS, **box}
    made = container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()), box=web)
    scene.services.append(made)
    scene.nginx["service"] = made
    if lender is not None:
        scene.with_service(container_service("pod", 8000, pid=9, box=lender), listener(8000, 9, "0.0.0.0", "pod"))
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": replace(FILES, hash_matches=(("web", hash_ok), ("app", hash_ok)))}
    return scene


def test_hit_the_other_container_was_started_again() -> None:
    diagnosis = diagnose(sidecar(lender={"started_at": NOW - 60}).snapshot())
    found = finding_of(diagnosis, DETACHED)
    assert (roots(diagnosis), found.variant, found.confidence) == ([DETACHED], VARIANT, "certain")
    (repair,) = found.repairs
    restart, wait = repair.steps
    assert repair.risk == "disruptive" and isinstance(restart, ContainerAction) and isinstance(wait, WaitForListener)
    assert (restart.verb, restart.name, wait.container) == ("restart", "p-web-1", "p-web-1")


@pytest.mark.parametrize("lender", [None, {"started_at": NOW - 60}])
def test_nobody_there_is_no_backend_that_is_down(lender: dict[str, Any] | None) -> None:
    """The start of the other container, which was stopped, is judged by its own: that it helped is seen then."""
    scene = sidecar(lender=lender)
    scene.services = [s for s in scene.services if s.node != "pod" or s.is_app_server]
    assert not isinstance(verdict_of(diagnose(scene.snapshot()), "backend-down"), Found | Undetermined)


def test_hit_the_other_container_is_gone() -> None:
    diagnosis = diagnose(sidecar().snapshot())
    found = finding_of(diagnosis, DETACHED)
    assert (roots(diagnosis), found.variant) == ([DETACHED], VARIANT)
    up = found.repairs[0].steps[0]
    assert isinstance(up, ComposeUp) and step_from_json(step_to_json(up)) == up
    assert (up.service, up.network, up.depends) == ("web", "container:" + "pod" * 4, "pod:service_started:true")
    assert any(e.source == "kernel" and "of no network" in e.text for e in found.evidence)


def test_what_an_up_would_change_besides_is_a_persons() -> None:
    (repair,) = finding_of(diagnose(sidecar(hash_ok=False).snapshot()), DETACHED).repairs
    assert repair.risk == "manual" and "up -d --force-recreate --no-deps web" in repair.manual
    plain = sidecar(service=None, project=None)
    plain.extra = {"target": TargetRef("docker", "p-web-1")}
    (repair,) = finding_of(diagnose(plain.snapshot()), DETACHED).repairs
    assert repair.risk == "manual" and "--network container:NAME" in repair.manual


def test_hit_nginx_cannot_be_started_without_it() -> None:
    said = "No such container: " + "ab" * 32
    scene = sidecar(network_mode="container:" + "ab" * 32, status="exited", error=said)
    scene.nginx["master_pid"] = None
    found = diagnose(scene.snapshot()).findings[0]
    assert (found.cause, found.variant) == (DETACHED, VARIANT) and "it cannot start" in found.summary


def guest(mode: str = "container:" + "web" * 4, *, port: int = 8000, **box: Any) -> Scene:
    """The application is in nginx's network, and nobody is at its port there."""
    scene = Scene("127.0.0.1:8000", node="web", back="web").refused(configured_service=None)
    made = container_service("app", port, box={"network_mode": mode, "networks": (), "labels": LABELS, **box})
    scene.with_service(made, listener(port, 7, "127.0.0.1", "app"))
    scene.services.append(container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()),
                                box={"started_at": NOW - 60}))
    scene.extra = {"target": TargetRef("compose", "p"), "compose": FILES}
    return scene


@pytest.mark.parametrize("mode", ["container:" + "web" * 4, "container:" + "old" * 4])
def test_hit_the_application_stayed_in_the_old_network(mode: str) -> None:
    diagnosis = diagnose(guest(mode).snapshot())
    found = finding_of(diagnosis, DETACHED)
    assert (roots(diagnosis), found.variant, found.service) == ([DETACHED], VARIANT, "p-app-1")


def test_hit_the_application_has_ended_in_a_network_that_is_gone() -> None:
    """A start could only fail: who ends in the midst of the other's renewal leaves no word of the engine about it."""
    ended = guest("container:" + "old" * 4, status="exited", exit_code=1, pid=0)
    ended.listeners.clear()
    found = finding_of(diagnose(ended.snapshot()), DETACHED)
    assert (found.variant, found.confidence, found.service) == (VARIANT, "likely", "p-app-1")
    assert isinstance(found.repairs[0].steps[0], ComposeUp)


@pytest.mark.parametrize("box", [{"project": None}, {"network_mode": "container:" + "web" * 4}])
def test_miss_one_that_has_ended(box: dict[str, Any]) -> None:
    """Outside of a project the other one may be out of sight; one that is there is no lost network."""
    ended = guest("container:" + "old" * 4, **{"status": "exited", "exit_code": 1, "pid": 0, **box})
    ended.listeners.clear()
    assert not any(f.variant == VARIANT for f in diagnose(ended.snapshot()).findings)


@pytest.mark.parametrize("scene", [
    guest("container:" + "web" * 4, started_at=NOW - 30),       # started after the one whose network it has
    guest("p_default"),
    guest("host"),
    guest("container:" + "old" * 4, port=9000),                 # nobody asks for that port
])
def test_miss(scene: Scene) -> None:
    assert not any(f.variant == VARIANT for f in diagnose(scene.snapshot()).findings)


def test_unknown_where_its_addresses_could_not_be_read() -> None:
    scene = guest("container:" + "old" * 4)
    scene.node_changes["app"] = {"addresses": ()}
    diagnosis = diagnose(scene.snapshot())
    assert not any(f.variant == VARIANT for f in diagnosis.findings)
    assert any("lives in the network of container oldoldoldold" in note for note in diagnosis.notes)
    scene.node_changes["app"] = {"addresses": ("127.0.0.1", "172.18.0.9")}      # it is on a network all the same
    assert not any(f.variant == VARIANT for f in diagnose(scene.snapshot()).findings)


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
    assert not found.repairs[0].needs and "write pod in place of app" in (found.repairs[0].summary + found.repairs[0].manual)


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


def test_unknown_log() -> None:
    assert not isinstance(verdict_of(diagnose(guest().snapshot()), DETACHED), Undetermined)
