"""Image and container of random hosts: the lab's machine with every application server that Debian packages."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UnexpectedState
from lab.lazy_module import lazy_module
from lab.paths import compose_root
from lab.stack import docker_engine, images

if TYPE_CHECKING:
    import docker
else:
    docker = lazy_module("docker")

NAME = "random-host"
LABEL = "badgateway.random"     # on every image and container of random hosts
BOOT_SECONDS = 120.0    # on a busy machine
# the engine chooses the host's ports
_PORTS: dict[str, Any] = {"80/tcp": ("127.0.0.1", None), "443/tcp": ("127.0.0.1", None)}


def image_tag() -> str:
    """Return the tag: a digest of the image's context and of the machine that it is built on."""
    return f"badgateway/{NAME}:{_digest()}"


def _digest() -> str:
    own = images.folder_digest(compose_root() / "images" / NAME)
    return hashlib.sha256((images.tags()["machine"] + own).encode()).hexdigest()[:12]


def ensure_image(say: images.ProgressCallback) -> str:
    """Build the image if it is missing, and return its tag."""
    tag = image_tag()
    machine = images.ensure(say, ["machine"])["machine"]
    if tag in docker_engine.image_names():
        return tag
    say(f"image {NAME}: building")
    docker_engine.build_image(compose_root() / "images" / NAME, tag, {LABEL: "image"}, {"MACHINE": machine})
    say(f"image {NAME}: built")
    return tag


def start_container(container: str, image: str, hostname: str) -> None:
    """Start the machine, as the lab's host stack does."""
    try:
        docker_engine.engine().containers.run(
            image, name=container, hostname=hostname, labels={LABEL: f"{os.getpid()}"}, detach=True,
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


def remove_own_containers() -> None:
    """Remove the containers of this process, after an interrupt."""
    own = {"label": f"{LABEL}={os.getpid()}"}
    for found in docker_engine.engine().api.containers(all=True, filters=own):
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
