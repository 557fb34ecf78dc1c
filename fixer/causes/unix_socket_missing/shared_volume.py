"""Unix sockets of applications in other containers: nginx's path to them in a shared folder."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import (
    bindings_of,
    config_evidence,
    container_of,
    endpoint_text,
    listener_evidence,
    listeners_on,
    no_listener_evidence,
)
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.service_state import state_evidence
from fixer.formats.docker_conventions import path_in_container, path_on_engine
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Binding, Container, Listener, Service
from fixer.repairs.upstream_address import UPSTREAM_KEY, point_at_address_repair


@dataclass(frozen=True, slots=True)
class _ContainerSocket:
    """A configured socket on which another container's application listens: its path there, on the Docker host (None:
    in the container's layer), and in nginx's container (None: not visible)."""

    service: Service
    container: Container
    binding: Binding
    listener: Listener
    host_path: str | None
    nginx_path: str | None


def other_container_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding if another container's socket is at another path, or not visible to nginx."""
    web = container_of(case.snapshot, trouble.nginx.node)
    if trouble.endpoint.unix is None or (web is not None and web.is_machine):
        return None
    found = [x for s in case.snapshot.services if s.id not in case.services_in_use
             for x in _container_sockets(case, trouble, s, web)]
    named = {e.unix for e in case.snapshot.endpoints if e.node == trouble.nginx.node}
    shared = [x for x in found if x.nginx_path is not None and x.nginx_path not in named]
    if shared:
        return _moved_finding(case, trouble, shared)
    apart = [x for x in found if x.nginx_path is None and web is not None]
    alike = [x for x in apart if x.binding.unix == trouble.endpoint.unix] or apart
    return _unshared_finding(case, trouble, alike[0], web) if len(alike) == 1 and web is not None else None


def _container_sockets(case: Case, trouble: FailingAddress, service: Service,
                       web: Container | None) -> list[_ContainerSocket]:
    box = service.container
    if box is None or box.is_machine or service.node == trouble.nginx.node or not service.running:
        return []
    held = {x.address: x for x in listeners_on(case.snapshot, service.node) if x.family == "unix"}
    found: dict[str, _ContainerSocket] = {}
    for told in bindings_of(service):
        if told.unix is not None and told.unix in held and told.unix not in found:
            place = path_on_engine(box, told.unix)
            seen = place if web is None or place is None else path_in_container(web, place)
            found[told.unix] = _ContainerSocket(service, box, told, held[told.unix], place, seen)
    return list(found.values())


def _moved_finding(case: Case, trouble: FailingAddress, shared: list[_ContainerSocket]) -> Finding:
    first, text = shared[0], endpoint_text(trouble.endpoint)
    choices = tuple(dict.fromkeys(x.nginx_path for x in shared if x.nginx_path is not None))
    need, aim = None, first.nginx_path if len(choices) == 1 else None
    if aim is None:
        names = ", ".join(f"{x.service.name} ({x.nginx_path})" for x in shared)
        need = Need(UPSTREAM_KEY, "choice", f"nothing listens at {text}; candidates: {names}", choices)
        aim = case.inputs.get(UPSTREAM_KEY) if case.inputs.get(UPSTREAM_KEY) in choices else None
    said = " or ".join(f"{x.service.name} listens on unix:{x.binding.unix}, which nginx sees as {x.nginx_path}"
                       for x in shared[:4])
    return _finding(case, trouble, shared, f"where nothing listens; {said}",
                    point_at_address_repair(case, trouble, "point-route-at-socket", aim, need), sure=len(choices) == 1)


def _unshared_finding(case: Case, trouble: FailingAddress, only: _ContainerSocket, web: Container) -> Finding:
    """Return the finding if nginx's container does not share the socket's folder: the operator chooses the mount."""
    folder = (trouble.endpoint.unix or "").rpartition("/")[0]
    files = web.label("com.docker.compose.project.config_files") or ""
    where = f"service {web.service} in {files}" if files else f"container {web.name}"
    theirs = (only.binding.unix or "").rpartition("/")[0]
    if only.host_path is None:
        volume = next((f"the volume that {web.name} has at {d}" for _, d in web.shares if d.rstrip("/") == folder), "")
        manual = (f"mount {volume or 'one volume'} at {theirs} of {only.service.name}"
                  f"{'' if volume else f' and at {folder} of {where}'}, then recreate the containers. "
                  f"The socket is now in the writable layer of {only.container.name}, which no other container sees")
        said = f"{only.service.name} listens on unix:{only.binding.unix}, in the writable layer of its own container"
    else:
        manual = (f"mount the folder {theirs} of {only.service.name} at {folder} of {where} too, then recreate it "
                  "(docker compose up -d)")
        said = f"{only.service.name} listens on unix:{only.binding.unix}, in a folder that {web.name} does not share"
    repair = Repair("share-socket", "manual", "share the folder of the socket with both containers", (), manual=manual)
    return _finding(case, trouble, [only], f"where nothing listens; {said}", repair,
                    sure=only.binding.unix == trouble.endpoint.unix)


def _finding(case: Case, trouble: FailingAddress, sockets: list[_ContainerSocket], said: str, repair: Repair, *,
             sure: bool) -> Finding:
    endpoint = trouble.endpoint
    one = sockets[0] if len({x.service.id for x in sockets}) == 1 else None
    shown = [e for x in sockets[:3] for e in (
        listener_evidence(case.snapshot, x.listener, x.service), x.binding.source, state_evidence(x.service),
        *((Evidence("container", x.container.name, f"{x.binding.unix} is {x.host_path} on the Docker host"),)
          if x.host_path is not None else ()))]
    return Finding(
        cause="unix-socket-missing", variant="unix-socket-missing", role="root",
        confidence="certain" if sure else "possible",
        summary=f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)}, {said}", detail=(),
        routes=trouble.route_ids, service=None if one is None else one.service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            *(config_evidence(case.snapshot, trouble.nginx, e) for e in trouble.endpoints[:8]), *shown,
            *no_listener_evidence(endpoint), *connect_symptoms(case, trouble),
        ))),
        repairs=(repair,),
    )
