"""What is told of routes to containers where no cause is proven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import BAD_GATEWAY, GOOD, NOW, REFUSED, Scene, container_service, listener, process

NOBODY: dict[str, Any] = {"addresses": Known(()), "node": None, "configured_service": None, "tcp": Unknown("x"), "http": Unknown("x"),
                          "listener": Unknown("x"), "listening_service": None}


def front(scene: Scene) -> Scene:
    web = container_service("web", 80, pid=100, is_app_server=False)
    scene.services.append(web)
    scene.nginx["service"] = web
    return scene.answers(BAD_GATEWAY)


def notes(scene: Scene) -> str:
    return " ".join(diagnose(scene.snapshot()).notes)


def test_a_name_that_nobody_on_nginxs_networks_has_any_more_is_a_cause() -> None:
    scene = front(Scene("api:8000", node="web", back="app")).endpoint(**NOBODY)
    diagnosis = diagnose(scene.snapshot())
    (found,) = [f for f in diagnosis.findings if f.role == "root"]
    assert (found.cause, found.variant, found.confidence) == ("dns-unresolved", "docker-alias-lost", "likely")
    assert "api (for api:8000) does not resolve any more" in found.summary
    assert "on the networks of p-web-1 (p_default)" in found.evidence[0].text
    for known in (Known(("172.18.0.9",)), Unknown("not asked")):
        scene.endpoint(addresses=known)
        assert all("any more" not in f.summary for f in diagnose(scene.snapshot()).findings)


@pytest.mark.parametrize(("name", "port", "container", "known"), [
    ("apis", 8000, "p-apis-1", True), ("apis", 9000, "p-apis-1", False), ("shed", 8000, "p-shed-1", False), ("shed", 8000, "api2", True),
])
def test_the_container_that_bears_nearly_the_name_on_that_very_port_is_meant(
    name: str, port: int, container: str, *, known: bool,
) -> None:
    """A service that was renamed in the compose file, its old container removed."""
    scene = front(Scene("api:8000", node="web", back="app"))
    scene.services[0] = replace(scene.services[0], container=replace(
        scene.services[0].container, mounts=(("/srv/conf", "/etc/nginx", True),)))      # type: ignore[type-var]
    made = container_service(name, port)
    made = replace(made, container=replace(made.container, name=container))      # type: ignore[type-var]
    scene.with_service(made, listener(port, 7, "0.0.0.0", name)).endpoint(**NOBODY)
    (repair,) = next(f for f in diagnose(scene.snapshot()).findings if f.cause == "dns-unresolved").repairs
    assert (not repair.needs, bool(repair.steps)) == (known, known)
    assert not known or f"write {name if name == 'apis' else container} in place of api" in repair.summary


def test_a_program_that_ended_without_a_log_is_told_with_its_exit_code() -> None:
    reason = "docker logs failed: invalid character"
    made = container_service(pid=None, box={"status": "exited", "exit_code": 1, "pid": 0, "finished_at": NOW - 60}, log=Unknown(reason))
    scene = front(Scene("app:8000", node="web", back="app").with_service(made))
    scene.endpoint(**{**NOBODY, "configured_service": made.id, "node": "app"})
    said = notes(scene)
    assert "p-app-1 ended with exit code 1 and what it said cannot be read (docker logs failed" in said
    assert "docker start -a p-app-1" in said


@pytest.mark.parametrize("listens", [False, True])
def test_a_container_in_which_nothing_listens_is_told_with_what_runs_in_it(listens: bool) -> None:
    argv = ("sh", "-c", "uvicorn a:b --port 8000 & sleep 9999")
    made = container_service(argv=argv, box={"argv": argv, "started_at": NOW - 3600})
    other = (listener(9999, 8, "0.0.0.0", "app"),) if listens else ()
    scene = front(Scene("app:8000", node="web", back="app").with_service(made, *other))
    scene.endpoint(configured_service=made.id, node="app", tcp=Known(REFUSED), http=Known(REFUSED), listener=Known(None))
    scene.node_changes["app"] = {"processes": Known((process(7, *argv), process(8, "sleep", "9999")))}
    said = notes(scene)
    assert ("nothing listens in p-app-1; what runs there is `sh -c uvicorn" in said) is not listens


@pytest.mark.parametrize(("argv", "own", "told"), [
    (("caddy", "run"), (), True), (("/entrypoint.sh", "traefik", "--providers.docker"), (), True), (("postgres",), (), False),
    (("caddy", "run"), (("0.0.0.0", 80, 80),), False),
])
def test_a_proxy_that_takes_the_visitors_in_before_nginx_is_named(
    argv: tuple[str, ...], own: tuple[tuple[str, int, int], ...], told: bool,
) -> None:
    """All is well from nginx on: whether anybody gets there, is that proxy's."""
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    web = container_service("web", 80, pid=100, is_app_server=False, box={"published": own})
    scene.services += [web, container_service("edge", 8443, pid=None, is_app_server=False, argv=argv,
                                  box={"argv": argv, "published": (("127.0.0.1", 8443, 443),)})]
    scene.nginx["service"] = web
    diagnosis = diagnose(scene.answers(GOOD).snapshot())
    assert diagnosis.verdict == "healthy"
    assert ("visitors come in through p-edge-1" in " ".join(diagnosis.notes)) is told
