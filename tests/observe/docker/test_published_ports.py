"""Tests of fixer/observe/docker/published_ports.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span, UpstreamServer
from fixer.model.snapshot import Container, Listener
from fixer.observe.docker.published_ports import (
    PublishedPort,
    addresses_without_listener,
    find_published_port,
    is_docker_host_address,
    is_held_by_host,
    is_on_docker_host,
)
from fixer.observe.view.node_view import ENGINE, View
from tests.causes.snapshot_builders import container, listener, process
from tests.observe.capture_builders import view

APP = container("app", published=(("0.0.0.0", 8001, 8000),))
LOOPBACK = ("127.0.0.1",)


def server(port: int = 8001, host: str = "127.0.0.1", unix: str | None = None) -> UpstreamServer:
    return UpstreamServer(f"{host}:{port}", host, port, unix, Span("/etc/nginx/nginx.conf", 1, 0, 0))


def seen(*lines: Listener, comm: str = "docker-proxy", **changes: Any) -> View:
    """The Docker host, whose listeners a process of this name holds."""
    return replace(view(), is_target_machine=True, addresses=("127.0.0.1", "192.0.2.5"), listeners=Known(lines),
                   by_pid={7: process(7, comm, comm=comm)}, **changes)


def found(here: View, *containers: Container, at: UpstreamServer | None = None, ips: tuple[str, ...] = LOOPBACK) -> PublishedPort | None:
    return find_published_port(at or server(), ips, here, {here.name: here, ENGINE: here}, containers or (APP,))


@pytest.mark.parametrize("comm", ["docker-proxy", "rootlesskit", "slirp4netns"])
def test_a_port_that_dockers_own_program_holds_leads_into_the_container(comm: str) -> None:
    here = seen(listener(8001, 7), comm=comm)
    assert found(here) == PublishedPort(APP, 8000) and not is_held_by_host(8001, here)


def test_a_program_of_the_host_has_the_port_itself() -> None:
    here = seen(listener(8001, 7), comm="uvicorn")
    assert found(here) is None and is_held_by_host(8001, here) and not is_held_by_host(8002, here)
    assert found(seen(listener(8001, None), comm="uvicorn")) == PublishedPort(APP, 8000)       # nobody knows whose it is


@pytest.mark.parametrize(("at", "ips", "leads"), [
    (server(), LOOPBACK, True), (server(), ("192.0.2.5",), True), (server(), ("192.0.2.9",), False),
    (server(), ("127.0.0.1", "192.0.2.9"), False), (server(), (), False), (server(8000), LOOPBACK, False),
    (server(unix="/run/shop.sock"), LOOPBACK, False),
])
def test_only_an_address_of_the_host_itself_leads_there(at: UpstreamServer, ips: tuple[str, ...], leads: bool) -> None:
    assert (found(seen(), at=at, ips=ips) is not None) is leads


@pytest.mark.parametrize(("published_at", "leads"), [("0.0.0.0", True), ("", True), ("::", True), ("127.0.0.1", True), ("192.0.2.5", False)])
def test_a_port_counts_at_the_address_where_it_is_published(published_at: str, leads: bool) -> None:
    assert (found(seen(), container("app", published=((published_at, 8001, 8000),))) is not None) is leads


def test_what_runs_comes_before_what_would_publish_the_port() -> None:
    stopped = container("old", status="exited", published=APP.published)
    assert found(seen(), stopped, APP) == PublishedPort(APP, 8000) and found(seen(), stopped) == PublishedPort(stopped, 8000)
    assert found(seen(listener(8001, 7)), stopped) is None           # another one holds it now


def test_a_container_reaches_the_host_by_its_name_or_its_network() -> None:
    own = container("web", gateways=("172.18.0.1",))
    inside = replace(seen(), is_target_machine=False, node=replace(seen().node, name="web"))
    beside = replace(own, network_mode="host")
    for one in (own, beside):
        assert is_on_docker_host(inside, {}, (replace(one, name="web"),)) is (one is beside)
    assert is_docker_host_address(server(host="host.docker.internal"), (), inside, own, (own,))
    assert is_docker_host_address(server(), ("172.18.0.1",), inside, own, (own,))
    assert not is_docker_host_address(server(), LOOPBACK, inside, own, (own,))
    assert is_docker_host_address(server(), LOOPBACK, inside, beside, (beside,))


def test_what_no_program_of_the_host_holds_may_be_published_or_shared() -> None:
    held = listener(8000, 7)
    socket = replace(held, family="unix", address="/run/here.sock", port=0)
    wanted = [(server(8000), LOOPBACK), (server(8001), LOOPBACK), (server(8001), LOOPBACK), (server(8002), ("192.0.2.9",)),
              (server(unix="/run/here.sock"), ()), (server(unix="/run/gone.sock"), ()), (server(unix="@name"), ())]
    assert addresses_without_listener(seen(held, socket, comm="uvicorn"), wanted) == ("8001", "/run/gone.sock")
    assert addresses_without_listener(replace(seen(), listeners=Unknown("not root")), wanted) == ()
