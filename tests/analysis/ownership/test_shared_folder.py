"""The owner of a socket's path by the folder that nginx shares with another container, whatever state that one is in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.analysis.case import Case, FailingAddress, open_case
from fixer.analysis.ownership.resolve import candidate_owners, only_owner
from fixer.analysis.ownership.shared_folder import socket_path_for_nginx
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import Scene, binding, container_service, service

SOCKETS = ("/var/lib/docker/volumes/p_sockets/_data", "/run/web")
STATES: dict[str, dict[str, Any]] = {
    "running": {"status": "running"}, "stopped": {"status": "exited", "exit_code": 1}, "never started": {"status": "created"},
}


def application(name: str, path: str, *shares: tuple[str, str], **box: Any) -> Service:
    told = (replace(binding(0), host="", unix=path),)
    return container_service(name, pid=7 if box.get("status", "running") == "running" else None, bindings=Known(told),
                             box={"shares": shares, **box})


def asked(path: str, *services: Service, shares: tuple[tuple[str, str], ...] = (SOCKETS,)) -> tuple[Case, FailingAddress]:
    scene = Scene("127.0.0.1:1", node="web", back="web")
    scene.services += services
    scene.nginx["service"] = container_service("web", pid=100, is_app_server=False, runtime="", bindings=Known(()),
                                               box={"shares": shares})
    scene.refused(unix=path, host="", port=0, written=path, configured_service=None, addresses=Known(()))
    case = open_case(scene.snapshot(), {})
    return case, case.failing_addresses[0]


@pytest.mark.parametrize("state", STATES)
def test_it_owns_the_path_in_every_state(state: str) -> None:
    case, trouble = asked("/run/web/old.sock", application("app", "/own/app.sock", (SOCKETS[0], "/own"), **STATES[state]))
    owner = only_owner(case, trouble)
    assert owner is not None and owner.service.name == "p-app-1" and owner.rule == "elsewhere" and not owner.certain
    assert socket_path_for_nginx(case, trouble, owner.service, "/own/app.sock") == "/run/web/app.sock"
    assert socket_path_for_nginx(case, trouble, owner.service, "/tmp/app.sock") is None


def test_a_shared_folder_settles_what_a_shared_network_leaves_in_doubt() -> None:
    """The container uses nginx's network, and is paused: that alone would not say that it is meant."""
    app = application("app", "/own/app.sock", (SOCKETS[0], "/own"), status="paused", network_mode="container:webwebwebweb")
    web = container_service("web", pid=100, is_app_server=False, runtime="", bindings=Known(()), box={"shares": (SOCKETS,)})
    case, trouble = asked("/run/web/old.sock", web, app)
    assert [(owner.service.name, owner.rule) for owner in candidate_owners(case, trouble)] == [("p-app-1", "elsewhere")]
    apart = application("app", "/tmp/app.sock", ("/srv/other", "/own"), status="paused", network_mode="container:webwebwebweb")
    case, trouble = asked("/run/web/old.sock", web, apart)
    assert all(owner.needs_choice for owner in candidate_owners(case, trouble))


def test_the_very_folder_comes_before_another_of_the_mount() -> None:
    near = application("near", "/own/v2/app.sock", (SOCKETS[0], "/own"))
    far = application("far", "/own/app.sock", (SOCKETS[0], "/own"))
    case, trouble = asked("/run/web/v2/old.sock", far, near)
    assert [owner.service.name for owner in candidate_owners(case, trouble)] == ["p-near-1"]


@pytest.mark.parametrize("other", [
    application("app", "/own/app.sock", ("/srv/other", "/own")),                                # a folder that nginx lacks
    application("app", "/tmp/app.sock", (SOCKETS[0], "/own")),                                  # in its own layer
    replace(application("app", "/own/app.sock", (SOCKETS[0], "/own")), is_app_server=False),    # a database has sockets, too
    container_service("app", box={"shares": ((SOCKETS[0], "/own"),)}),                          # it listens on a port
])
def test_what_nginx_shares_no_socket_with_owns_nothing(other: Service) -> None:
    assert candidate_owners(*asked("/run/web/old.sock", other)) == ()


def test_one_that_never_said_where_it_listens_is_meant_if_no_other_mounts_the_folder() -> None:
    """Its start script is in its image, and it ended before it listened."""
    silent = container_service("app", pid=None, runtime="", is_app_server=False, bindings=Unknown("not running"),
                               box={"shares": ((SOCKETS[0], "/own"),), "status": "restarting"})
    owner = only_owner(*asked("/run/web/app.sock", silent))
    assert owner is not None and owner.service is silent and owner.rule == "elsewhere"
    assert silent.container is not None
    steady = replace(silent, container=replace(silent.container, status="running"))
    assert candidate_owners(*asked("/run/web/app.sock", steady)) == ()
    second = container_service("job", pid=None, bindings=Unknown("x"), box={"shares": ((SOCKETS[0], "/own"),)})
    assert candidate_owners(*asked("/run/web/app.sock", silent, second)) == ()


def test_of_two_in_one_folder_neither_is_taken() -> None:
    both = [application(name, f"/own/{name}.sock", (SOCKETS[0], "/own")) for name in ("desk", "till")]
    assert only_owner(*asked("/run/web/old.sock", *both)) is None


def test_on_one_node_the_path_is_the_same() -> None:
    case, trouble = asked("/run/web/old.sock", application("app", "/own/app.sock", (SOCKETS[0], "/own")))
    assert socket_path_for_nginx(case, trouble, service(node="web"), "/run/a.sock") == "/run/a.sock"
