"""Containers that run nothing but `sleep` or the like: somebody looked into them, or they only lend their network."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import bindings_of, find_node
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.snapshot import Service

_IDLE = frozenset({"sleep", "tail", "pause"})
_INITS = frozenset({"docker-init", "tini", "dumb-init", "catatonit"})


def only_waits(service: Service) -> bool:
    """Its command is no more than that, and nothing tells it to listen."""
    return service.container is not None and bool(service.argv) and not bindings_of(service) and (
        _name(service.argv) in _IDLE)


def runs_no_server(case: Case, trouble: Trouble, service: Service) -> bool:
    """The same, nginx asks for it by its own name, and nobody started anything in it besides. What lends its network
    is not meant itself, nor what has only got an old address of another."""
    node, box = find_node(case.snapshot, service.node), service.container
    if box is None or not only_waits(service) or node is None or not isinstance(node.processes, Known):
        return False
    if trouble.endpoint.host not in {box.name, box.service, *(name for _, _, names in box.networks for name in names)}:
        return False
    lends = any(s.container is not None and s.container.lender == box.id
                for s in case.snapshot.services)
    return not lends and all(_name(p.argv) in _IDLE | _INITS for p in node.processes.value)


def give_a_server(trouble: Trouble, service: Service) -> Repair:
    """What it is to run instead stands nowhere."""
    box = service.container
    files = "" if box is None else box.label("com.docker.compose.project.config_files") or ""
    word = next((f"{w.file}:{w.line}" for w in service.command if w.file), "")
    where = word or f"the command of {service.name}{f' in {files}' if files else ''}"
    manual = (f"{where} says `{' '.join(service.argv)[:80]}`: give it the command of the application, or take that "
              "line out so that the image's own runs, then create it anew; or nginx is to ask another than it for "
              f"{trouble.routes[0].route.location}")
    return Repair("give-command", "manual", "let the container run its application", (), manual=manual)


def _name(argv: tuple[str, ...]) -> str:
    return argv[0].rpartition("/")[2] if argv else ""
