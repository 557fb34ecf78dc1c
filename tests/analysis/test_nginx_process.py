"""nginx-not-reloaded/reload-bind-failed where the port is held outside of nginx's container, in the same network."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ContainerAction, ReloadNginx
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NGINX_PID,
    NOW,
    Scene,
    at_level,
    container_service,
    finding_of,
    listener,
)

NEW = 8088


def scene(port: int = NEW) -> Scene:
    """The file is right; its last reload came to nothing, says nginx: the port of a new `listen` is taken."""
    made = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    made.answers(BAD_GATEWAY).logs("connect() failed (111: Connection refused)", 111, "connecting to upstream")
    made.nginx.update({"config_mtime": Known(NOW - 60), "service": container_service("web", 80, pid=NGINX_PID, is_app_server=False)})
    route = made.snapshot().nginxes[0].config
    assert isinstance(route, Known)
    first = route.value.routes[0].listens[0]
    made.route[0] = {"listens": (first, replace(first, port=NEW))}
    made.logs(f"bind() to 0.0.0.0:{port} failed (98: Address already in use)", 98, "", ago=30)
    made.logs("still could not bind()", None, "", ago=29)
    made.events[-2:] = [at_level(event, "emerg") for event in made.events[-2:]]
    made.listeners.append(listener(NEW, None, "0.0.0.0", "web"))
    return made


def beside(made: Scene) -> Scene:
    """The very socket, as the other container in that network has it."""
    return made.with_service(container_service("exporter", 0, pid=31, is_app_server=False), listener(NEW, 31, "0.0.0.0", "exporter"))


def finding(made: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(made.snapshot(), inputs), "nginx-not-reloaded")


def test_a_container_in_the_same_network_holds_the_port() -> None:
    found = finding(beside(scene()))
    repair = found.repairs[0]
    assert (found.variant, found.confidence, repair.risk, repair.steps) == (
        "reload-bind-failed", "certain", "disruptive", ())
    assert f"bind() to 0.0.0.0:{NEW} failed" in found.evidence[1].text
    assert repair.needs[0].choices == ("p-exporter-1",) and "in container p-exporter-1" in found.evidence[0].text
    stop, check, reload = finding(beside(scene()), stop="p-exporter-1").repairs[0].steps
    assert isinstance(stop, ContainerAction) and (stop.verb, stop.name) == ("stop", "p-exporter-1")
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)


def test_somebody_outside_of_all_that_was_seen_holds_the_port() -> None:
    """A reload would fail again: who that is, the Docker host knows."""
    found = finding(scene())
    repair = found.repairs[0]
    assert (found.variant, repair.risk, repair.steps) == ("reload-bind-failed", "manual", ())
    assert str(NEW) in repair.manual and "nsenter" in repair.manual


def test_a_port_that_nginx_did_not_name_or_holds_itself_is_in_nobodys_way() -> None:
    second_start = scene(port=80)        # somebody typed `nginx` while it ran
    assert finding(second_start).variant == "config-edited-not-reloaded"


def test_where_no_holders_are_seen_at_all_the_socket_may_be_nginxs_own() -> None:
    blind = scene()
    blind.listeners = [replace(x, pids=Unknown("not root")) if x.node == "web" else x for x in blind.listeners]
    found = finding(blind)
    assert (found.variant, found.confidence) == ("config-edited-not-reloaded", "likely")
    assert f"could not bind 0.0.0.0:{NEW}" in found.summary
