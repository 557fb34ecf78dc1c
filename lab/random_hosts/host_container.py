"""Containers of random hosts: start, label, and remove them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UnexpectedState
from lab.lazy_module import lazy_module
from lab.stack import docker_engine

if TYPE_CHECKING:
    import docker
else:
    docker = lazy_module("docker")

LABEL = "badgateway.random"     # on every image and container of random hosts
BOOT_SECONDS = 120.0    # on a busy machine
# the engine chooses the host's ports
_PORTS: dict[str, Any] = {"80/tcp": ("127.0.0.1", None), "443/tcp": ("127.0.0.1", None)}


def start_container(container: str, image: str, hostname: str) -> None:
    """Start the machine, as the lab's host stack does."""
    try:
        docker_engine.engine().containers.run(
            image, name=container, hostname=hostname, labels={LABEL: owner_of(container)}, detach=True,
            cgroupns="host", volumes={"/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"}},
            tmpfs={"/run": "exec,mode=755", "/run/lock": "mode=1777", "/tmp": "exec,mode=1777"},  # noqa: S108  its own
            ports=_PORTS, cap_add=["NET_ADMIN"],
            sysctls={"net.ipv6.conf.all.disable_ipv6": "0", "net.ipv6.conf.default.disable_ipv6": "0"})
    except docker.errors.APIError as error:
        raise LabError(f"the random host could not be started: {docker_engine.reason(error)}") from error


def remove_container(container: str) -> None:
    """Remove a host's container. Somebody else may remove it too."""
    with contextlib.suppress(docker.errors.APIError):
        docker_engine.engine().api.remove_container(container, force=True, v=True)


def remove_containers(filters: Mapping[str, str]) -> None:
    """Remove the containers that Docker's filters name."""
    for found in docker_engine.engine().api.containers(all=True, filters=dict(filters)):
        remove_container(found["Id"])


def remove_networks(filters: Mapping[str, str]) -> None:
    """Remove the networks that Docker's filters name."""
    api = docker_engine.engine().api
    for found in api.networks(filters=dict(filters)):
        with contextlib.suppress(docker.errors.APIError):
            api.remove_network(found["Id"])


def owner_of(name: str) -> str:
    """Return the label's value for a host of this process."""
    return f"{os.getpid()}.{name}"


def remove_own_containers() -> None:
    """Remove the containers of this process, after an interrupt."""
    for found in docker_engine.engine().api.containers(all=True, filters={"label": LABEL}):
        if str(found["Labels"].get(LABEL)).startswith(owner_of("")):
            remove_container(found["Id"])


def wait_until_booted(container: str) -> None:
    """Wait until the machine has started its boot services."""
    until = time.monotonic() + BOOT_SECONDS
    while True:
        argv = ["systemctl", "is-system-running", "--wait"]
        if docker_engine.execute(container, argv, check=False).text in ("running", "degraded"):
            return
        if time.monotonic() > until:
            raise UnexpectedState(f"{container}: the machine did not boot within {BOOT_SECONDS:.0f} s")
        time.sleep(0.1)
