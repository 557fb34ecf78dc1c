"""The variable of a container from which a program that follows Docker's events takes nginx's port.

Such a program (docker-gen, nginx-proxy) writes nginx's file again whenever a container starts: the change belongs to
the variable. Where the container has none, the program guesses: a default, one of several exposed ports, or `down`.
"""

from __future__ import annotations

from collections.abc import Iterable

from fixer.analysis.evidence import container_of, listeners_on, pids_of
from fixer.formats.addresses import is_loopback
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Repair
from fixer.model.nginx_config import Route
from fixer.model.snapshot import Container, Endpoint, Nginx, Service, Snapshot
from fixer.repairs.file_edits import NotEditable, docker_follower

with lazy_imports():  # not needed in most looks
    from fixer.repairs.start_service import compose_up_step, wait_for_listener_step
    from fixer.repairs.write_variables import write_variables

_COMMON_PREFIX = "VIRTUAL_"     # of docker-gen's and nginx-proxy's own variables; others may hold the same name


def port_variable_repair(snapshot: Snapshot, nginx: Nginx, endpoint: Endpoint, routes: Iterable[Route],
                         told: tuple[Service, int]) -> Repair | None:
    """Return the change of the variable, or a new one; None if no such program writes the file, or the container does
    not show which variable it is. `told` is the application and the port where it listens."""
    service, port = told
    box = service.container
    own, file = container_of(snapshot, nginx.node), snapshot.file(nginx.node, endpoint.file)
    writer = docker_follower(snapshot, own, file) if own is not None and file is not None else None
    if writer is None or box is None:
        return None
    name = _variable_of(box, endpoint, routes)
    up = compose_up_step(snapshot, box) if name else None
    if not name or up is None or isinstance(up, NotEditable):
        return None
    is_new = name not in [known for known, _ in box.port_variables]
    written = write_variables(snapshot, service, {name: str(port)}, replace=not is_new)
    if isinstance(written, NotEditable):
        return None
    how = f"which has no {name} yet" if is_new else f"container {writer.name} writes {endpoint.file} from it"
    summary = f"set {name} of {service.name} to {port} in {written.where} and recreate its container: {how}"
    if is_new:
        summary += f", so container {writer.name} guessed a port for {endpoint.file}"
    wait = wait_for_listener_step(snapshot, service, endpoint)
    return Repair("set-port-variable", "disruptive", summary, (*written.steps, up, *wait))


def _variable_of(box: Container, endpoint: Endpoint, routes: Iterable[Route]) -> str:
    """Return the variable with nginx's port; of several, or of none, the one that goes with the variable that holds the
    site's name (`VIRTUAL_HOST`, `VIRTUAL_PORT`). Empty if nothing tells."""
    names = [name for name, port in box.port_variables if port == endpoint.port]
    if len(names) == 1:
        return names[0]
    sites = {name.lower() for route in routes for name in route.server_names}
    heads = [name[:-len("HOST")] for name, hosts in box.host_variables if sites.intersection(hosts)]
    heads = [head for head in heads if head.upper() == _COMMON_PREFIX] or heads
    if len(heads) != 1:
        return ""
    wanted = f"{heads[0]}PORT"
    return wanted if wanted in names or (not names and wanted not in box.env_names) else ""


def only_port_of(snapshot: Snapshot, service: Service) -> int:
    """Return the one port that an application opens to other containers; 0 if it opens none, or several."""
    ports = {line.port for line in listeners_on(snapshot, service.node) if line.family != "unix"
             and set(pids_of(line)) & set(service.pids) and not is_loopback(line.address)}
    return ports.pop() if len(ports) == 1 else 0
