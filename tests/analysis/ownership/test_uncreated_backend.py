"""Tests of fixer/analysis/ownership/uncreated_backend.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.analysis.ownership.uncreated_backend import uncreated_backends
from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Compose, MissingEnvFile, UncreatedService
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    REFUSED,
    Scene,
    container_service,
    finding_of,
    listener,
    probe,
    roots,
)

GONE = UncreatedService("app", ("app",), Evidence("file", "/srv/compose.yaml:7", "service app"))
BOUND, VOLUME = ("/srv/run", "/run/shop"), ("/var/lib/docker/volumes/p_run/_data", "/run/shop")
BOUND_SOCKET, VOLUME_SOCKET = "/srv/run/app.sock", "/volumes/p_run/_data/app.sock"


def beside(*gone: UncreatedService, unix: str | None = None, share: tuple[str, str] = BOUND, port: int = 8000,
           lacks: tuple[MissingEnvFile, ...] = ()) -> Scene:
    """nginx's container asks a socket or a port of its own, where nothing listens; the files define `gone`."""
    scene = Scene(f"127.0.0.1:{port}", node="web", back="web").answers(BAD_GATEWAY)
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, argv=("nginx",),
                                         box={"service": "web", "shares": (share,)}))
    place = {"unix": unix, "host": "", "port": 0} if unix else {"addresses": Known(("127.0.0.1",))}
    scene.endpoint(tcp=Known(REFUSED), http=Known(REFUSED), configured_service=None, listening_service=None, **place)
    compose = Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), gone, missing_env_files=lacks)
    scene.extra = {"compose": compose, "target": TargetRef("compose", "p")}
    return scene


def told(scene: Scene) -> list[str]:
    return roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("share", "socket"), [(BOUND, BOUND_SOCKET), (VOLUME, VOLUME_SOCKET)])
def test_hit_a_wrong_path_beside_the_socket_of_a_service_without_a_container(share: tuple[str, str], socket: str) -> None:
    """Both faults are named: nginx asks another path, and nothing would listen at the right one either."""
    seen = diagnose(beside(replace(GONE, sockets=(socket,)), unix="/run/shop/web.sock", share=share).snapshot())
    assert roots(seen) == ["unix-socket-missing", "backend-down"]
    path, down = finding_of(seen, "unix-socket-missing"), finding_of(seen, "backend-down")
    assert "listen on unix:/run/shop/app.sock" in path.summary and path.confidence == down.confidence == "likely"
    assert [repair.risk for repair in (*path.repairs, *down.repairs)] == ["manual", "disruptive"]


def test_hit_a_wrong_port_of_a_service_that_would_share_nginxs_network() -> None:
    seen = diagnose(beside(replace(GONE, guest_of="web", ports=(9000,))).snapshot())
    assert sorted(roots(seen)) == ["backend-down", "wrong-port"]
    assert "listen on 127.0.0.1:9000" in finding_of(seen, "wrong-port").summary


def test_hit_the_env_file_that_keeps_such_a_service_from_being_created() -> None:
    lost = MissingEnvFile("app", Evidence("file", "/srv/compose.yaml:9", "env_file: app.env"), "/srv/app.env")
    scene = beside(replace(GONE, sockets=(BOUND_SOCKET,)), unix="/run/shop/web.sock", lacks=(lost,))
    assert told(scene) == ["unix-socket-missing", "crash-missing-env"]


@pytest.mark.parametrize(("share", "folder"), [(BOUND, "/srv/run"), (VOLUME, "/volumes/p_run/_data")])
def test_hit_a_service_that_has_the_folder_of_the_socket_and_whose_files_tell_no_address(
        share: tuple[str, str], folder: str) -> None:
    """A script or its image says where it listens, and nothing else has the folder."""
    scene = beside(replace(GONE, folders=("/srv/code", folder)), unix="/run/shop/web.sock", share=share)
    found = finding_of(diagnose(scene.snapshot()), "backend-down")
    assert (found.role, found.confidence, found.service) == ("root", "certain", "app")
    assert "no container" in found.summary and "web.sock" in found.summary
    scene.services.append(container_service("job", 9, pid=None, is_app_server=False, box={"id": "j" * 64, "shares": (share,), "status": "exited"}))
    assert finding_of(diagnose(scene.snapshot()), "backend-down").confidence == "likely"      # it may have made the socket


def test_hit_a_service_that_would_share_nginxs_network_and_whose_files_tell_no_address() -> None:
    """A script says where it listens. A program of nginx's own container may be meant, so it is likely."""
    found = finding_of(diagnose(beside(replace(GONE, guest_of="web")).snapshot()), "backend-down")
    assert found.confidence == "likely" and "no container, so nothing listens at 127.0.0.1:8000" in found.summary


@pytest.mark.parametrize(("gone", "unix"), [
    ((replace(GONE, folders=("/srv/run",)), replace(GONE, service="job", folders=("/srv/run",))), "/run/shop/web.sock"),
    ((replace(GONE, folders=("/srv/run",), ports=(8000,)),), "/run/shop/web.sock"),       # it listens on a port
    ((replace(GONE, folders=("/srv/other", "/srv")),), "/run/shop/web.sock"),
    ((replace(GONE, folders=("/srv/run",)),), "/var/run/web.sock"),       # in nginx's own layer
    ((replace(GONE, sockets=(BOUND_SOCKET,)), replace(GONE, service="job", sockets=("/srv/run/job.sock",))),
     "/run/shop/web.sock"),     # which of two?
    ((replace(GONE, sockets=("/srv/run/app.sock", "/srv/run/admin.sock")),), "/run/shop/web.sock"),
    ((replace(GONE, sockets=("/srv/other/app.sock",)),), "/run/shop/web.sock"),     # a folder that nginx does not have
    ((replace(GONE, sockets=("/volumes/p_other/_data/app.sock",)),), "/run/shop/web.sock"),
    ((replace(GONE, sockets=(BOUND_SOCKET,)),), "/var/run/web.sock"),       # in nginx's own layer
    ((replace(GONE, guest_of="web"), replace(GONE, service="job", guest_of="web")), None),      # which of two?
    ((replace(GONE, guest_of="other"),), None),
    ((replace(GONE, guest_of="web", ports=(9000, 9001)),), None),
    ((replace(GONE, guest_of="other", ports=(9000,)),), None),
])
def test_miss_a_service_that_need_not_be_the_one(gone: tuple[UncreatedService, ...], unix: str | None) -> None:
    seen = diagnose(beside(*gone, unix=unix).snapshot())
    assert not {"unix-socket-missing", "wrong-port"} & set(roots(seen))
    assert not [found for found in seen.findings if "has no container" in found.summary]


def test_miss_while_the_address_answers() -> None:
    scene = beside(replace(GONE, guest_of="web", ports=(9000,)))
    scene.answers(probe(200)).endpoint(tcp=Known(probe(200)), http=Known(probe(200)))
    assert told(scene) == []


def test_a_service_that_nginx_names_rightly_elsewhere_is_not_looked_for_beside() -> None:
    """Its right address is one failing route's; a second route's wrong one says nothing about it."""
    scene = beside(replace(GONE, guest_of="web", ports=(8000,)))
    assert told(scene) == ["backend-down"] and "asks" not in finding_of(
        diagnose(scene.snapshot()), "backend-down").summary


@pytest.mark.parametrize(("job", "causes"), [
    ({"pid": None, "bindings": Unknown("its command is inside the image")}, ["backend-down", "wrong-port"]),
    ({"pid": None}, []),        # it is known to listen somewhere
    ({"pid": 900, "bindings": Unknown("its command is inside the image")}, []),
])
def test_a_container_that_only_ended_is_no_rival(job: dict[str, object], causes: list[str]) -> None:
    """Such as a migration: nothing says that it would ever listen."""
    scene = beside(replace(GONE, guest_of="web", ports=(9000,)))
    ended = {} if job["pid"] else {"status": "exited", "exit_code": 1}
    scene.with_service(container_service("tidy", 8100, argv=("test", "-d", "/srv/in"), box=ended, **job))
    found = [f for f in diagnose(scene.snapshot()).findings if "app" in f.summary and f.role == "root"]
    assert sorted(f.cause for f in found) == causes


@pytest.mark.parametrize(("gone", "unix", "host", "stops"), [
    (replace(GONE, sockets=(BOUND_SOCKET,)), "/run/shop/web.sock", "", False),
    (replace(GONE, guest_of="web", ports=(8000,)), None, "127.0.0.1", False), (GONE, None, "app", True),
])
def test_only_a_name_that_nobody_has_keeps_nginx_from_starting(
        gone: UncreatedService, unix: str | None, host: str, stops: bool) -> None:
    scene = beside(gone, unix=unix)
    if not unix:
        scene.endpoint(host=host)
    (backend,) = uncreated_backends(open_case(scene.snapshot(), {}))
    assert ("nginx-stops" in backend.effects) is stops


def asks_another(*gone: UncreatedService, **changes: object) -> Scene:
    """nginx asks the container of another site for the port of a service that has no container."""
    scene = Scene("pages:8000", "other:9000", node="web", back="other").answers(BAD_GATEWAY)
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, argv=("nginx",), box={"service": "web"}))
    other = container_service("other", 9000, **changes)
    scene.with_service(other)
    scene.endpoint(tcp=Known(REFUSED), http=Known(REFUSED), configured_service=other.id, listening_service=None,
                   host="other", listener=Known(None))
    scene.endpoint(1, listening_service=other.id, tcp=Known(GOOD), http=Known(GOOD))      # it answers its own site
    compose = Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), gone)
    scene.extra = {"compose": compose, "target": TargetRef("compose", "p")}
    return scene


def test_hit_another_service_is_asked_for_the_port_of_one_without_a_container() -> None:
    seen = diagnose(asks_another(replace(GONE, ports=(8000,))).snapshot())
    assert sorted(roots(seen)) == ["backend-down", "wrong-host"]
    host, down = finding_of(seen, "wrong-host"), finding_of(seen, "backend-down")
    assert "have service app listen on app:8000" in host.summary and host.confidence == down.confidence == "likely"
    assert [repair.risk for repair in (*host.repairs, *down.repairs)] == ["manual", "disruptive"]


def test_the_other_service_listens_elsewhere_and_its_port_is_not_the_mistake() -> None:
    scene = asks_another(replace(GONE, ports=(8000,)))
    scene.listeners.append(listener(9000, 7, address="0.0.0.0", node="other"))
    assert sorted(roots(diagnose(scene.snapshot()))) == ["backend-down", "wrong-host"]
    alone = asks_another(replace(GONE, ports=(8001,)))
    alone.listeners.append(listener(9000, 7, address="0.0.0.0", node="other"))
    assert roots(diagnose(alone.snapshot())) == ["wrong-port"]


@pytest.mark.parametrize(("gone", "changes"), [
    ((replace(GONE, ports=(8001,)),), {}), ((GONE,), {}),
    ((replace(GONE, ports=(8000,)), replace(GONE, service="job", ports=(8000,))), {}),      # which of two?
    ((replace(GONE, ports=(8000,), guest_of="web"),), {}),        # it would have nginx's network
    ((replace(GONE, ports=(8000,)),), {"bindings": Unknown("its command is inside the image")}),
])
def test_miss_another_service_may_have_that_port(gone: tuple[UncreatedService, ...], changes: dict[str, object]) -> None:
    assert not {"backend-down", "wrong-host"} & set(told(asks_another(*gone, **changes)))
