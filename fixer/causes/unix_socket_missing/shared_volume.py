"""Unix sockets of applications in other containers: the path by which nginx sees them in a folder that both have."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import (
    absent_evidence,
    bindings_of,
    config_evidence,
    container_of,
    endpoint_text,
    listener_evidence,
    listeners_on,
)
from fixer.analysis.nginx_errors import is_refused, say_routes, symptom_evidence
from fixer.analysis.service_state import state_evidence
from fixer.formats.docker_conventions import place_of, seen_as
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Binding, Container, Listener, Service
from fixer.repairs.upstream_address import UPSTREAM_KEY, point_at

_EXPLAINS = ("wrong-port", "backend-down", "slow-start")


@dataclass(frozen=True, slots=True)
class _Socket:
    """A socket on which the application of another container listens, as it is told to: its path there, on the
    engine's machine (None: in the container's own layer), and as nginx sees it (None: it does not)."""

    service: Service
    box: Container
    told: Binding
    held: Listener
    place: str | None
    seen: str | None


def across(case: Case, trouble: Trouble) -> Finding | None:
    """What nobody listens at, where the application's socket is to be found under another path, or not at all."""
    web = container_of(case.snapshot, trouble.nginx.node)
    if trouble.endpoint.unix is None or (web is not None and web.is_machine):
        return None
    found = [x for s in case.snapshot.services if s.id not in case.taken for x in _sockets(case, trouble, s, web)]
    named = {e.unix for e in case.snapshot.endpoints if e.node == trouble.nginx.node}
    shared = [x for x in found if x.seen is not None and x.seen not in named]
    if shared:
        return _moved(case, trouble, shared)
    apart = [x for x in found if x.seen is None and web is not None]
    alike = [x for x in apart if x.told.unix == trouble.endpoint.unix] or apart
    return _unshared(case, trouble, alike[0], web) if len(alike) == 1 and web is not None else None


def _sockets(case: Case, trouble: Trouble, service: Service, web: Container | None) -> list[_Socket]:
    box = service.container
    if box is None or box.is_machine or service.node == trouble.nginx.node or not service.running:
        return []
    held = {x.address: x for x in listeners_on(case.snapshot, service.node) if x.family == "unix"}
    found: dict[str, _Socket] = {}
    for told in bindings_of(service):
        if told.unix is not None and told.unix in held and told.unix not in found:
            place = place_of(box, told.unix)
            seen = place if web is None or place is None else seen_as(web, place)
            found[told.unix] = _Socket(service, box, told, held[told.unix], place, seen)
    return list(found.values())


def _moved(case: Case, trouble: Trouble, shared: list[_Socket]) -> Finding:
    first, text = shared[0], endpoint_text(trouble.endpoint)
    choices = tuple(dict.fromkeys(x.seen for x in shared if x.seen is not None))
    need, aim = None, first.seen if len(choices) == 1 else None
    if aim is None:
        names = ", ".join(f"{x.service.name} ({x.seen})" for x in shared)
        need = Need(UPSTREAM_KEY, "choice", f"nobody listens at {text}; which is meant: {names}?", choices)
        aim = case.inputs.get(UPSTREAM_KEY) if case.inputs.get(UPSTREAM_KEY) in choices else None
    said = " or ".join(f"{x.service.name} listens on unix:{x.told.unix}, which is {x.seen} here" for x in shared[:4])
    return _finding(case, trouble, shared, f"where nobody listens; {said}",
                    point_at(case, trouble, "point-route-at-socket", aim, need), sure=len(choices) == 1)


def _unshared(case: Case, trouble: Trouble, only: _Socket, web: Container) -> Finding:
    """nginx's container has no part in the folder of the socket: what to mount where, a person decides."""
    folder = (trouble.endpoint.unix or "").rpartition("/")[0]
    files = web.label("com.docker.compose.project.config_files") or ""
    where = f"service {web.service} in {files}" if files else f"container {web.name}"
    theirs = (only.told.unix or "").rpartition("/")[0]
    if only.place is None:
        volume = next((f"the volume that {web.name} has at {d}" for _, d in web.shares if d.rstrip("/") == folder), "")
        manual = (f"mount {volume or 'one volume'} at {theirs} of {only.service.name}"
                  f"{'' if volume else f' and at {folder} of {where}'}: the socket lies in the layer of "
                  f"{only.box.name} now, which nobody else sees; then create them anew")
        said = f"{only.service.name} listens on unix:{only.told.unix}, in the layer of its own container"
    else:
        manual = (f"mount what {only.service.name} has at {theirs} at {folder} of {where} as well, then create it anew "
                  "(docker compose up -d)")
        said = f"{only.service.name} listens on unix:{only.told.unix}, in a folder that {web.name} does not have"
    repair = Repair("share-socket", "manual", "let both containers have the folder of the socket", (), manual=manual)
    return _finding(case, trouble, [only], f"where nobody listens; {said}", repair,
                    sure=only.told.unix == trouble.endpoint.unix)


def _finding(case: Case, trouble: Trouble, sockets: list[_Socket], said: str, repair: Repair, *, sure: bool) -> Finding:
    endpoint = trouble.endpoint
    one = sockets[0] if len({x.service.id for x in sockets}) == 1 else None
    shown = [e for x in sockets[:3] for e in (
        listener_evidence(case.snapshot, x.held, x.service), x.told.source, state_evidence(x.service),
        *((Evidence("container", x.box.name, f"{x.told.unix} lies in {x.place} of the Docker host"),)
          if x.place is not None else ()))]
    return Finding(
        cause="unix-socket-missing", variant="unix-socket-missing", role="root",
        confidence="certain" if sure else "possible",
        summary=f"nginx hands {say_routes(trouble)} to {endpoint_text(endpoint)}, {said}", detail=(),
        routes=trouble.route_ids, service=None if one is None else one.service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            *(config_evidence(case.snapshot, trouble.nginx, e) for e in trouble.endpoints[:8]), *shown,
            *absent_evidence(endpoint), *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(repair,), explains=_EXPLAINS,
    )
