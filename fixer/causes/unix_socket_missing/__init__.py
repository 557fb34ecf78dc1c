"""nginx asks for a unix socket at a path where there is none; the backend runs and has its socket at another path.
nginx logs `connect() to unix:… failed (2: No such file or directory)` (502). Correct the path, then reload nginx.

By hand
  ss -lxp                                    # which sockets does the backend really hold?
  grep -Rn unix: /etc/nginx/                 # what does nginx ask for?
  systemctl show -p PrivateTmp UNIT nginx    # yes, and the path lies in /tmp: each has a /tmp of its own
  systemctl restart UNIT                     # both name the same path, and the file is gone
  edit the path, then: nginx -t && nginx -s reload

What it is
  A unix socket is a name in a folder, and nginx and the backend must name the same one. A release renames it, a unit
  gets another RuntimeDirectory=, a site is copied from an older host; or both name /tmp and the unit has
  PrivateTmp=yes, so that the backend's /tmp is another folder than the one nginx sees. Or a plain file has that name,
  so that no server can make its socket there. Between containers the folder is a volume or a bind mount that both must
  have, each under a path of its own.

Why nginx says 502
  The name leads nowhere: `connect() to unix:/run/app/app.sock failed (2: No such file or directory)`; a file that an
  ended program left behind says `(111: Connection refused)`.

How it is told apart
  backend-down looks the same from outside, but there the service does not run. Here it runs, and the kernel's table
  shows its own socket at another path that no other site names. A socket that belongs to anybody else is no candidate.
  A service that was moved from a port to a socket holds no port at all any more: then the address of the port is what
  changes; and the other way about, to the one port that it is told to open. Of an application in another container the
  path is the one by which nginx's container sees the same file; where it has no part in that folder, it is said. Of a
  service whose container does not exist the project's files name the socket: backend-down is named besides. With
  PrivateTmp the table shows the very path that nginx asks for, and still nobody can reach it there.

The repair and its safety
  point-route-at-socket (safe): exactly the path changes in every place of nginx's configuration that names it, then
  `nginx -t`, then a reload. Nothing that runs is stopped.
  share-socket (manual): the two containers have no folder in common there: what to mount where is told.
  restart-service (disruptive): the backend listens on a socket that it made at the very path, and whose name is gone
  since (it was removed, or a link on the way leads to another release now). A start recreates it.
  restart-socket (disruptive): the same where systemd holds the socket (socket activation): a restart of the service
  gets the old one again. If the service's own RuntimeDirectory= takes the path away at each stop, a drop-in keeps it.
  loosen-sandbox (disruptive): it is nginx's own unit that hides the folder (some distributions ship nginx with
  PrivateTmp=yes): a drop-in lets it see that, and nginx is restarted.
  move-socket (manual): out of a private /tmp, into a folder that both see (RuntimeDirectory=): the unit and the site
  change together, so a person does it; the message names the lines.
  clear-path (manual): a file that is no socket may be somebody's data, so a person moves it away.

Variants
  unix-socket-missing       the backend has its socket at another path
  unix-socket-private-tmp   the socket is in a /tmp that only one unit sees (PrivateTmp=yes)
  moved-to-a-socket         the backend listens on a socket now, and nginx asks its old port
  moved-to-a-port           the backend listens on a port now, and nginx asks its old socket
  unix-socket-not-a-socket  a file or a folder is at the path of the socket
"""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    config_evidence,
    endpoint_text,
    listener_at,
    listener_evidence,
    listeners_on,
    no_listener_evidence,
    pids_of,
)
from fixer.analysis.load.server_protocol import has_matching_protocol
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import holds_socket, is_held_by_systemd, state_evidence
from fixer.causes.unix_socket_missing.lost_socket import (
    FALSE_VALUES,
    judge_lost_socket,
    lost_text,
    runtime_folder_text,
)
from fixer.causes.unix_socket_missing.occupied_path import path_finding
from fixer.findings.configured_address import (
    configured_elsewhere,
    configured_elsewhere_finding,
    is_address_met_first,
    is_unconnectable,
    uncreated_elsewhere_findings,
)
from fixer.formats.addresses import is_loopback, is_wildcard, reached_at
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Binding, Endpoint, Listener, Service, UnitSetting
from fixer.repairs.upstream_address import UPSTREAM_KEY, point_at_address_repair

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import is_started_at_boot, only_owner
    from fixer.analysis.service_names import has_unrelated_name
    from fixer.causes.unix_socket_missing.shared_volume import other_container_finding

_PRIVATE_FOLDERS = ("/tmp/", "/var/tmp/")  # noqa: S108  the folders that PrivateTmp= replaces


def judge(case: Case) -> Verdict:
    """Judge each socket path without a listener: does its service run, with a socket at another path?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    gone = uncreated_elsewhere_findings(case, "path", (CAUSE.id, "unix-socket-missing"))
    return conclude([*findings, *gone], missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    return path_finding(case, trouble) or _judge_socket_path(case, trouble)


def _judge_socket_path(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint = trouble.endpoint
    elsewhere = endpoint.node != trouble.nginx.node
    if endpoint.container_port or not has_matching_protocol(case, trouble) or (elsewhere and endpoint.unix is None):
        return config_evidence(case.snapshot, trouble.nginx, endpoint)
    closed = is_closed(endpoint)
    if closed is None:
        return f"whether anything listens at {endpoint_text(endpoint)}"
    owner = only_owner(case, trouble)
    apart = endpoint.unix is not None and (owner is None or owner.rule == "elsewhere")
    if closed and apart and (found := other_container_finding(
        case, trouble)) is not None:
        return found
    if not closed or owner is None:
        return config_evidence(case.snapshot, trouble.nginx, endpoint)
    if apart or is_unconnectable(case, trouble, owner.service):
        return _configured_elsewhere(case, trouble, owner) or config_evidence(case.snapshot, trouble.nginx, endpoint)
    if endpoint.unix is None and _has_port(case, owner.service):
        return state_evidence(owner.service)
    private = _private_tmp_setting(trouble, owner.service) if endpoint.unix is not None and not elsewhere else None
    if private is not None:
        return _private_tmp_finding(case, trouble, owner, private)
    own = listener_at(endpoint)
    if endpoint.unix is not None and own is not None and _is_socket_missing(endpoint) and (
            _is_held_by(owner.service, own) or is_held_by_systemd(owner.service, own)):
        lost = judge_lost_socket(case, trouble, owner.service)
        if isinstance(lost, str):
            return lost
        told = ("unix-socket-missing", lost_text(owner.service), lost, False)
        return replace(_finding(case, trouble, owner, own, told),
                       detail=runtime_folder_text(case, trouble, owner.service))
    return config_evidence(case.snapshot, trouble.nginx, endpoint) if elsewhere else _judge_other_socket(
        case, trouble, owner)


def _judge_other_socket(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | str | Evidence:
    """Judge a service of nginx's machine that listens, though not at the address that nginx asks for."""
    endpoint = trouble.endpoint
    if is_started_at_boot(case, trouble):
        return state_evidence(owner.service)       # its start still names this address: it has not moved
    # a socket of that very path is no other one: it came a moment after the connect, or went a moment before
    held = [line for line in _sockets_of(case, owner.service) if line.address != endpoint.unix
            and not _is_of_another_program(owner.service, endpoint.unix, line.address)]
    if not held and endpoint.unix is not None:
        return _moved_to_port_finding(case, trouble, owner) or state_evidence(owner.service)
    told = {b.unix for b in bindings_of(owner.service)}
    meant = [line for line in held if line.address in told] or held
    if not meant:
        return state_evidence(owner.service)
    if endpoint.unix is None and meant[0].address not in told:
        return state_evidence(owner.service)       # a program with a port may have other sockets, too
    if len(meant) > 1:
        return f"which socket of {owner.service.name} is intended: {', '.join(line.address for line in meant[:5])}"
    return _moved_socket_finding(case, trouble, owner, meant[0])


def _is_of_another_program(service: Service, asked: str | None, held: str) -> bool:
    """Return whether files side by side, one for each program of a parent, name the two paths."""
    said = {path: {b.source.where.rpartition(":")[0] for b in bindings_of(service) if path and b.unix == path}
            for path in (asked or "", held)}
    return any(one != other and posixpath.dirname(one) == posixpath.dirname(other)
               for one in said[asked or ""] for other in said[held]) and said[asked or ""].isdisjoint(said[held])


def _configured_elsewhere(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | None:
    """Return the finding on a stopped service of nginx's machine that is configured for another path."""
    here = trouble.endpoint.node == trouble.nginx.node
    binding = configured_elsewhere(case, trouble, owner, "path") if here else None
    return None if binding is None else configured_elsewhere_finding(
        case, trouble, owner, binding, (CAUSE.id, _moved_variant(trouble, binding)))


def _sockets_of(case: Case, service: Service) -> list[Listener]:
    """Return the paths where the service's processes listen, without those that a route names already."""
    named = {endpoint.unix for endpoint in case.snapshot.endpoints if endpoint.node == service.node}
    return [line for line in listeners_on(case.snapshot, service.node)
            if line.family == "unix" and line.address.startswith("/") and line.address not in named
            and holds_socket(service, line)]


def _has_port(case: Case, service: Service) -> bool:
    ours = set(service.pids)
    return any(line.port and ours.intersection(pids_of(line)) for line in listeners_on(case.snapshot, service.node))


def _moved_to_port_finding(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | None:
    """Return the finding on a service moved from a socket to its configured port that no route names."""
    told = {b.port for b in bindings_of(owner.service) if b.unix is None and b.port}
    named = {endpoint.port for endpoint in case.snapshot.endpoints if endpoint.node == owner.service.node}
    held = [x for x in listeners_on(case.snapshot, owner.service.node)
            if x.port in told - named and holds_socket(owner.service, x)
            and (is_wildcard(x.address) or is_loopback(x.address))]
    return _moved_socket_finding(case, trouble, owner, held[0]) if len({x.port for x in held}) == 1 else None


def _private_tmp_setting(trouble: FailingAddress, service: Service) -> UnitSetting | None:
    """Return the PrivateTmp= of the service if its socket is at this path of its own /tmp."""
    held, path = listener_at(trouble.endpoint), trouble.endpoint.unix or ""
    if held is None or not _is_socket_missing(trouble.endpoint) or not path.startswith(_PRIVATE_FOLDERS) or \
            not set(service.pids) & set(pids_of(held)):
        return None
    return next((s for s in service.settings if s.key == "PrivateTmp" and s.value.lower() not in FALSE_VALUES), None)


def _is_held_by(service: Service, line: Listener) -> bool:
    """Return whether the service's processes hold it; if they are unknown in a container, by its configured path."""
    if isinstance(line.pids, Unknown) or not line.pids.value:
        told = {b.unix for b in bindings_of(service)}
        return service.container is not None and service.node == line.node and line.address in told
    return bool(set(service.pids) & set(line.pids.value))


def _is_socket_missing(endpoint: Endpoint) -> bool:
    return isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error == "no-socket"


def _moved_variant(trouble: FailingAddress, now: Listener | Binding) -> str:
    """Return the variant of an address that leads nowhere, by where the service listens now."""
    if trouble.endpoint.unix is None:
        return "moved-to-a-socket"
    return "moved-to-a-port" if now.port else "unix-socket-missing"


def _moved_socket_finding(case: Case, trouble: FailingAddress, owner: PortOwner, held: Listener) -> Finding:
    endpoint, service = trouble.endpoint, owner.service
    unsure = owner.rule in ("alone", "bare") and has_unrelated_name(trouble, service)
    there = (f"unix:{held.address}" if held.family == "unix"
             else address_text(reached_at(held.address), held.port))
    aim: str | None = there if endpoint.unix is None or held.port else held.address
    need = None
    if unsure:
        why = f"{service.name} is matched to {endpoint_text(endpoint)} only because it is the only one left"
        word = held.address if held.family == "unix" else there
        need = Need(UPSTREAM_KEY, "choice", why, (word,))
        aim = aim if case.inputs.get(UPSTREAM_KEY) == word else None
    return _finding(case, trouble, owner, held, (
        _moved_variant(trouble, held), f"where nothing listens; {service.name} listens on {there}",
        point_at_address_repair(case, trouble, "point-route-at-socket", aim, need), unsure,
    ))


def _private_tmp_finding(case: Case, trouble: FailingAddress, owner: PortOwner, private: UnitSetting) -> Finding:
    endpoint, service = trouble.endpoint, owner.service
    held = listener_at(endpoint)
    assert held is not None
    base = service.name.partition(".")[0]
    manual = (
        f"{private.source.where} gives {service.name} its own /tmp. Add RuntimeDirectory={base}, let it listen on "
        f"/run/{base}/{(endpoint.unix or '').rpartition('/')[2]}, and name that path at "
        f"{endpoint.file}:{endpoint.line}. Then run systemctl daemon-reload, restart {service.name}, run nginx -t and "
        "reload nginx"
    )
    repair = Repair("move-socket", "manual", "move the socket to a folder that both see", (), manual=manual)
    said = f"but PrivateTmp={private.value} of {service.name} hides its socket from nginx"
    return _finding(case, trouble, owner, held, ("unix-socket-private-tmp", said, repair, False), private.source)


def _finding(case: Case, trouble: FailingAddress, owner: PortOwner, held: Listener, told: tuple[str, str, Repair, bool],
             *more: Evidence) -> Finding:
    endpoint, (variant, said, repair, unsure) = trouble.endpoint, told
    sure = owner.certain or owner.rule == "related" or held.address in {b.unix for b in bindings_of(owner.service)}
    return Finding(
        cause=CAUSE.id, variant=variant, role="root",
        confidence="possible" if unsure else "certain" if sure else "likely",
        summary=f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)}, {said}",
        detail=(), routes=trouble.route_ids, service=owner.service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            *(config_evidence(case.snapshot, trouble.nginx, e) for e in trouble.endpoints[:8]),
            listener_evidence(case.snapshot, held, owner.service), *more, *owner.evidence[:1],
            *no_listener_evidence(endpoint), *connect_symptoms(case, trouble),
        ))),
        repairs=(repair,), is_met_first=not unsure and is_address_met_first(case, trouble, owner),
    )


CAUSE = Cause(
    id="unix-socket-missing",
    title="nginx uses a unix socket that does not exist; the backend listens elsewhere",
    family="beyond the guide",
    variants=("unix-socket-missing", "unix-socket-private-tmp", "moved-to-a-socket", "moved-to-a-port",
              "unix-socket-not-a-socket"),
    verdict=judge,
    page=__doc__,
)
