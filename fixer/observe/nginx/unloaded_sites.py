"""The addresses of a site at which nobody listens, as far as this very node can tell, and who should."""

from __future__ import annotations

from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Service
from fixer.observe.nginx.sites import Site


def has_listener(site: Site, addresses: tuple[str, ...], port: int) -> bool:
    """Whether somebody listens on that port, for addresses of this very node; others are left to their probes."""
    view = site.view
    if isinstance(view.listeners, Unknown) or not any(a.startswith("127.") or a in view.addresses for a in addresses):
        return True
    return any(x.port == port for x in view.listeners.value)


def empty_ports(site: Site) -> list[int]:
    """The ports that nginx asks for and that nobody holds."""
    return [a.server.port for a in site.addresses if a.found and not has_listener(site, a.found, a.server.port)]


def empty_sockets(site: Site) -> list[str]:
    """The unix sockets that nginx asks for and at which nobody listens."""
    wanted = dict.fromkeys(a.server.unix for a in site.addresses if a.server.unix is not None)
    if isinstance(site.view.listeners, Unknown):
        return []
    heard = {x.address for x in site.view.listeners.value if x.family == "unix"}
    return [path for path in wanted if path not in heard]


def should_answer(service: Service, sites: tuple[Site, ...]) -> bool:
    """A unit of any program that is told to listen where nginx asks, and that does not run."""
    if service.unit is None or service.running or not isinstance(service.bindings, Known):
        return False
    told = {(binding.unix, binding.port) for binding in (*service.bindings.value, *service.in_code)}
    return any((at.server.unix, at.server.port) in told for site in sites if site.view.name == service.node
               for at in site.addresses)
