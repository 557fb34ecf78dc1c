"""A service that cannot be connected to now, and that its configuration puts at another address than nginx asks for.

These are two faults: the address is still wrong when the service is back. No socket of the service proves where it
listens, so the finding is likely at most, and its repair waits for the other one. A service of a compose project that
has no container is configured by the project's files alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    config_evidence,
    endpoint_text,
    find_node,
    line_text,
    no_listener_evidence,
)
from fixer.analysis.exits.failed_run import has_listening_socket
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.ownership.configured import unseen_socket_text
from fixer.analysis.ownership.container_network import (
    has_host_network,
    is_sole_network_candidate,
    nodes_in_same_network,
)
from fixer.analysis.ownership.uncreated_backend import UncreatedBackend, uncreated_backends
from fixer.analysis.run_log import is_looping
from fixer.analysis.service_state import is_idle_container, is_socket_activated, run_state_of, state_evidence
from fixer.formats.addresses import is_loopback
from fixer.formats.server_bindings import host_places
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known
from fixer.model.service import Binding
from fixer.model.snapshot import Endpoint, Service
from fixer.repairs.upstream_address import point_after_start_repair

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.shared_folder import socket_path_for_nginx
    from fixer.analysis.service_names import has_unrelated_name
    from fixer.repairs.listen_address import listen_after_start_repair

AddressPart: TypeAlias = Literal["", "path", "host", "port"]


def differing_part(binding: Binding, endpoint: Endpoint) -> AddressPart:
    """Return what keeps a connection to the endpoint from arriving at the binding; empty if it can arrive."""
    if binding.unix != endpoint.unix:
        return "path"
    if endpoint.unix is None and binding.port != endpoint.port:
        return "port"
    asked = endpoint.addresses.or_else(())
    apart = is_loopback(binding.host) and asked and all(map(is_loopback, asked)) and binding.host not in asked
    return "host" if apart else ""


def host_evidence(case: Case, service: Service, binding: Binding) -> Evidence | None:
    """Return the line of the argument that sets the host of a binding, None if no argument does. The source of the
    binding is the line of its port, which may be another one, or a variable's."""
    place = binding.host_place
    if place is not None and place.file and place.start is not None:
        text = line_text(case.snapshot, service.files_node or service.node, place.file, place.line)
        return Evidence("file", f"{place.file}:{place.line}", text or binding.source.text)
    for one in reversed(host_places([word.text for word in service.command], service.runtime)):
        word = service.command[one.index]
        if word.file and binding.host == word.text[one.start:one.end].strip("[]"):
            text = line_text(case.snapshot, service.files_node or service.node, word.file, word.line)
            return Evidence("file", f"{word.file}:{word.line}", text or binding.source.text)
    return None


def is_unconnectable(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether no socket of the service can show where it listens: it does not run, ends again and again, or is
    paused."""
    if run_state_of(service) == "paused" or not (service.running or is_socket_activated(service)):
        return True
    return ends_again_and_again(case, trouble, service) and not has_listening_socket(case, service)


def ends_again_and_again(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether it is between two runs, or in one that has just started and does not answer there."""
    return is_looping(case.snapshot, service, trouble.endpoint)


def has_no_socket_yet(case: Case, service: Service) -> bool:
    """Return whether it runs and is seen to listen nowhere: waiting brings no page where its files name another
    address."""
    node = find_node(case.snapshot, service.node)
    is_unused = service.running and bool(service.pids) and service.id not in case.services_in_use
    return (is_unused and not is_idle_container(service) and node is not None and isinstance(node.listeners, Known)
            and not has_listening_socket(case, service) and not unseen_socket_text(case, service))


def configured_elsewhere(case: Case, trouble: FailingAddress, owner: PortOwner, part: AddressPart) -> Binding | None:
    """Return where a service that cannot be connected to now, or has not opened its socket yet, is configured to
    listen, if that differs from the address in this part. One that a person must confirm counts if no other
    application is in that network, as it does while it listens there."""
    away = is_unconnectable(case, trouble, owner.service) or (part == "port" and has_no_socket_yet(case, owner.service))
    if not away or (owner.needs_choice and (
            case.snapshot.is_cut or not is_sole_network_candidate(case, trouble, owner.service))):
        return None
    binding = _binding_elsewhere(case, trouble, owner.service)
    return binding if binding is not None and (differing_part(binding, trouble.endpoint) or "host") == part else None


def is_address_met_first(case: Case, trouble: FailingAddress, owner: PortOwner) -> bool:
    """Return whether nginx meets its wrong address before what pauses the service, keeps it down, delays its start or
    ends it again and again: its files put it elsewhere in every run. A parent that listens there before its workers
    fail does not change that, so one moment answers like another. If no address would reach it, why it ends is what
    nginx meets."""
    if trouble.nginx.master_pid is None or owner.needs_choice:
        return False
    binding = _binding_elsewhere(case, trouble, owner.service)
    return binding is not None and differing_part(binding, trouble.endpoint) != "" and (
        is_unconnectable(case, trouble, owner.service) or ends_again_and_again(case, trouble, owner.service)
        or has_no_socket_yet(case, owner.service))


def _binding_elsewhere(case: Case, trouble: FailingAddress, service: Service) -> Binding | None:
    """Return where the service is configured to listen first, if nginx's address reaches none of its bindings."""
    told = bindings_of(service)
    reached = [binding for binding in told if not differing_part(binding, trouble.endpoint) and not (
        is_loopback(binding.host) and not _is_on_loopback_of_nginx(case, trouble, service))]
    return told[0] if told and not reached else None


def _is_on_loopback_of_nginx(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether nginx's connections can reach the loopback of the service's container, machine or node."""
    return service.node in nodes_in_same_network(case, trouble.nginx.node) or has_host_network(service)


def configured_elsewhere_finding(
    case: Case, trouble: FailingAddress, owner: PortOwner, binding: Binding, kind: tuple[str, str], *more: Evidence,
) -> Finding:
    """Return the finding. `kind` is its cause and variant; `more` shows what is at the asked address (default: that
    nothing listens there)."""
    (cause, variant), service, endpoint = kind, owner.service, trouble.endpoint
    unsure = owner.needs_choice or (owner.rule in ("alone", "bare") and has_unrelated_name(trouble, service))
    path = binding.unix and (socket_path_for_nginx(case, trouble, service, binding.unix) or binding.unix)
    where = f"unix:{path}" if path else address_text(binding.host, binding.port)
    seen = f", which nginx sees as {path}" if path != binding.unix else ""
    is_reachable = differing_part(binding, endpoint) != ""
    is_host = differing_part(binding, endpoint) in ("", "host")
    written = (host_evidence(case, service, binding) if is_host else None) or binding.source
    return Finding(
        cause=cause, variant=variant, role="root", confidence="possible" if unsure else "likely",
        summary=(f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)}, but {service.name} is configured "
                 f"to listen on {f'unix:{binding.unix}' if path else where}{seen}"),
        detail=(), routes=trouble.route_ids, service=service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint), written, state_evidence(service),
            *(more or (*no_listener_evidence(endpoint), *connect_symptoms(case, trouble)))))),
        repairs=(point_after_start_repair(trouble, service.name, where) if is_reachable
                 else listen_after_start_repair(service, binding),), effects=(),
        is_met_first=is_address_met_first(case, trouble, owner),
    )


def host_fault_evidence(case: Case, trouble: FailingAddress, owners: Sequence[PortOwner]) -> Evidence | None:
    """Return what shows that the host of the address is wrong, not its port: `wrong-host` judges that. The port is that
    of a service at another host, or of one without a container."""
    if any(owner.rule == "elsewhere" for owner in owners):
        return state_evidence(owners[0].service)
    return next((backend.service.source for backend in uncreated_backends(case)
                 if backend.host and backend.trouble.endpoint.id == trouble.endpoint.id), None)


def uncreated_elsewhere_findings(case: Case, part: AddressPart, kind: tuple[str, str]) -> list[Finding]:
    """Return one finding for each service without a container that the compose files put at another address than nginx
    asks for, if that differs in this part. `kind` is its cause and variant."""
    return [_uncreated_elsewhere_finding(case, backend, kind) for backend in uncreated_backends(case)
            if backend.is_elsewhere and part == ("path" if backend.socket else "host" if backend.host else "port")]


def _uncreated_elsewhere_finding(case: Case, backend: UncreatedBackend, kind: tuple[str, str]) -> Finding:
    (cause, variant), trouble, name = kind, backend.trouble, backend.service.service
    where = address_of_uncreated(backend)
    return Finding(
        cause=cause, variant=variant or None, role="root", confidence="likely",
        summary=(f"nginx hands {routes_text(trouble)} to {endpoint_text(trouble.endpoint)}, but the files of project "
                 f"{backend.compose.project} have service {name} listen on {where}"),
        detail=(), routes=trouble.route_ids, service=name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), backend.service.source,
            *no_listener_evidence(trouble.endpoint), *connect_symptoms(case, trouble)))),
        repairs=(point_after_start_repair(trouble, name, where),), effects=(),
        is_met_first=trouble.nginx.master_pid is not None,
    )


def address_of_uncreated(backend: UncreatedBackend) -> str:
    """Return where the service would listen, as nginx's files would name it, if nginx asks for another address."""
    asked = backend.trouble.endpoint
    return f"unix:{backend.socket}" if backend.socket else address_text(backend.host or asked.host,
                                                                        backend.port or asked.port)
