"""The steps by which Docker starts, restarts and recreates a container."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Literal

from fixer.managers import ServiceStarter
from fixer.model.facts import Unknown
from fixer.model.plan import ComposeUp, ContainerAction, Step
from fixer.model.snapshot import Container, Service, Snapshot


class DockerSteps(ServiceStarter):
    """Steps of docker and docker compose for one container."""

    __slots__ = ()

    def start_steps(self, *, with_replicas: bool = False) -> tuple[Step, ...]:
        if swarm_advice_text(self.service):
            return ()
        box = _container_of(self.service)
        others = tuple(_start_replica_steps(self.snapshot, box)) if with_replicas else ()
        # during the engine's restart delay a start waits for the next try, up to a minute; a restart does not
        verb: Literal["unpause", "restart", "start"] = "start"
        if box.status in ("paused", "restarting", "running"):
            verb = "unpause" if box.status == "paused" else "restart"
        return (*others, ContainerAction(box.id, box.name, verb, box.status))

    def restart_steps(self, describe: str = "") -> tuple[Step, ...]:
        box = _container_of(self.service)
        return () if swarm_advice_text(self.service) else (
            ContainerAction(box.id, box.name, "restart", box.status, describe),)

    def apply_steps(self, describe: str = "") -> tuple[Step, ...] | str:
        up = compose_up(self.snapshot, _container_of(self.service))
        return up if isinstance(up, str) else (up,)

    def by_hand(self) -> str:
        return swarm_advice_text(self.service) or super().by_hand()

    @property
    def awaited_container(self) -> str:
        return _container_of(self.service).name


def _container_of(service: Service) -> Container:
    assert service.container is not None
    return service.container


def swarm_advice_text(service: Service) -> str:
    """Return what an operator does about a task of a swarm service, which replaces its container and routes only to the
    new one; else empty."""
    name = "" if service.container is None else service.container.label("com.docker.swarm.service.name") or ""
    return name and f"docker service ps --no-trunc {name} shows why; then run docker service update --force {name}"


def compose_up(snapshot: Snapshot, box: Container) -> ComposeUp | str:
    """Return `up` for one service, only if its files still describe what runs; else why not."""
    compose, name = snapshot.compose, box.service
    project = box.project
    if compose is None or compose.project != project or name is None or (
            snapshot.target.kind not in ("compose", "local", "ssh")):
        return f"container {box.name} must be recreated with other settings{_other_project_text(snapshot, box)}"
    if isinstance(compose.editable, Unknown):
        return f"the files of project {compose.project} cannot be edited: {compose.editable.reason}"
    if not compose.editable.value or not dict(compose.hash_matches).get(name, False):
        return (f"the files of project {compose.project} no longer describe what runs as {name}: `up` would deploy "
                "something else")
    return ComposeUp(
        compose.project, name, compose.working_dir, compose.config_files, compose.environment_files,
        box.label("com.docker.compose.config-hash") or "", box.status,
        box.network_mode if box.lender else "",
        box.label("com.docker.compose.depends_on") or "",
    )


def _other_project_text(snapshot: Snapshot, box: Container) -> str:
    """Return where `up` is possible, as text: in its own project if nginx is in there too, else by compose itself."""
    if not box.project:
        return ""
    at = {nginx.node for nginx in snapshot.nginxes}
    if any(s.container is not None and s.container.project == box.project and s.node in at for s in snapshot.services):
        return f"; run fixer on compose://{box.project}"
    files = (box.label("com.docker.compose.project.config_files") or "").split(",")
    words = [word for path in files if path for word in ("-f", shlex.quote(path))]
    up = f"docker compose {' '.join((*words, '-p', box.project))} up -d --no-deps {box.service}"
    return f"; it belongs to project {box.project}, which does not contain nginx: run {up}"


def _start_replica_steps(snapshot: Snapshot, box: Container) -> Iterator[ContainerAction]:
    """Yield the starts of the other replicas of the service that ended like this one. nginx uses all of them by one
    name: with one alone, most of its addresses stay dead."""
    others = (s.container for s in snapshot.services if s.container is not None and box.project and box.service)
    for other in others:
        if other.id != box.id and (other.project, other.service) == (box.project, box.service) and (
                (other.status, other.exit_code) == ("exited", box.exit_code) and box.status == "exited"):
            yield ContainerAction(other.id, other.name, "start", other.status)


STARTER = DockerSteps
