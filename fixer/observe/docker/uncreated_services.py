"""Services that a project's compose files define and that have no container: their names, and their unix sockets."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.formats.docker_conventions import NAMED_VOLUMES
from fixer.formats.folders import is_within
from fixer.formats.server_bindings import bindings_of
from fixer.formats.yaml_spans import Map, Scalar, Seq
from fixer.lazy.dataclass import replace
from fixer.model.deployment import UncreatedService
from fixer.model.facts import Evidence
from fixer.model.query import Command
from fixer.model.snapshot import Binding, Container
from fixer.observe.commands.written_values import quoted_evidence
from fixer.observe.docker.compose_files import (
    ComposeFile,
    compose_files_of,
    compose_roots_of,
    defined_services,
    inactive_profiles,
    interpolation_env,
)
from fixer.observe.docker.compose_service import compose_service
from fixer.observe.docker.compose_settings import compose_networks
from fixer.observe.view.node_view import View


def uncreated_services(project: str, first: Container, members: list[Container],
                       engine: View | None) -> Iterator[UncreatedService]:
    """Yield services in the files without a container, if all of the project's containers are known."""
    if engine is None or Command("docker-project", (project,)) not in engine.node.answers:
        return
    outer = interpolation_env(first, engine)
    roots = compose_roots_of(first, engine, outer)
    made = {member.service for member in members}
    for name in defined_services(first, engine, outer):
        files = compose_files_of(first, engine, outer, name) if name not in made else []
        if files:
            last = files[-1]
            called = [v.text for f in files if isinstance(v := f.service.get("container_name"), Scalar)]
            aliases = [alias for network in compose_networks(files, roots, project, outer) for alias in network.aliases]
            said = quoted_evidence(Evidence("file", f"{last.path}:{last.line(last.key_start)}", name), engine)
            bindings = _bindings(replace(first, service=name), engine)
            mounts = [mount for file in files for mount in _mounts(file, project)]
            yield UncreatedService(
                name, tuple(dict.fromkeys((name, *called, *aliases))), said, inactive_profiles(files, outer),
                tuple(_sockets_on_engine(bindings, mounts)), _host_of_network(files),
                tuple(binding.port for binding in bindings if binding.unix is None),
                tuple(source for source, _ in mounts))


def _bindings(service: Container, engine: View) -> tuple[Binding, ...]:
    told = compose_service(service, engine)
    return () if told is None else bindings_of(told.command, told.env, told.evidence)


def _host_of_network(files: Sequence[ComposeFile]) -> str:
    """Return the service whose network the service uses (`network_mode: service:NAME`); empty for its own."""
    modes = [node.text for file in files if isinstance(node := file.service.get("network_mode"), Scalar)]
    return modes[-1].removeprefix("service:") if modes and modes[-1].startswith("service:") else ""


def _sockets_on_engine(bindings: Sequence[Binding], mounts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield where the engine's machine would have the unix sockets."""
    for binding in bindings:
        found = [(source, target) for source, target in mounts
                 if binding.unix is not None and is_within(binding.unix, target)]
        if found and binding.unix is not None:
            source, target = max(found, key=lambda mount: len(mount[1]))
            yield source + binding.unix[len(target.rstrip("/")):]


def _mounts(file: ComposeFile, project: str) -> Iterator[tuple[str, str]]:
    """Yield (source on the engine's machine, target) of the volumes in one file. The folder of a named volume is known
    only by its end."""
    listed = file.service.get("volumes")
    for item in listed.items if isinstance(listed, Seq) else ():
        source, target = "", ""
        if isinstance(item, Scalar):
            source, _, rest = item.text.partition(":")
            target = rest.partition(":")[0]
        elif isinstance(item, Map):
            words = [value.text if isinstance(value := item.get(key), Scalar) else "" for key in ("source", "target")]
            source, target = words
        if source.startswith((".", "/")) and target.startswith("/"):
            yield posixpath.normpath(posixpath.join(file.folder, source)), target
        elif source and target.startswith("/"):
            yield f"{NAMED_VOLUMES}{project}_{source}/_data", target
