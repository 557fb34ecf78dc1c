"""Containers that may have got the address which nginx still uses for a name: asked like the name's own address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Known, Unknown
from fixer.model.query import Probe
from fixer.model.snapshot import Container, Stranger
from fixer.observe.nginx.endpoints import probe_result
from fixer.observe.nginx.nginx_masters import loaded_at
from fixer.observe.nginx.probes import plan_probes
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import View, container_of, node_of
from fixer.observe.view.observe_options import ObserveOptions

MOST = 4              # of them that are asked for one address
_IP = regex(r"^[\d.]+$|:")
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def strangers_of(sites: tuple[Site, ...], options: ObserveOptions, views: Mapping[str, View],
                 containers: tuple[Container, ...]) -> tuple[Stranger, ...]:
    """Each of them with what it answers to nginx's own container."""
    return tuple(
        Stranger(key, node, probe.host, probe_result(site.view.node.answers.get(probe)))
        for site in sites for key, node, probe in _asked(site, options, views, containers)
    )


def stranger_probes(site: Site, options: ObserveOptions, views: Mapping[str, View],
                    containers: tuple[Container, ...]) -> Iterator[Probe]:
    """The questions of one site; hardly ever any."""
    return (probe for _, _, probe in _asked(site, options, views, containers))


def _asked(site: Site, options: ObserveOptions, views: Mapping[str, View],
           containers: tuple[Container, ...]) -> Iterator[tuple[str, str, Probe]]:
    """(address id, node, probe): the name's container was started after nginx looked the name up, so it may have moved,
    and another one that was started since listens on the same port of a network of nginx's."""
    own, loaded = container_of(site.view.name, containers), loaded_at(site.place)
    if own is None or own.is_machine or site.place.master is None or isinstance(loaded, Unknown):
        return
    young = [c for c in containers if c.status == "running" and not c.is_machine and c.started_at > loaded.value]
    if len(young) < 2:
        return
    mine = {name for name, _, _ in own.networks}
    plan = plan_probes(site, options, views, containers)
    for address in site.addresses:
        probe = plan.by_address.get(address.id)
        holders = {c.id for c in young if c.addresses.intersection(address.found)}
        if probe is None or not holders or _IP.search(address.server.host):
            continue
        others = [(c, ip) for c in young if c.id not in holders | {own.id}
                  for name, ip, _ in c.networks if name in mine and ip]
        for other, ip in others[:MOST]:
            node = node_of(other, views)
            if _listens(views.get(node), ip, address.server.port):
                yield address.id, node, replace(probe, host=ip)


def _listens(view: View | None, ip: str, port: int) -> bool:
    return view is not None and isinstance(view.listeners, Known) and any(
        x.port == port and (x.address in _ANY or x.address == ip) for x in view.listeners.value)
