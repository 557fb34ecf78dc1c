"""A line of /etc/hosts that leads the upstream's name to an address which nobody has: the line is what is wrong."""

from __future__ import annotations

from fixer.causes.case import Case, Trouble
from fixer.causes.changes.editing import container_of
from fixer.causes.containers.elsewhere import is_nobody, silence
from fixer.causes.owners import placed_owner
from fixer.causes.reading import config_evidence, state_evidence
from fixer.causes.symptoms import is_refused, say_routes, symptom_evidence
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.record import replace
from fixer.model.snapshot import Container, Service


def hosts_line(case: Case, trouble: Trouble) -> Finding | None:
    """The finding, None where the name does not come from that file or somebody may be at its address.

    Which address is right stands nowhere that a repair may trust, so the line is named and a person corrects it.
    """
    endpoint, nginx = trouble.endpoint, trouble.nginx
    line = hosts_evidence(trouble)
    known = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    if line is None or len(known) != 1 or endpoint.node is not None:
        return None
    bare = replace(trouble, endpoints=tuple(replace(place, host=known[0]) for place in trouble.endpoints))
    if not is_nobody(case, bare):
        return None
    box = container_of(case.snapshot, nginx.node)
    owner = placed_owner(case, endpoint)
    right = _address_of(owner.service, box) if owner is not None and box is not None else ""
    better = f"; container {owner.service.name} has {right}" if owner is not None and right else ""
    given = box is not None and not box.is_machine
    place = (
        "its extra_hosts: in the compose file (or --add-host) writes that line; correct it there, and create the "
        "container anew" if given else
        "write the right address there, or take the line out where DNS knows the name; then nginx -t, and nginx -s "
        "reload, which looks the name up anew"
    )
    manual = (f"{line.where} of {nginx.node} leads {endpoint.host} to {known[0]}, which nobody has{better}: {place}")
    return Finding(
        cause="wrong-host", variant="wrong-ip-unassigned", role="root", confidence="certain" if right else "likely",
        summary=f"nginx hands {say_routes(trouble)} to {endpoint.host}, which {line.where} leads to {known[0]}, an "
                f"address that nobody has{better}",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            line, config_evidence(case.snapshot, nginx, endpoint), *silence(case, bare),
            *((state_evidence(owner.service),) if owner is not None else ()),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(Repair("correct-hosts-line", "manual", f"correct {line.where}", (), manual=manual),),
        explains=("wrong-port", "backend-down", "network-detached"),
    )


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
