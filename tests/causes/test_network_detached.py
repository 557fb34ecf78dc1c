"""network-detached: two containers without a network in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ContainerAction, NetworkAction, ReloadNginx
from fixer.model.snapshot import ComposeNetwork, LogLine
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json
from tests.causes.packet_filter_builders import saved_firewall
from tests.causes.snapshot_builders import (
    NOW,
    SLOW,
    Scene,
    container_service,
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
