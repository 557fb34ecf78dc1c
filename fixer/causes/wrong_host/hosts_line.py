"""A line of /etc/hosts that maps the upstream's name to an unused address."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import config_evidence, container_of, no_listener_evidence
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.nginx_process import listen_addresses_of
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.service_state import state_evidence
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import WaitForListener
from fixer.model.snapshot import Container, Service
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.intended_container import arp_silence_evidence, has_no_listener, is_own_loopback
    from fixer.repairs.container_settings import write_compose_settings
    from fixer.repairs.start_service import reachable_host

_REPAIR_ID = "correct-hosts-line"


def hosts_line_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding, or None if the name is not from /etc/hosts or its address may be in use.

    If a container on nginx's network has the name, Docker's DNS finds it without the line. Otherwise no trusted source
    has the right address, and the operator corrects the line.
    """
    endpoint, nginx = trouble.endpoint, trouble.nginx
    line = _hosts_evidence(trouble)
    known = endpoint.addresses.or_else(())
    if line is None or len(known) != 1:
        return None
    bare = replace(trouble, endpoints=tuple(replace(place, host=known[0]) for place in trouble.endpoints))
    box = container_of(case.snapshot, nginx.node)
    owner = configured_owner(case, endpoint)
    right = _address_of(owner.service, box) if owner is not None and box is not None else ""
    looped = bool(right) and is_own_loopback(trouble)
    if not looped and (endpoint.node is not None or not has_no_listener(case, bare)):
        return None
    better = f"; container {owner.service.name} has {right}" if owner is not None and right else ""
    whose = "where nothing listens" if looped else "which no machine has"
    wrong = f"{known[0]}, nginx's own container, where nothing listens" if looped else (
        f"{known[0]}, an address that no machine has")
    return Finding(
        cause="wrong-host", variant="nginx-container-uses-loopback" if looped else "wrong-ip-unassigned", role="root",
        confidence="certain" if right else "likely",
        summary=f"nginx hands {routes_text(trouble)} to {endpoint.host}, which {line.where} maps to {wrong}{better}",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            line, config_evidence(case.snapshot, nginx, endpoint), *arp_silence_evidence(case, bare),
            *((state_evidence(owner.service),) if owner is not None else ()), *no_listener_evidence(endpoint),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(_correct_hosts_repair(case, trouble, box,
                                       (f"{line.where} of {nginx.node} maps {endpoint.host} to {known[0]}, "
                                               f"{whose}{better}: ", line.where), right),),
        effects=("nothing-listens", "wrong-name"),
    )


def _correct_hosts_repair(case: Case, trouble: FailingAddress, box: Container | None, words: tuple[str, str],
                          right: str) -> Repair:
    """Return the repair: remove the compose entry if Docker's DNS knows the name, else it is manual."""
    (said, where), nginx, name = words, trouble.nginx, trouble.endpoint.host
    if box is None or box.is_machine:
        manual = (f"{said}write the right address there, or remove the line if DNS knows the name. Then run nginx -t "
                  "and nginx -s reload, which resolves the name again")
        return Repair(_REPAIR_ID, "manual", f"correct {where}", (), manual=manual)
    service = next((s for s in (nginx.service, *case.snapshot.services)
                    if s is not None and s.container is not None and s.container.id == box.id), None)
    given = None if service is None else next(
        (s for s in service.compose_settings if s.key == f"extra_hosts.{name}"), None)
    if right and service is not None and given is not None:
        summary = f"remove {name} from extra_hosts: in {given.file}:{given.line}"
        written = write_compose_settings(case.snapshot, service, {given.key: ""}, summary)
        if not isinstance(written, NotEditable):
            by = written.managed_by
            also = f" ({by} manages that file and will overwrite the edit)" if by else ""
            listens = [x for x in listen_addresses_of(nginx)[:1] if x.port]
            wait = tuple(WaitForListener(nginx.node, reachable_host(x.address), x.port) for x in listens)
            return Repair(_REPAIR_ID, "disruptive", f"{summary}, and recreate {box.service or box.name}{also}",
                          (*written.steps, *wait))
    place = f"{given.file}:{given.line}" if given is not None else "the compose file (or --add-host)"
    manual = f"{said}extra_hosts: in {place} writes that line. Correct it there, and recreate the container"
    return Repair(_REPAIR_ID, "manual", f"correct {where}", (), manual=manual)


def _hosts_evidence(trouble: FailingAddress) -> Evidence | None:
    """Return the line of /etc/hosts that gives the name's address."""
    addresses = trouble.endpoint.addresses
    told = addresses.evidence if isinstance(addresses, Known) else ()
    return next((shown for shown in told if shown.source == "file" and shown.where.startswith("/etc/hosts:")), None)


def _address_of(service: Service, web: Container) -> str:
    """Return the container's actual address on a network of nginx."""
    mine = {name for name, _, _ in web.networks}
    networks = service.container.networks if service.container is not None and service.running else ()
    return next((ip for name, ip, _ in networks if name in mine and ip), "")
