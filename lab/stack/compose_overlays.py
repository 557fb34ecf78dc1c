"""A certificate that the lab signed itself, for a stack whose nginx or application speaks TLS in a container."""

from __future__ import annotations

from collections.abc import Mapping

from lab.scenario.templates import Value
from lab.stack.docker_command import docker

_END = "-----END CERTIFICATE-----\n"
# The machine's image has such a pair already; nginx's has no tool that could make one.
_SCRIPT = ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=office "
           "-keyout /tmp/key 2>/dev/null && cat /tmp/key")


def with_certificate(drawn: Mapping[str, Value], image: str) -> dict[str, Value]:
    """What was drawn; where nginx's container or the application's needs one, with a certificate and its key."""
    if not (drawn["tls"] or drawn["app_certificate"]) or drawn["stack"] != "containers":
        return dict(drawn)
    made = docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", _SCRIPT).out.decode()
    certificate, end, key = made.partition(_END)
    return {**drawn, "certificate": certificate + end, "certificate_key": key}
