"""Containers that have no name in Docker's DNS, as they are in the network of another one, or of the Docker host."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import bindings_of
from fixer.analysis.evidence import place as place_text
from fixer.analysis.ownership.intended_container import reached_as
from fixer.model.diagnosis import Repair
from fixer.model.snapshot import Container
from fixer.repairs.file_edits import container_of
from fixer.repairs.upstream_name import other_address


def lender_of(case: Case, box: Container) -> Container | None:
    """The container whose network it has."""
    return next((s.container for s in case.snapshot.services
                 if s.container is not None and s.container.id == box.lender), None)


def repair_guest(case: Case, troubles: list[Trouble], box: Container, lender: Container | None) -> Repair:
    """The name of its host in place of its own, where nginx reaches that one; else a person decides."""
    nginx, endpoint = troubles[0].nginx, troubles[0].endpoint
    web = container_of(case.snapshot, nginx.node)
    hosts = [s for s in case.snapshot.services
             if s.container is not None and lender is not None and s.container.id == lender.id]
    name = reached_as(hosts[0], web) if hosts and web is not None else None
    if name is not None and lender is not None and lender.status == "running":
        return other_address(case, troubles, name[1])
    where = place_text(case.snapshot, nginx.node, endpoint.file, endpoint.line)
    if box.network_mode == "host":
        port = next((b.port for s in case.snapshot.services if s.container is not None and s.container.id == box.id
                     for b in bindings_of(s) if b.port), endpoint.port)
        manual = (f"name host.docker.internal:{port} at {where}, and give nginx's container that name (extra_hosts: "
                  '["host.docker.internal:host-gateway"]), while what serves there listens on an address of the Docker '
                  "host that containers reach; or give it a network of nginx's in place of network_mode: host")
    else:
        manual = (f"name the container whose network {box.name} has at {where}, and let it share a network with "
                  "nginx's; then nginx -t, and reload nginx")
    return Repair("name-address", "manual", f"name at {where} what {endpoint.host} is reached by", (), manual=manual)
