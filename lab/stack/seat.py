"""The seat of a person in a class: a machine that reaches nothing but its own door, and the door.

The machine's network has no address of the Docker host and leads nowhere. The door is a container on that network and
on one of its own. It passes ssh and the page on, on ports of the address that the class chose, until the class ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UnexpectedState
from lab.lazy_module import lazy_module
from lab.paths import compose_root, state_label
from lab.scenario.deployment_fields import Deployment
from lab.stack import images
from lab.stack.docker_command import LABEL, STATE_LABEL
from lab.stack.docker_engine import engine, networks_of, reason
from lab.stack.running_lab import SEAT_KEY, Lab

if TYPE_CHECKING:
    import docker
else:
    docker = lazy_module("docker")

UNTIL_LABEL = "badgateway.lab.until"  # on the door: seconds since 1970
MEMORY_CAP = 768 * 1024**2  # bytes
PIDS_CAP = 512
FILE_CAP = 512 * 1024**2  # bytes of one file; the kernel enforces it
DISK_CAP = 1024**3  # bytes that a machine may write; the class's keeper stops one that wrote more
_CGROUPS = "/sys/fs/cgroup"
_SSH, _PAGE = 2222, 8080  # the door's own ports
_NOBODY = "65534:65534"


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a person gets in, and until when. `until` is in seconds since 1970."""

    person: str
    classroom: str
    bind: str
    ssh_port: int
    page_port: int
    password: str
    until: float


@dataclass(frozen=True, slots=True)
class OwnCgroup:
    """The part of the engine's cgroup tree that belongs to one machine: `inner` is its own to write, inside `outer`.
    Both are paths within each of `trees`; with cgroup v2 there is one tree, and it has no name."""

    parent: str
    outer: str
    inner: str
    trees: tuple[str, ...]

    @property
    def writable(self) -> tuple[str, ...]:
        """Return the paths that its systemd needs."""
        return tuple(f"{_CGROUPS}/{tree}{self.inner}" for tree in self.trees)

    @property
    def capped(self) -> str:
        """Return the path whose limits hold whatever the machine writes into its part; empty if it writes none."""
        return f"{_CGROUPS}/{self.outer}" if self.trees == ("",) else ""


def own_cgroup(version: str, driver: str, lab_id: str) -> OwnCgroup:
    """Return the part for a lab, by the engine's cgroup version (`1` or `2`) and driver (`cgroupfs` or `systemd`)."""
    # v1: systemd keeps its own tree in these two; the limits are in other hierarchies, which the machine cannot write
    trees = ("",) if version == "2" else ("systemd/", "unified/")
    if driver == "systemd":  # a slice's dashes are its folders
        name = f"badgateway-{lab_id.replace('-', '_')}"
        outer = f"badgateway.slice/{name}.slice"
        return OwnCgroup(f"{name}-in.slice", outer, f"{outer}/{name}-in.slice", trees)
    outer = f"badgateway-lab/{lab_id}"
    return OwnCgroup(f"/{outer}/in", outer, f"{outer}/in", trees)


def _engine_cgroup(lab_id: str) -> OwnCgroup:
    about = engine().info()
    return own_cgroup(str(about.get("CgroupVersion", "1")), str(about.get("CgroupDriver", "cgroupfs")), lab_id)


def seat_of(lab: Lab) -> Seat | None:
    """Return the seat of a lab; None if it belongs to no class."""
    kept: Mapping[str, Any] | None = lab.record.extra.get(SEAT_KEY)
    return None if kept is None else Seat(**kept)


def seat_values(seat: Seat) -> dict[str, Any]:
    """Return the seat as a record keeps it."""
    return asdict(seat)


def seated(drawn: Deployment, tags: Mapping[str, str], lab_id: str, say: Callable[[str], None],
           ) -> tuple[Deployment, Mapping[str, str]]:
    """Return the draw and the images of a closed machine with ssh."""
    if drawn.stack != "host":
        raise LabError("a class needs the host stack: its people repair inside their own machine")
    place = _engine_cgroup(lab_id)
    mounts = "\n".join(f"      - {path}:{path}:rw" for path in place.writable)
    closed = replace(drawn, closed=True, cgroup_parent=place.parent, own_cgroups=mounts, memory_cap=MEMORY_CAP,
                     pids_cap=PIDS_CAP, file_cap=FILE_CAP)
    return closed, {**tags, "machine": images.ensure_layer(say, images.SEAT, tags["machine"])}


def open_door(lab: Lab, seat: Seat) -> None:
    """Set the password of the machine, and start its door."""
    if any(network.get("Gateway") for network in networks_of(lab.container()).values()):
        raise UnexpectedState(f"{lab.id}: its network leads to the Docker host; this engine cannot close it")
    lab.run_in("web", ["chpasswd"], stdin=f"root:{seat.password}\n".encode())
    _cap_above(lab)
    try:
        _start_door(lab, seat)
    except docker.errors.APIError as error:
        raise LabError(f"the door of {lab.id} could not be opened: {reason(error)}",
                       f"is {seat.bind} still an address of this machine?") from error


def _start_door(lab: Lab, seat: Seat) -> None:
    labels = {LABEL: lab.id, STATE_LABEL: state_label()}
    front, (inside,) = f"{lab.id}-front", networks_of(lab.container())
    client = engine()
    client.networks.create(front, driver="bridge", labels=labels)
    relay = docker.types.Mount("/relay.py", str(compose_root() / "door" / "relay.py"), type="bind", read_only=True)
    machine = lab.container()
    made = client.containers.create(
        lab.deployment.images["app"],
        ["python3", "/relay.py", str(seat.until), f"{_SSH}={machine}:22", f"{_PAGE}={machine}:{lab.front_port}"],
        name=f"{lab.id}-door", labels={**labels, UNTIL_LABEL: str(seat.until)}, network=front, mounts=[relay],
        ports={f"{_SSH}/tcp": (seat.bind, seat.ssh_port), f"{_PAGE}/tcp": (seat.bind, seat.page_port)},
        sysctls={"net.ipv4.ip_forward": "0"},  # nothing but its two connections passes
        user=_NOBODY, cap_drop=["ALL"], read_only=True, security_opt=["no-new-privileges"], init=True,
        mem_limit="64m", pids_limit=64, log_config=docker.types.LogConfig(type="json-file", config={"max-size": "1m"}),
    )
    client.networks.get(inside).connect(made)
    made.start()


def _cap_above(lab: Lab) -> None:
    """With cgroup v2 the machine may write its own limits: set the same ones above its part."""
    if capped := _engine_cgroup(lab.id).capped:
        script = f"echo {MEMORY_CAP} >/own/memory.max && echo {PIDS_CAP} >/own/pids.max"
        _run_on_cgroup(lab.deployment.images["app"], capped, script)


def remove_cgroups(lab: Lab) -> None:
    """Remove the empty cgroups of a closed machine that is gone; the engine leaves them. What stays does no harm."""
    image = lab.deployment.images.get("app")
    if image is None:  # it never started
        return
    outer = _engine_cgroup(lab.id).outer
    script = f"find /own/{outer} /own/*/{outer} -depth -type d -exec rmdir {{}} + 2>/dev/null; true"
    with contextlib.suppress(LabError):
        _run_on_cgroup(image, _CGROUPS, script)


def _run_on_cgroup(image: str, path: str, script: str) -> None:
    """Run a command of our own on a part of the engine's cgroup tree, mounted at /own; the lab itself needs no root."""
    mount = docker.types.Mount("/own", path, type="bind")
    try:
        engine().containers.run(image, ["sh", "-c", script], remove=True, user="0", network_mode="none",
                                mounts=[mount])
    except (docker.errors.APIError, docker.errors.ContainerError) as error:
        raise LabError(f"the limits at {path} could not be set: {reason(error)}") from error
