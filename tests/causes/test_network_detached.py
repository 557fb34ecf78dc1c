"""network-detached: two containers without a network in common."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose import diagnose
from fixer.model.describe import describe_step, step_from_json, step_to_json
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known, Unknown
from fixer.model.plan import NetworkAction, ReloadNginx
from tests.causes.building import SLOW, Scene, boxed, healthy, listener, moved, roots, service, verdict_of
from tests.causes.filters import saved

DETACHED = "network-detached"
INSIDE = (("p_default", "172.18.0.3", ("web",)),)


def apart(*, web: Any = INSIDE, app: Any = (), mode: str = "p_default", web_mode: str = "p_default", **changes: Any) -> Scene:
    """The name of a running container that leads nowhere from nginx's."""
    scene = Scene("app:8000", node="web", back="app").with_service(
        boxed(box={"networks": app, "network_mode": mode, **changes}), listener(8000, 7, "0.0.0.0", "app"))
    scene.nginx["service"] = boxed("web", 80, box={"networks": web, "network_mode": web_mode})
    scene.endpoint(listener=Unknown("nowhere"), tcp=Unknown("not asked"), http=Unknown("not asked"), node=None,
                   addresses=Known(()), holder=None).answers(SLOW)
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


def muted(rule: str) -> Scene:
    """Both on one network, whose bridge the Docker host filters."""
    scene = apart(app=(("p_default", "172.18.0.2", ("app",)),))
    scene.endpoint(listener=Known(listener(8000, 7, "0.0.0.0", "app")), tcp=Known(SLOW), http=Known(SLOW), node="app",
                   addresses=Known(("172.18.0.2",)))
    scene.nginx["service"] = boxed("web", 80, box={"networks": INSIDE, "bridges": (("p_default", "br-0123456789ab"),)})
    scene.extra["engine_firewall"] = saved(rule)
    return scene


def test_hit_containers_that_may_not_talk() -> None:
    diagnosis = diagnose(muted("FORWARD -i br-0123456789ab -o br-0123456789ab -j DROP").snapshot())
    assert roots(diagnosis) == [DETACHED]
    found = diagnosis.findings[0]
    assert (found.variant, found.repairs[0].risk) == ("docker-icc-disabled", "manual")
    other = diagnose(muted("FORWARD -i br-ffffffffffff -o br-ffffffffffff -j DROP").snapshot())
    assert isinstance(verdict_of(other, DETACHED), RuledOut)


@pytest.mark.parametrize("scene", [
    healthy(), moved(), apart(app=INSIDE), apart(mode="host", web_mode="host"), apart(status="exited"),
    apart(web=(), web_mode="container:0123"), apart(mode="container:0123"),
    apart().with_service(service("x.service", 8000)).endpoint(service=None, host="10.0.0.1"),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DETACHED), RuledOut)


def test_a_network_known_by_its_id_only_is_not_missed() -> None:
    other = (("p_back", "172.19.0.2", ("app",)),)
    found = diagnose(apart(app=other, mode="ab" * 32).snapshot()).findings[0]
    assert found.variant == "docker-different-network"


def test_unknown_owner_is_no_finding() -> None:
    scene = apart().endpoint(host="elsewhere", service=None)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DETACHED), RuledOut)
