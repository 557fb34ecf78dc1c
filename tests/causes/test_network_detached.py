"""network-detached: two containers without a network in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ComposeUp, ContainerAction, NetworkAction, ReloadNginx, WaitForListener
from fixer.model.snapshot import Compose, ComposeNetwork, LogLine
from fixer.model.target import TargetRef
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json
from tests.causes.packet_filter_builders import saved_firewall
from tests.causes.snapshot_builders import (
    NOW,
    SLOW,
    Scene,
    container_service,
    finding_of,
    healthy_scene,
    listener,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)

DETACHED = "network-detached"
INSIDE = (("p_default", "172.18.0.3", ("web",)),)


def apart(*, web: Any = INSIDE, app: Any = (), mode: str = "p_default", web_mode: str = "p_default", **changes: Any) -> Scene:
    """The name of a running container that leads nowhere from nginx's."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box={"networks": app, "network_mode": mode, **changes}), listener(8000, 7, "0.0.0.0", "app"))
    scene.nginx["service"] = container_service("web", 80, box={"networks": web, "network_mode": web_mode})
    scene.endpoint(listener=Unknown("nowhere"), tcp=Unknown("not asked"), http=Unknown("not asked"), node=None,
                   addresses=Known(()), listening_service=None).answers(SLOW)
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "connecting to upstream")


def test_hit_taken_off() -> None:
    diagnosis = diagnose(apart().snapshot())
    assert roots(diagnosis) == [DETACHED]
    found = diagnosis.findings[0]
    join, *_, reload = found.repairs[0].steps
    assert (found.variant, found.repairs[0].risk) == ("docker-network-detached", "safe")
    assert isinstance(join, NetworkAction) and isinstance(reload, ReloadNginx)
    assert (join.network, join.verb, join.aliases) == ("p_default", "connect", ("app", "p-app-1"))
    assert describe_step(join) == "connect container p-app-1 to network p_default as app, p-app-1"
    assert step_from_json(step_to_json(join)) == join


def test_hit_what_docker_publishes_leads_nowhere() -> None:
    """nginx on the Docker host: the port goes with the container's last network, and comes back with it."""
    made = container_service(box={"networks": (), "network_mode": "p_default", "published": (("127.0.0.1", 8001, 8000),)})
    scene = Scene("127.0.0.1:8001").with_service(made).refused(configured_service=made.id)
    scene.endpoint(node="app", container_port=8000, listener=Unknown("no address"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [DETACHED]
    (repair,) = diagnosis.findings[0].repairs
    (step,) = repair.steps
    assert repair.risk == "safe" and isinstance(step, NetworkAction) and step.network == "p_default"
    kept = replace(made, container=replace(made.container, networks=INSIDE))
    scene.services[0] = kept
    assert DETACHED not in roots(diagnose(scene.snapshot()))


def test_hit_nginx_itself_was_taken_off() -> None:
    running = diagnose(apart(web=(), app=INSIDE).snapshot()).findings[0]
    assert (running.cause, running.variant) == (DETACHED, "docker-network-detached")
    step = running.repairs[0].steps[0]
    assert isinstance(step, NetworkAction) and step.name == "p-web-1"


def test_hit_by_definition() -> None:
    other = (("p_back", "172.19.0.2", ("app",)),)
    labels = (("com.docker.compose.project.config_files", "/srv/compose.yaml"),)
    diagnosis = diagnose(apart(app=other, mode="p_back", labels=labels).snapshot())
    assert roots(diagnosis) == [DETACHED]
    found = diagnosis.findings[0]
    assert (found.variant, found.repairs[0].risk) == ("docker-different-network", "manual")
    assert "docker network connect --alias app p_default p-app-1" in found.repairs[0].manual
    assert "/srv/compose.yaml" in found.repairs[0].manual


def test_it_is_to_be_known_there_by_the_name_that_nginx_asks_for() -> None:
    scene = apart(app=(("p_back", "172.19.0.2", ("app.internal",)),), mode="p_back")
    manual = diagnose(scene.endpoint(host="app.internal").snapshot()).findings[0].repairs[0].manual
    assert "docker network connect --alias app.internal p_default p-app-1" in manual
    assert "with the alias app.internal" in manual


TWO = (("p_default", "172.18.0.3", ("web",)), ("p_inside", "172.29.0.3", ("web",)))
SUBNETS = (("p_default", "172.18.0.0/16"), ("p_inside", "172.29.0.0/16"))


def joined_by_hand(old: str) -> str:
    """What a person is told where nginx is on two networks, and its log names the address that it asks."""
    scene = apart(app=(("p_back", "172.19.0.2", ("app",)),), mode="p_back")
    scene.events = [replace(event, upstream=f"http://{old}:8000/") for event in scene.events]
    scene.nginx["service"] = container_service("web", 80, box={"networks": TWO, "subnets": SUBNETS})
    return diagnose(scene.snapshot()).findings[0].repairs[0].manual


@pytest.mark.parametrize(("old", "network"), [
    ("172.29.0.4", "p_inside"), ("172.18.0.4", "p_default"), ("10.1.1.1", "p_default")])
def test_it_is_to_join_the_network_in_which_nginx_asks_for_it(old: str, network: str) -> None:
    assert f"docker network connect --alias app {network} p-app-1" in joined_by_hand(old)


def test_nginx_is_to_resolve_the_name_again() -> None:
    scene = apart(app=(("p_back", "172.19.0.2", ("app",)),), mode="p_back")
    reload = "docker exec p-web-1 nginx -s reload"

    def manual() -> str:
        return diagnose(scene.snapshot()).findings[0].repairs[0].manual

    assert f"p_default p-app-1; then {reload}" in manual()
    scene.route[0] = {"pass_text": "$backend"}
    assert reload not in manual() and manual().endswith("this command is enough: docker network connect --alias app "
                                                        "p_default p-app-1")


def muted(rule: str) -> Scene:
    """Both on one network, whose bridge the Docker host filters."""
    scene = apart(app=(("p_default", "172.18.0.2", ("app",)),))
    scene.endpoint(listener=Known(listener(8000, 7, "0.0.0.0", "app")), tcp=Known(SLOW), http=Known(SLOW), node="app",
                   addresses=Known(("172.18.0.2",)))
    scene.nginx["service"] = container_service("web", 80, box={"networks": INSIDE, "bridges": (("p_default", "br-0123456789ab"),)})
    scene.extra["engine_firewall"] = saved_firewall(rule)
    return scene


def test_hit_containers_that_may_not_talk() -> None:
    diagnosis = diagnose(muted("FORWARD -i br-0123456789ab -o br-0123456789ab -j DROP").snapshot())
    assert roots(diagnosis) == [DETACHED]
    found = diagnosis.findings[0]
    assert (found.variant, found.repairs[0].risk) == ("docker-icc-disabled", "manual")
    other = diagnose(muted("FORWARD -i br-ffffffffffff -o br-ffffffffffff -j DROP").snapshot())
    assert isinstance(verdict_of(other, DETACHED), RuledOut)


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), apart(app=INSIDE), apart(mode="host", web_mode="host"), apart(status="exited"),
    apart(web=(), web_mode="container:0123"), apart(mode="container:0123"),
    apart().with_service(service("x.service", 8000)).endpoint(configured_service=None, host="10.0.0.1"),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DETACHED), RuledOut)


def test_a_network_known_by_its_id_only_is_not_missed() -> None:
    other = (("p_back", "172.19.0.2", ("app",)),)
    found = diagnose(apart(app=other, mode="ab" * 32).snapshot()).findings[0]
    assert found.variant == "docker-different-network"


def test_unknown_owner_is_no_finding() -> None:
    scene = apart().endpoint(host="elsewhere", configured_service=None)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DETACHED), RuledOut)


CORE = ComposeNetwork("p_core", ("api.internal",), Evidence("file", "/srv/compose.yaml:9", "networks: core"))
EDGE = (("p_edge", "172.20.0.3", ("web",)), ("p_core", "172.21.0.3", ("web",)))


def test_hit_not_on_the_network_that_its_files_name() -> None:
    scene = apart(web=EDGE, app=(("p_back", "172.22.0.2", ("app",)),), mode="p_back", web_mode="p_edge")
    scene.services[0] = replace(scene.services[0], compose_networks=(CORE,))
    found = diagnose(scene.snapshot()).findings[0]
    assert (found.cause, found.variant) == (DETACHED, "docker-network-detached")
    assert "/srv/compose.yaml:9" in [e.where for e in found.evidence]
    join = found.repairs[0].steps[0]
    assert isinstance(join, NetworkAction) and (join.network, join.aliases) == ("p_core", ("app", "p-app-1", "api.internal"))


def test_it_is_joined_at_the_address_that_its_files_choose() -> None:
    scene = apart(web=EDGE, app=(("p_back", "172.22.0.2", ("app",)),), mode="p_back", web_mode="p_edge")
    scene.services[0] = replace(scene.services[0], compose_networks=(replace(CORE, addresses=("172.21.0.9",)),))
    join = diagnose(scene.snapshot()).findings[0].repairs[0].steps[0]
    assert isinstance(join, NetworkAction) and join.addresses == ("172.21.0.9",)
    assert describe_step(join).endswith("as app, p-app-1, api.internal at 172.21.0.9")


def test_hit_an_nginx_that_ended_for_want_of_a_name_on_another_network() -> None:
    scene = apart(app=(), web=INSIDE)
    said = LogLine(NOW - 2, '[emerg] 1#1: host not found in upstream "app" in /etc/nginx/conf.d/x.conf:3', "docker logs")
    web = container_service("web", 80, log=Known((said,)), box={"networks": INSIDE, "status": "exited", "exit_code": 1})
    scene.nginx |= {"master_pid": None, "worker_pids": (), "service": web}
    scene.probes[0] = Unknown("nginx does not run")
    found = diagnose(scene.snapshot()).findings[0]
    assert (found.cause, found.variant) == (DETACHED, "docker-network-detached")
    join, start, *_ = found.repairs[0].steps
    assert isinstance(join, NetworkAction) and isinstance(start, ContainerAction) and start.verb == "start"


# network-detached / shared-network-gone: containers in the network of another one, which was started again or is
# gone.
LOST_SHARED_NETWORK_DETACHED, VARIANT = "network-detached", "shared-network-gone"
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
    found = finding_of(diagnosis, LOST_SHARED_NETWORK_DETACHED)
    assert (roots(diagnosis), found.variant, found.confidence) == ([LOST_SHARED_NETWORK_DETACHED], VARIANT, "certain")
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
    found = finding_of(diagnosis, LOST_SHARED_NETWORK_DETACHED)
    assert (roots(diagnosis), found.variant) == ([LOST_SHARED_NETWORK_DETACHED], VARIANT)
    up = found.repairs[0].steps[0]
    assert isinstance(up, ComposeUp) and step_from_json(step_to_json(up)) == up
    assert (up.service, up.network, up.depends) == ("web", "container:" + "pod" * 4, "pod:service_started:true")
    assert any(e.source == "kernel" and "loopback only, no network" in e.text for e in found.evidence)


def test_what_an_up_would_change_besides_is_a_persons() -> None:
    (repair,) = finding_of(diagnose(sidecar(hash_ok=False).snapshot()), LOST_SHARED_NETWORK_DETACHED).repairs
    assert repair.risk == "manual" and "up -d --force-recreate --no-deps web" in repair.manual
    plain = sidecar(service=None, project=None)
    plain.extra = {"target": TargetRef("docker", "p-web-1")}
    (repair,) = finding_of(diagnose(plain.snapshot()), LOST_SHARED_NETWORK_DETACHED).repairs
    assert repair.risk == "manual" and "--network container:NAME" in repair.manual


def test_hit_nginx_cannot_be_started_without_it() -> None:
    said = "No such container: " + "ab" * 32
    scene = sidecar(network_mode="container:" + "ab" * 32, status="exited", error=said)
    scene.nginx["master_pid"] = None
    found = diagnose(scene.snapshot()).findings[0]
    assert (found.cause, found.variant) == (LOST_SHARED_NETWORK_DETACHED, VARIANT) and "it cannot start" in found.summary


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
    found = finding_of(diagnosis, LOST_SHARED_NETWORK_DETACHED)
    assert (roots(diagnosis), found.variant, found.service) == ([LOST_SHARED_NETWORK_DETACHED], VARIANT, "p-app-1")


def test_hit_the_application_has_ended_in_a_network_that_is_gone() -> None:
    """A start could only fail: who ends in the midst of the other's renewal leaves no word of the engine about it."""
    ended = guest("container:" + "old" * 4, status="exited", exit_code=1, pid=0)
    ended.listeners.clear()
    found = finding_of(diagnose(ended.snapshot()), LOST_SHARED_NETWORK_DETACHED)
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
def test_lost_shared_network_miss(scene: Scene) -> None:
    assert not any(f.variant == VARIANT for f in diagnose(scene.snapshot()).findings)


def test_unknown_where_its_addresses_could_not_be_read() -> None:
    scene = guest("container:" + "old" * 4)
    scene.node_changes["app"] = {"addresses": ()}
    diagnosis = diagnose(scene.snapshot())
    assert not any(f.variant == VARIANT for f in diagnosis.findings)
    assert any("uses the network of container oldoldoldold" in note for note in diagnosis.notes)
    scene.node_changes["app"] = {"addresses": ("127.0.0.1", "172.18.0.9")}      # it is on a network all the same
    assert not any(f.variant == VARIANT for f in diagnose(scene.snapshot()).findings)


def test_unknown_log() -> None:
    assert not isinstance(verdict_of(diagnose(guest().snapshot()), LOST_SHARED_NETWORK_DETACHED), Undetermined)
