"""Containers that share one network, as in a pod: nginx's 127.0.0.1 is the application's too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Evidence, Known
from fixer.model.service import Binding
from fixer.model.snapshot import Service
from tests.analysis.ownership.resolve_builders import named
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    Scene,
    container_service,
    finding_of,
    listener,
    log_lines,
    probe,
    roots,
)

GUEST = "container:" + "pod" * 4


def pod(*, asked: int = 8001, held: int | None = 8000, told: int = 8000, at: str = "127.0.0.1", app: dict[str, Any] | None = None,
        mode: str = GUEST, **service: Any) -> Scene:
    """nginx lends its network (`pod`), the application is in it."""
    scene = Scene(f"127.0.0.1:{asked}", node="pod", back="pod").refused(configured_service=None)
    box = {"network_mode": mode, "networks": (), "started_at": NOW - 300, **(app or {})}
    scene.with_service(container_service("app", told, box=box, **service), *([listener(held, 7, at, "app")] if held else []))
    scene.nginx["service"] = container_service("pod", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()))
    scene.services.append(scene.nginx["service"])
    return scene


def container_network_named(scene: Scene, **route: Any) -> Scene:
    scene.route[0] = route
    return scene


def test_another_port_of_its_own_network_is_a_persons_choice() -> None:
    """What belonged there may have been taken out of the project's files: that the other one is left proves nothing."""
    diagnosis = diagnose(pod().snapshot())
    assert roots(diagnosis) == ["wrong-port"]
    found = finding_of(diagnosis, "wrong-port")
    (need,) = found.repairs[0].needs
    assert (found.service, found.confidence, need.kind, need.choices) == (None, "possible", "choice", ("127.0.0.1:8000",))
    assert found.repairs[0].id == "point-route-at-listener" and not found.repairs[0].steps
    assert "app shares that network" in " ".join(found.detail)


def test_what_one_that_shares_the_network_loses_by_its_workers_deaths_is_its_own() -> None:
    """From nginx's container its socket is seen, but not its process: no endpoint carries the service's name."""
    scene = pod(asked=8000, held=None, log=log_lines(*["INFO:     Child process [812] died"] * 3, ago=20))
    scene.events.clear()
    unseen = replace(listener(8000, 7, "127.0.0.1", "pod"), pids=Known(()))
    scene.endpoint(listener=Known(unseen), tcp=Known(probe()), http=Known(GOOD)).answers(GOOD)
    scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=20)
    found = finding_of(diagnose(scene.snapshot()), "crash-killed")
    assert (found.variant, found.service) == ("uvicorn-worker-died", "p-app-1")


def test_what_one_that_shares_the_network_speaks_is_read_from_its_command() -> None:
    """From nginx's container its socket is seen, but not its process."""
    place = Binding("127.0.0.1", 8000, None, Evidence("file", "/srv/p/compose.yaml:9", "uwsgi --socket 127.0.0.1:8000"))
    scene = pod(asked=8000, held=None, runtime="uwsgi", argv=("uwsgi", "--socket", "127.0.0.1:8000"),
                bindings=Known((place,)))
    held = replace(listener(8000, 7, "127.0.0.1", "pod"), pids=Known(()))
    scene.endpoint(tcp=Known(probe()), http=Known(probe(error="closed")), listener=Known(held), listening_service=None)
    assert roots(diagnose(scene.snapshot())) == ["wrong-protocol"]


@pytest.mark.parametrize("route", [
    {"upstream": "app"}, {"location": "/app/", "path": "/app/"}, {"server_names": ("app.example.org",)},
    {"upstream": "backend", "location": "/app", "path": "/app"},
])
def test_one_that_a_name_of_the_address_is_of(route: dict[str, Any]) -> None:
    found = finding_of(diagnose(container_network_named(pod(), **route).snapshot()), "wrong-port")
    assert (found.service, found.confidence) == ("p-app-1", "certain") and not found.repairs[0].needs


@pytest.mark.parametrize("route", [
    {"upstream": "desk"}, {"upstream": "desk", "location": "/app", "path": "/app"}, {"location": "/desk", "path": "/desk"},
    {"upstream": "app_admin"}, {"server_names": ("p.example.org",)}, {"upstream": "p_backend"},
])
def test_one_that_the_names_are_not_of(route: dict[str, Any]) -> None:
    """Another one's name, a longer one, and what all of the project have in common."""
    assert finding_of(diagnose(container_network_named(pod(), **route).snapshot()), "wrong-port").confidence == "possible"


def behind(*members: Service, asked: int = 8001, to: int = 0) -> Scene:
    """nginx asks for a port by the name of a container that only lends its network; the address leads to a member."""
    scene = Scene(f"tunnel:{asked}", node="web", back="tunnel")
    held = [listener(made.bindings.value[0].port, made.pids[0], "0.0.0.0", made.node) for made in members
            if isinstance(made.bindings, Known) and made.pids]
    scene.services.append(container_service("tunnel", 1, pid=11, runtime="", is_app_server=False, bindings=Known(()), argv=("sleep", "9"), box={
        "networks": (("p_default", "172.18.0.7", ("tunnel",)),)}))
    for made in members:
        scene.with_service(made)
    scene.listeners += held
    place = members[to] if to < len(members) else scene.services[0]
    scene.refused(configured_service=place.id, node=place.node, addresses=Known(("172.18.0.7",)))
    scene.nginx["service"] = container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()),
                                   box={"networks": (("p_default", "172.18.0.3", ("web",)),)})
    scene.services.append(scene.nginx["service"])
    return scene


def member(name: str, port: int, pid: int = 7, **box: Any) -> Service:
    return container_service(name, port, pid=pid, box={"network_mode": "container:" + "tunnel" * 4, "networks": (), "started_at": NOW - 300, **box})


def test_the_name_of_the_one_that_lends_its_network_is_nobodys_own() -> None:
    found = finding_of(diagnose(behind(member("ledger", 8000)).snapshot()), "wrong-port")
    assert (found.confidence, found.repairs[0].needs[0].choices) == ("possible", ("tunnel:8000",))
    two = behind(member("app", 8000), member("api", 9000, 8), to=2)      # no one of them: the lender is taken
    found = finding_of(diagnose(two.snapshot()), "wrong-port")
    assert (found.confidence, found.repairs[0].needs[0].choices) == ("possible", ("tunnel:8000", "tunnel:9000"))
    told = diagnose(container_network_named(behind(member("ledger", 8000)), upstream="ledger_backend").snapshot())
    assert finding_of(told, "wrong-port").confidence == "certain"


def test_one_that_is_left_there_and_crashes_may_be_asked_at_a_wrong_port() -> None:
    """As one that runs there: only a person can say that it is meant. Its crash may be what is met after that."""
    words = log_lines("Traceback (most recent call last):", '  File "/srv/app.py", line 1, in <module>', "ModuleNotFoundError: No module named 'shop'")
    left = replace(member("ledger", 8000, status="exited", exit_code=1), pids=(), log=words)
    diagnosis = diagnose(behind(left).snapshot())
    found = finding_of(diagnosis, "wrong-port")
    assert (roots(diagnosis), found.confidence, found.repairs[0].risk) == (
        ["wrong-port", "crash-code-error"], "possible", "manual")
    cut = Scene.snapshot(behind(left))
    assert not roots(diagnose(replace(cut, is_cut=True)))
    assert roots(diagnose(behind(left, asked=8000).snapshot())) == ["crash-code-error"]


def test_an_application_that_lends_its_network_is_not_meant_by_its_name_alone() -> None:
    """Another route asks for its own port by that name; who served this one is gone."""
    lender = container_service("app", 7000, pid=5, box={"networks": (("p_default", "172.18.0.7", ("app",)),)})
    guest = container_service("api", 8000, box={"network_mode": "container:" + "app" * 4, "networks": (), "started_at": NOW - 300})
    scene = Scene("app:8001", node="web", back="app").refused(configured_service=lender.id, node="app", addresses=Known(("172.18.0.7",)))
    scene.with_service(lender, listener(7000, 5, "0.0.0.0", "app")).with_service(guest, listener(8000, 7, "0.0.0.0", "api"))
    scene.services.append(container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(())))
    found = finding_of(diagnose(scene.snapshot()), "wrong-port")
    assert (found.confidence, set(found.repairs[0].needs[0].choices)) == ("possible", {"app:7000", "app:8000"})
    scene.services = [s for s in scene.services if s.id != guest.id]       # alone its name is its own
    assert finding_of(diagnose(scene.snapshot()), "wrong-port").confidence == "certain"


@pytest.mark.parametrize(("outer", "choices"), [((17001, 17002), ("127.0.0.1:17002",)), ((17001,), ())])
def test_a_published_port_of_their_network(outer: tuple[int, ...], choices: tuple[str, ...]) -> None:
    """What is published of the one that lends it leads to all of them: only a person can say that this one is meant."""
    scene = Scene("127.0.0.1:17001", node="web", back="ledger")
    published = tuple(("127.0.0.1", port, port - 9000) for port in outer)
    scene.with_service(member("ledger", 8002), listener(8002, 7, "0.0.0.0", "ledger"))
    scene.services.append(container_service("tunnel", 1, pid=11, runtime="", is_app_server=False, bindings=Known(()), box={
        "networks": (("p_default", "172.18.0.7", ("tunnel",)),), "published": published}))
    scene.refused(configured_service="ledger/p-ledger-1", container_port=8001, addresses=Known(("127.0.0.1",)))
    scene.nginx["service"] = container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()), box={"network_mode": "host"})
    scene.services.append(scene.nginx["service"])
    found = [f for f in diagnose(scene.snapshot()).findings if f.cause == "wrong-port"]
    assert [(f.confidence, f.repairs[0].needs[0].choices) for f in found] == ([("possible", choices)] if choices else [])


def test_one_that_another_route_asks_is_not_meant() -> None:
    """Its socket is seen without a holder in nginx's container: the port that it is told says whose it is."""
    scene = Scene("127.0.0.1:8001", "127.0.0.1:9000", node="pod", back="pod").refused(configured_service=None)
    for name, port, pid in (("app", 8000, 7), ("desk", 9000, 8)):
        box = {"network_mode": GUEST, "networks": (), "started_at": NOW - 300}
        scene.with_service(container_service(name, port, pid=pid, box=box), listener(port, pid, "127.0.0.1", name))
    scene.listeners.append(listener(9000, None, "127.0.0.1", "pod"))
    scene.endpoint(1, configured_service=None, listening_service=None).answers(GOOD, route=1)
    scene.nginx["service"] = container_service("pod", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()))
    scene.services.append(scene.nginx["service"])
    found = finding_of(diagnose(scene.snapshot()), "wrong-port")
    assert found.repairs[0].needs[0].choices == ("127.0.0.1:8000",)


def test_one_that_failed_is_found_by_the_port_that_it_is_told() -> None:
    words = log_lines("Traceback (most recent call last):", '  File "/srv/app.py", line 1, in <module>', "ModuleNotFoundError: No module named 'shop'")
    scene = pod(asked=8000, held=None, pid=None, log=words, app={"status": "exited", "exit_code": 1, "finished_at": NOW - 5})
    assert roots(diagnose(scene.snapshot())) == ["crash-code-error"]
    stopped = pod(asked=8000, held=None, pid=None, log=Known(()), app={"status": "exited", "exit_code": 0})
    assert roots(diagnose(stopped.snapshot())) == ["backend-down"]


@pytest.mark.parametrize("mode", ["p_default", "container:" + "other" * 4])
def test_miss_of_another_network(mode: str) -> None:
    assert "wrong-port" not in roots(diagnose(pod(mode=mode).snapshot()))


def test_a_socket_of_another_address_there_is_where_nginx_is_pointed() -> None:
    found = finding_of(diagnose(pod(asked=8000, at="::1").snapshot()), "wrong-bind-address")
    assert found.repairs[0].id == "point-route-at-socket"


# A container that shares the network of nginx's own: what nginx asks of itself is asked of it.
WEB = container_service("web", 80, is_app_server=False, runtime="", gateway="nginx")
DEAD = {"status": "exited", "pid": 0, "finished_at": NOW - 60, "networks": ()}


def scene(mode: str, port: int = 8000) -> Scene:
    app: Service = container_service("app", port, pid=None, box={**DEAD, "network_mode": mode})
    made = Scene("127.0.0.1:8000", node="web", back="web").with_service(app).refused(configured_service=None)
    made.services.append(replace(WEB, pids=()))
    return made


def test_the_one_that_was_put_into_its_network_and_is_told_that_port() -> None:
    assert WEB.container is not None
    diagnosis = diagnose(scene(f"container:{WEB.container.id}").snapshot())
    assert roots(diagnosis) == ["backend-down"] and finding_of(diagnosis, "backend-down").service == "p-app-1"


def test_others_are_none_of_its() -> None:
    assert WEB.container is not None
    for other in (scene("p_default"), scene("container:abc"), scene(f"container:{WEB.container.id}", 9000)):
        assert "backend-down" not in roots(diagnose(other.snapshot()))


def test_a_published_port_leads_to_its_container() -> None:
    made = replace(container_service(box={"published": (("127.0.0.1", 8000, 80),), "status": "exited"}, pid=None),
                   node="local", bindings=Known(()))
    assert named(Scene().with_service(made).refused(configured_service=None)) == [("p-app-1", "placed")]


def test_a_container_by_its_address() -> None:
    made = container_service(box={"status": "exited"}, pid=None, bindings=Known(()))
    by_ip = Scene("172.18.0.2:8000", node="web", back="app").with_service(made).refused(configured_service=None, node=None)
    assert named(by_ip) == [("p-app-1", "placed")]
    stranger = Scene("172.18.0.9:8000", node="web", back="app").with_service(made).refused(configured_service=None, node=None)
    assert named(stranger) == []


def test_a_stopped_one_is_named_where_nothing_else_is_in_that_network() -> None:
    assert WEB.container is not None
    found = finding_of(diagnose(scene(f"container:{WEB.container.id}", 9000).snapshot()), "wrong-port")
    assert (found.confidence, found.service, found.repairs[0].risk) == ("possible", "p-app-1", "manual")
