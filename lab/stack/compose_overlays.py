"""A certificate that the lab signed itself, for a stack whose nginx or application speaks TLS in a container."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping

from lab.scenario.templates import Value
from lab.stack.docker_command import docker

_CERTIFICATE_END = "-----END CERTIFICATE-----\n"
# The machine's image has such a pair already; nginx's has no tool that could make one.
_SCRIPT = ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=office "
           "-keyout /tmp/key 2>/dev/null && cat /tmp/key")


def with_certificate(drawn: Mapping[str, Value], image: str) -> dict[str, Value]:
    """What was drawn; where nginx's container or the application's needs one, with a certificate and its key."""
    if not (drawn["tls"] or drawn["app_certificate"]) or drawn["stack"] != "containers":
        return dict(drawn)
    made = docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", _SCRIPT).out.decode()
    certificate, end, key = made.partition(_CERTIFICATE_END)
    return {**drawn, "certificate": certificate + end, "certificate_key": key}


# Ports of this machine for a stack a part of which shares its network: there Docker cannot choose them.
_PORT_RANGE = (20000, 29999)     # below what systems give to outgoing connections
_TRIES = 200


def with_own_ports(drawn: Mapping[str, Value]) -> dict[str, Value]:
    """What was drawn; where a part has the Docker host's network, with ports that are free there now."""
    made = dict(drawn)
    if drawn["backend_network"] == "host":
        (port,), bridge = free_ports(1), _bridge_address()
        return made | {"port": port, "route_port": port, "route_host": "host.docker.internal", "bind_inside": bridge,
                       "own_address": bridge}
    if drawn["backend_network"] == "web":       # in nginx's own network
        return made | {"route_host": "127.0.0.1"}
    if drawn["web_network"] != "host":
        return made
    front, outer, other = free_ports(3)
    made |= {"front_port": front, "outer_port": outer, "other_outer_port": other, "route_port": outer}
    return made | {"inside_port": drawn["port"], "listen": f"127.0.0.1:{front}", "route_host": "127.0.0.1"}


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nothing listens; somebody may still come first."""
    dice = random.SystemRandom()
    found: list[int] = []
    for _ in range(_TRIES):
        port = dice.randint(*_PORT_RANGE)
        if port not in found and _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no {count} free ports between {_PORT_RANGE[0]} and {_PORT_RANGE[1]}")


def _bridge_address() -> str:
    """The Docker host's address that `host-gateway` stands for: one that containers reach and nobody else."""
    shown = docker("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Gateway}} {{end}}", "bridge").text
    for word in shown.split():
        if word.count(".") == 3:
            return word
    raise OSError("the engine's own bridge has no address")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
