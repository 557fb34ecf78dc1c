"""`docker://CONTAINER`: one container, its peers unless it is a machine, and the engine."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.errors import NeedsPerson
from fixer.hosts.docker_engine import docker_cli, engine_answers
from fixer.hosts.docker_engine.docker_cli import Inspected, Networks
from fixer.hosts.docker_engine.engine_program import engine_program
from fixer.hosts.machine import state_root
from fixer.hosts.machine.look_budget import seconds_within
from fixer.hosts.machine.prefetch import Prefetched
from fixer.hosts.nodes import engine_node
from fixer.hosts.nodes.container_node import ContainerAsker, ContainerWriter
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.hosts.nodes.nearby_containers import named_container_askers
from fixer.model.host import Asker, Writer
from fixer.model.query import Command
from fixer.model.target import TargetRef

_NETWORK_SECONDS = 15.0     # as long as any question to the engine


def open_docker(ref: TargetRef) -> DockerTarget:
    """Open the target; raise NoSuchTarget with similar names, or Unreachable if Docker does not answer."""
    return DockerTarget(ref, docker_cli.inspect_one(ref.address))


def open_docker_early(ref: TargetRef) -> DockerTarget:
    """Open the target, and ask meanwhile for the networks of all containers: its peers are the next question."""
    program, networks = engine_program(), Prefetched(docker_cli.list_networks)
    target = open_docker(ref)
    if engine_program() == program:     # else another engine knows the container
        target.networks = networks
    return target


class DockerTarget:
    """A container. A machine is changed inside, with its journal; others only through the Docker host."""

    notes: tuple[str, ...] = ()

    def __init__(self, ref: TargetRef, item: Inspected) -> None:
        self.ref = ref
        self._name = docker_cli.name_of(item)
        self._machine = docker_cli.is_machine(item)
        self._project = docker_cli.labels_of(item).get(docker_cli.PROJECT_LABEL, "")
        self._opened: Inspected | None = item
        self.networks: Prefetched[Networks] | None = None     # asked for already
        self._known: set[str] = set()
        self._writers: dict[str, ContainerWriter] = {}

    def askers(self) -> tuple[Asker, ...]:
        """Return the container, its running and stopped peers (read only), and `engine`."""
        item, self._opened = self._opened or docker_cli.inspect_one(self._name), None
        asked, self.networks = self.networks, None
        rows = asked.result(seconds_within(_NETWORK_SECONDS)) if asked is not None and not self._machine else None
        found = [item] if self._machine else engine_answers.with_peers(item, rows=rows)
        names = [(docker_cli.name_of(one), one) for one in found]
        self._known = {name for name, _ in names}
        nodes = [ContainerAsker(name, one, meant=name == self._name and not self._machine) for name, one in names]
        return (*nodes, engine_node.EngineAsker(known_inspections(self.ref.address, self._name, found)))

    def called(self, query: Command) -> tuple[Asker, ...]:
        """Return containers that nginx asks for and that share no network with this one, or are candidates."""
        return named_container_askers(query, self._known, self._project)

    def writer(self, node: str) -> Writer:
        """Return the writer: `engine` is this machine, or the container itself. Raise NeedsPerson for a peer."""
        if node == "engine":
            return LocalWriter("engine")
        if node != self._name:
            raise NeedsPerson(f"{node} is not {self.ref}", f"repair docker://{node} or its compose project")
        return self._container_writer()

    def _container_writer(self) -> ContainerWriter:
        if self._name not in self._writers:
            self._writers[self._name] = ContainerWriter(self._name, docker_cli.inspect_one(self._name))
        return self._writers[self._name]

    def journal_location(self) -> tuple[Writer, str]:
        """Return the journal's place: inside a machine as its `local`, so that fixer run there finds it, else here.
        Here it is shared with the compose project, since a repair may start its other containers too."""
        if self._machine:
            return self._container_writer(), state_root.target_folder(state_root.ROOT_STATE, TargetRef("local", ""))
        owner = TargetRef("compose", self._project) if self._project else TargetRef("docker", self._name)
        return LocalWriter("engine"), state_root.target_folder(state_root.private_root(), owner)

    def close(self) -> None:
        """End the shells that change files and run commands."""
        for writer in self._writers.values():
            writer.close()


def known_inspections(word: str, name: str, found: Sequence[Inspected]) -> dict[Command, Sequence[Inspected]]:
    """Return what need not be inspected again, by the name on the command line and by the container's name."""
    return {Command("docker-container", (word,)): found, Command("docker-container", (name,)): found}
