"""`compose://PROJECT`: every container of a project by its label, named by service, and the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fixer.errors import NeedsPerson, NoSuchTarget
from fixer.hosts.docker_engine import docker_cli, engine_answers
from fixer.hosts.docker_engine.docker_cli import PROJECT_LABEL, SERVICE_LABEL, Inspected
from fixer.hosts.machine import state_root
from fixer.hosts.nodes import engine_node
from fixer.hosts.nodes.container_node import ContainerAsker, ContainerWriter
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.hosts.nodes.nearby_containers import named_container_askers
from fixer.model.host import Asker, Writer
from fixer.model.query import Command
from fixer.model.target import TargetRef


def open_compose(ref: TargetRef) -> ComposeTarget:
    """Open the target; raise NoSuchTarget with the names of existing projects."""
    found = engine_answers.project_containers(ref.address)
    if not found:
        raise NoSuchTarget(f"there is no compose project {ref.address}", _projects_hint())
    return ComposeTarget(ref, found)


def _projects_hint() -> str:
    template = f'{{{{.Label "{PROJECT_LABEL}"}}}}'
    words = ("ps", "-a", "--filter", f"label={PROJECT_LABEL}", "--format", template)
    names = sorted(set(docker_cli.docker(*words).stdout.decode(errors="replace").split()))
    return f"projects here: {', '.join(names[:8])}" if names else "no container here belongs to a compose project"


def name_nodes(found: Sequence[Inspected]) -> dict[str, Inspected]:
    """Name each container by its service, or by its own name if the service has several (or is `engine`)."""
    services = [docker_cli.labels_of(item).get(SERVICE_LABEL, "") for item in found]
    counts = Counter(services)
    return {
        (service if service and counts[service] == 1 and service != "engine" else docker_cli.name_of(item)): item
        for service, item in zip(services, found, strict=True)
    }


class ComposeTarget:
    """A compose project. Its files and journal are on this machine; its containers only run commands."""

    notes: tuple[str, ...] = ()

    def __init__(self, ref: TargetRef, found: list[Inspected]) -> None:
        self.ref = ref
        self._opened: list[Inspected] | None = found
        self._nodes = name_nodes(found)
        self._writers: dict[str, ContainerWriter] = {}

    def askers(self) -> tuple[Asker, ...]:
        """Return one node per container, stopped ones too, and `engine`."""
        found, self._opened = self._opened or engine_answers.project_containers(self.ref.address), None
        self._nodes = name_nodes(found)
        nodes = [ContainerAsker(name, item) for name, item in sorted(self._nodes.items())]
        return (*nodes, engine_node.EngineAsker({Command("docker-project", (self.ref.address,)): found}))

    def called(self, query: Command) -> tuple[Asker, ...]:
        """Return containers of other projects that nginx asks for."""
        names = {docker_cli.name_of(item) for item in self._nodes.values()}
        return named_container_askers(query, names | set(self._nodes))

    def writer(self, node: str) -> Writer:
        """Return the writer: `engine` is this machine; a container runs commands, and its files are not changed."""
        if node == "engine":
            return LocalWriter("engine")
        if node not in self._nodes:
            raise NeedsPerson(f"{node} is not a container of {self.ref}")
        item = self._nodes[node]
        return self._writers.setdefault(str(item.get("Id")), ContainerWriter(node, item))

    def journal_location(self) -> tuple[Writer, str]:
        """Return this machine and the target's folder."""
        return LocalWriter("engine"), state_root.target_folder(state_root.private_root(), self.ref)

    def close(self) -> None:
        """End the shells that run commands."""
        for writer in self._writers.values():
            writer.close()
