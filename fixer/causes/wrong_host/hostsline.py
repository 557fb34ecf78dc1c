"""A line of /etc/hosts that leads the upstream's name to an address which nobody has: the line is what is wrong."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import absent_evidence, config_evidence, state_evidence
from fixer.analysis.nginx_errors import is_refused, say_routes, symptom_evidence
from fixer.analysis.ownership.configured import placed_owner
from fixer.analysis.ownership.intended_container import is_nobody, is_own_loopback, silence
from fixer.causes.nginx_down import listens_of
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import WaitForListener
from fixer.model.snapshot import Container, Service
from fixer.repairs.container_settings import set_compose
from fixer.repairs.file_edits import NoPlace, container_of
from fixer.repairs.start_service import reachable_host

_ID = "correct-hosts-line"


def hosts_line(case: Case, trouble: Trouble) -> Finding | None:
    """The finding, None where the name does not come from that file or somebody may be at its address.

    A container of that name on a network of nginx's is found by Docker's DNS as soon as the line is gone; else which
    address is right stands nowhere that a repair may trust, so the line is named and a person corrects it.
    """
    endpoint, nginx = trouble.endpoint, trouble.nginx
    line = hosts_evidence(trouble)
    known = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    if line is None or len(known) != 1:
        return None
    bare = replace(trouble, endpoints=tuple(replace(place, host=known[0]) for place in trouble.endpoints))
    box = container_of(case.snapshot, nginx.node)
    owner = placed_owner(case, endpoint)
    right = _address_of(owner.service, box) if owner is not None and box is not None else ""
    looped = bool(right) and is_own_loopback(trouble)
    if not looped and (endpoint.node is not None or not is_nobody(case, bare)):
        return None
    better = f"; container {owner.service.name} has {right}" if owner is not None and right else ""
    whose = "where nothing listens" if looped else "which nobody has"
    wrong = f"{known[0]}, nginx's own container, where nothing listens" if looped else (
        f"{known[0]}, an address that nobody has")
    return Finding(
        cause="wrong-host", variant="nginx-container-uses-loopback" if looped else "wrong-ip-unassigned", role="root",
        confidence="certain" if right else "likely",
        summary=f"nginx hands {say_routes(trouble)} to {endpoint.host}, which {line.where} leads to {wrong}{better}",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            line, config_evidence(case.snapshot, nginx, endpoint), *silence(case, bare),
            *((state_evidence(owner.service),) if owner is not None else ()), *absent_evidence(endpoint),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(_correct(case, trouble, box, (f"{line.where} of {nginx.node} leads {endpoint.host} to {known[0]}, "
                                               f"{whose}{better}: ", line.where), right),),
        explains=("wrong-port", "backend-down", "network-detached"),
    )


def _correct(case: Case, trouble: Trouble, box: Container | None, words: tuple[str, str], right: str) -> Repair:
    """The entry taken out of the compose file, where Docker's DNS knows the name; else the words for a person."""
    (said, where), nginx, name = words, trouble.nginx, trouble.endpoint.host
    if box is None or box.is_machine:
        manual = (f"{said}write the right address there, or take the line out where DNS knows the name; then nginx -t, "
                  "and nginx -s reload, which looks the name up anew")
        return Repair(_ID, "manual", f"correct {where}", (), manual=manual)
    service = next((s for s in (nginx.service, *case.snapshot.services)
                    if s is not None and s.container is not None and s.container.id == box.id), None)
    given = None if service is None else next(
        (s for s in service.compose_settings if s.key == f"extra_hosts.{name}"), None)
    if right and service is not None and given is not None:
        summary = f"take {name} out of extra_hosts: in {given.file}:{given.line}"
        written = set_compose(case.snapshot, service, {given.key: ""}, summary)
        if not isinstance(written, NoPlace):
            by = written.managed_by
            also = f" ({by} manages that file and will overwrite the edit)" if by else ""
            listens = [x for x in listens_of(nginx)[:1] if x.port]
            wait = tuple(WaitForListener(nginx.node, reachable_host(x.address), x.port) for x in listens)
            return Repair(_ID, "disruptive", f"{summary}, and create {box.service or box.name} anew{also}",
                          (*written.steps, *wait))
    place = f"{given.file}:{given.line}" if given is not None else "the compose file (or --add-host)"
    manual = f"{said}extra_hosts: in {place} writes that line; correct it there, and create the container anew"
    return Repair(_ID, "manual", f"correct {where}", (), manual=manual)


def hosts_evidence(trouble: Trouble) -> Evidence | None:
    """The line of that file which tells the address of the name."""
    addresses = trouble.endpoint.addresses
    told = addresses.evidence if isinstance(addresses, Known) else ()
    return next((shown for shown in told if shown.source == "file" and shown.where.startswith("/etc/hosts:")), None)


def _address_of(service: Service, web: Container) -> str:
    """What the container really has on a network of nginx's."""
    mine = {name for name, _, _ in web.networks}
    networks = service.container.networks if service.container is not None and service.running else ()
    return next((ip for name, ip, _ in networks if name in mine and ip), "")
