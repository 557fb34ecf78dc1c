"""A random host of any kind: made, and removed at the end."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from lab.paths import state_root
from lab.random_hosts.host_container import LABEL, owner_of, remove_container, start_container, wait_until_booted
from lab.random_hosts.host_images import app_image_of
from lab.random_hosts.host_spec import HostSpec
from lab.random_hosts.running_host import FILE_AGE, RunningHost, tar_of_files
from lab.random_hosts.running_machine import RunningMachine
from lab.random_hosts.running_project import RunningProject
from lab.stack import docker_engine


@contextlib.contextmanager
def running_host(spec: HostSpec, image: str, *, keep: bool = False) -> Iterator[RunningHost]:
    """Create the host and remove it at the end. With `keep`, leave it up."""
    make = running_project if spec.is_mounted else running_machine
    with make(spec, image, keep=keep) as host:
        yield host


@contextlib.contextmanager
def running_machine(spec: HostSpec, image: str, *, keep: bool = False) -> Iterator[RunningMachine]:
    """Create the machine and remove it at the end. With `keep`, leave it up."""
    container = f"{spec.values['word']}-{secrets.token_hex(3)}"
    try:
        start_container(container, image, spec.values["word"])
        host = RunningMachine(spec, container)
        _set_up_machine(host)
        yield host
    finally:
        if not keep:
            remove_container(container)


def _set_up_machine(host: RunningMachine) -> None:
    """Create accounts, write the files, and run the commands of every part."""
    wait_until_booted(host.container)
    parts = host.spec.parts
    for script in (script for part in parts for script in part.setup):
        host.shell(script)
    files = [entry for part in parts for entry in part.files]
    docker_engine.execute(host.container, ["tar", "-xpf", "-", "-C", "/"], user="0",
                          stdin=tar_of_files(host.spec, files, time.time() - FILE_AGE))
    for script in (script for part in parts for script in part.commands):
        host.shell(script)
    host.shell("systemctl restart nginx")


@contextlib.contextmanager
def running_project(spec: HostSpec, image: str, *, keep: bool = False) -> Iterator[RunningProject]:
    """Create the project, or the one container, and remove it at the end. With `keep`, leave it up."""
    name = f"{spec.values['word']}-{secrets.token_hex(3)}"
    folder = state_root() / "projects" / name
    owner = owner_of(name)
    placed = spec.placed({"project": str(folder), "project_id": name, "owner": owner,
                          "owner_label": f"{LABEL}={owner}", "image_web": image, "image_app": app_image_of(spec)})
    host = RunningProject(placed, placed.values["web_container"])
    try:
        _set_up_project(host)
        yield host
    finally:
        if not keep:
            host.remove()


def _set_up_project(host: RunningProject) -> None:
    """Write the files, start the containers, and run the commands of every part."""
    parts = host.spec.parts
    files = [entry for part in parts for entry in part.files]
    host.folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(tar_of_files(host.spec, files, time.time() - FILE_AGE))) as tar:
        for member in tar.getmembers():
            if Path(f"/{member.name}") != host.folder:
                host.own_path(f"/{member.name}")
            # they belong to whoever runs the lab: what a group may read, the container's account may read too
            member.mode |= (member.mode & 0o040) >> 3
            member.uname = member.gname = ""
            member.uid, member.gid = os.getuid(), os.getgid()
            tar.extract(member, "/", filter="fully_trusted")
    host.shell("{{make}}")
    for script in (script for part in parts for script in part.commands):
        host.shell(script)
