"""What a stack's network adds to what was drawn: addresses, and ports of this machine that are free."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from lab.scenario.deployment_fields import Deployment, with_values
from lab.scenario.templates import Value
from lab.stack import compose_overlays
from lab.stack.compose_overlays import free_ports, with_certificate, with_own_ports

DRAWN = Deployment.from_values({"port": 8000, "stack": "containers"})


def test_most_stacks_keep_what_was_drawn() -> None:
    assert with_own_ports(DRAWN) == DRAWN
    assert with_own_ports(replace(DRAWN, backend_network="web")) == replace(DRAWN, backend_network="web", route_host="127.0.0.1")


def test_a_web_part_on_the_host_gets_three_ports_of_its_own() -> None:
    made = with_own_ports(replace(DRAWN, web_network="host"))
    ports = [made.front_port, made.outer_port, made.other_outer_port]
    assert len(set(ports)) == 3 and made.listen == f"127.0.0.1:{made.front_port}"
    assert (made.inside_port, made.route_port, made.route_host) == (8000, made.outer_port, "127.0.0.1")
    assert (DRAWN.port, DRAWN.front_port) == (8000, 0)


@pytest.mark.parametrize("changes", [{}, {"tls": True, "stack": "host"}, {"app_certificate": True, "stack": "host"}])
def test_only_containers_that_speak_tls_get_a_certificate(changes: dict[str, Value]) -> None:
    drawn = with_values(DRAWN, changes)
    assert with_certificate(drawn, "no-such-image") == drawn      # nothing was run


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(compose_overlays, "_PORT_RANGE", (port, port))
        with pytest.raises(OSError, match="fewer than 1 free ports"):
            free_ports(1)
    assert free_ports(1) == [port]
