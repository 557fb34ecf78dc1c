"""Additions to a containers stack: a self-signed certificate, and free ports for shared host networks."""

from __future__ import annotations

import random
import socket
from dataclasses import replace

from lab.scenario.deployment_fields import Deployment
from lab.stack.docker_engine import network_ranges, run_once

_CERTIFICATE_END = "-----END CERTIFICATE-----\n"
# The machine's image has a certificate already; nginx's image has no tool to create one.
_SCRIPT = ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=office "
           "-keyout /tmp/key 2>/dev/null && cat /tmp/key")


def with_certificate(drawn: Deployment, image: str) -> Deployment:
    """Return the draw, with a certificate and key if nginx's or the application's container needs them."""
    if not (drawn.tls or drawn.app_certificate) or drawn.stack != "containers":
        return drawn
    made = run_once(image, ["-c", _SCRIPT], entrypoint="sh") + "\n"
    certificate, end, key = made.partition(_CERTIFICATE_END)
    return replace(drawn, certificate=certificate + end, certificate_key=key)


# Ports of this machine for a stack with a part in its network: Docker cannot choose them there.
_PORT_RANGE = (20000, 29999)  # below the usual ephemeral ports
_TRIES = 200


def with_own_ports(drawn: Deployment) -> Deployment:
    """Return the draw, with ports that are free now if a part uses the Docker host's network."""
    if drawn.backend_network == "host":
        (port,), bridge = free_ports(1), _bridge_address()
        return replace(drawn, port=port, route_port=port, route_host="host.docker.internal", bind_inside=bridge,
                       own_address=bridge)
    if drawn.backend_network == "web":  # in nginx's own network
        return replace(drawn, route_host="127.0.0.1")
    if drawn.web_network != "host":
        return drawn
    front, outer, other = free_ports(3)
    return replace(drawn, front_port=front, outer_port=outer, other_outer_port=other, route_port=outer,
                   inside_port=drawn.port, listen=f"127.0.0.1:{front}", route_host="127.0.0.1")


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Return free ports of an address; another program may still take them first."""
    dice = random.SystemRandom()
    found: list[int] = []
    for _ in range(_TRIES):
        port = dice.randint(*_PORT_RANGE)
        if port not in found and _is_free(port, address):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} free ports between {_PORT_RANGE[0]} and {_PORT_RANGE[1]}")


def _bridge_address() -> str:
    """Return the Docker host's address for `host-gateway`, which only containers can reach."""
    for addresses in network_ranges("bridge"):
        if addresses.get("Gateway", "").count(".") == 3:
            return addresses["Gateway"]
    raise OSError("the engine's default bridge has no address")


def _is_free(port: int, address: str) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind((address, port))
        except OSError:
            return False
    return True
