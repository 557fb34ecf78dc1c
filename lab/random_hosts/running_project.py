"""A random Compose project on this Docker host, or one container with all of it: its folder, its containers, and what
others run beside it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.lazy_module import lazy_module
from lab.random_hosts.container_files import changed_files
from lab.random_hosts.host_container import LABEL, remove_containers, remove_networks
from lab.random_hosts.running_host import ROOTS, RunningHost
from lab.stack import docker_engine
from lab.stack.docker_command import FinishedCommand, run
from lab.trial.manifest import Manifest, folder_manifest

if TYPE_CHECKING:
    import docker
else:
    docker = lazy_module("docker")

SCRIPT_SECONDS = 120.0
STOP_SECONDS = 3
# the command line holds no word of the script, as on a machine
SHELL = ("sh", "-c", 'cd "$1"; script=$(cat); eval "$script"')
LOGS = ("docker ps -a --filter {{containers}}", "cat {{shown_files}}",
        "docker exec {{web_container}} nginx -T 2>&1 | head -300", "docker logs --tail 40 {{web_container}} 2>&1",
        "docker logs --tail 40 {{app_container}} 2>&1",
        "docker inspect {{web_container}} {{app_container}} | head -900")


@dataclass(slots=True)
class RunningProject(RunningHost):
    """The containers of a Compose project, or the one container. Scripts run on this machine, in the folder that holds
    the files."""

    @property
    def folder(self) -> Path:
        """Return the folder that holds the files."""
        return Path(self.spec.values["project"])

    @property
    def target(self) -> str:
        """Return the target for a fixer outside."""
        return self.spec.values["target"]

    @property
    def app_container(self) -> str:
        """Return the container that the application runs in."""
        return self.spec.values["app_container"]

    @property
    def log_scripts(self) -> Sequence[str]:
        """Return shell lines whose output is kept of a host that was not passed."""
        return LOGS

    def shell(self, script: str, *, check: bool = True) -> FinishedCommand:
        """Run shell lines in the project's folder, with the host's values."""
        filled = self.spec.fill(script).strip()
        own = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        ran = run([*SHELL, "sh", str(self.folder)], check=False, environment=own,
                  stdin=f"set -e\n{filled}\n".encode(), timeout=SCRIPT_SECONDS)
        if check and ran.code != 0:
            raise LabError(f"`{' '.join(filled.split())[:100]}` failed: {ran.error_line}")
        return ran

    def _pack(self, paths: Sequence[str]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for path in paths:
                tar.add(self.own_path(path), arcname=path.lstrip("/"))
        return out.getvalue()

    def _put_back(self, paths: Sequence[str], archive: bytes) -> None:
        for path in paths:
            own = self.own_path(path)
            shutil.rmtree(own) if own.is_dir() else own.unlink(missing_ok=True)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar.getmembers():
                tar.extract(member, "/", filter="fully_trusted")     # packed above

    def own_path(self, path: str) -> Path:
        """Return a path of the project; raise LabError for one outside: this is somebody's machine."""
        found = Path(path)
        if self.folder not in found.parents or ".." in found.parts:
            raise LabError(f"random host: {path} is not in the project's folder")
        return found

    def reboot(self) -> None:
        """Stop all containers that run and start them again, as a restart of the Docker host does. One that cannot be
        started stays down: visitors see that."""
        api = docker_engine.engine().api
        running = [found["Names"][0].lstrip("/") for found in api.containers(filters=self._filter())]
        order = sorted(running, key=self._turn)
        for name in reversed(order):
            with contextlib.suppress(docker.errors.APIError):
                api.stop(name, timeout=STOP_SECONDS)
        for name in order:
            with contextlib.suppress(docker.errors.APIError):
                api.start(name)

    def _turn(self, container: str) -> int:
        """Return when a container starts: nginx after those that it asks, but before one that uses its network."""
        values, shared = self.spec.values, "shared-network" in self.spec.offers
        return {values["web_container"]: 2, values["app_container"]: 3 if shared else 1}.get(container, 0)

    def manifest(self) -> Manifest:
        """Return the project's files, and what differs from the image in each container's folders."""
        found = dict(folder_manifest(self.folder))
        for container in docker_engine.engine().api.containers(all=True, filters=self._filter()):
            name = container["Names"][0].lstrip("/")
            found |= {f"{name}:{path}": entry for path, entry in changed_files(name, ROOTS).items()}
        return found

    def foreign_processes(self) -> Mapping[str, str]:
        """Return id and start of each container of somebody else."""
        states = {name: docker_engine.inspect(name) for name in self.spec.foreign.containers}
        return {name: f"{found.get('Id', '')[:12]} {found.get('State', {}).get('StartedAt', '')}"
                for name, found in states.items()}

    def log_mark(self) -> float:
        """Return the present time: the engine gives logs by time."""
        return time.time()

    def logged_since(self, mark: float) -> str:
        """Return what nginx's container logged since then."""
        return docker_engine.logs_of(self.container, since=mark).decode("utf-8", "replace")

    def _filter(self) -> Mapping[str, str]:
        return dict([self.spec.values["containers"].split("=", 1)])

    def remove(self) -> None:
        """Remove containers, networks and the folder, whatever a solver made of them."""
        remove_containers({"label": f"{LABEL}={self.spec.values['owner']}"})
        remove_containers(self._filter())
        remove_networks(self._filter())
        shutil.rmtree(self.folder, ignore_errors=True)
