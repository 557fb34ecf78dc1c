"""Copies of a scaled service that end again and again: Docker's DNS leaves them out while they are down, nginx goes on
asking each where it looked the name up while it was there."""

from __future__ import annotations

from fixer.model.facts import Fact, Known
from fixer.model.nginx_config import UpstreamServer
from fixer.model.snapshot import Container
from fixer.observe.view.node_view import View, container_of

_IN_ORDER = (0, 137, 143)      # how a container ends that was stopped


def absent_copies(server: UpstreamServer, resolved: Fact[tuple[str, ...]], view: View,
                  containers: tuple[Container, ...]) -> tuple[str, ...]:
    """The ids of such containers, of the very service that the name leads to; none where somebody else may have one of
    its addresses, who could be one of them by now."""
    found = resolved.value if isinstance(resolved, Known) else ()
    own = container_of(view.name, containers)
    if not found or server.variable or server.unix is not None or own is None or own.is_machine:
        return ()
    held = {c.id: c for c in containers if c.addresses.intersection(found)}
    services = {(c.project, c.service) for c in held.values()}
    places = {a for a in found if ":" not in a} or set(found)
    of = next(iter(held.values()), None)
    if of is None or not of.service or len(services) != 1 or len(held) != len(places):
        return ()
    mine = {name for name, _, _ in own.networks}
    return tuple(
        c.id for c in containers if c.id not in held and (c.project, c.service) == (of.project, of.service)
        and _ends_repeatedly(c) and any(name in mine for name, _, _ in c.networks)
        and (server.host == c.service or any(server.host in names for name, _, names in c.networks if name in mine))
    )


def _ends_repeatedly(box: Container) -> bool:
    """Being started once more, or given up after several starts."""
    return box.status == "restarting" or (
        box.status == "exited" and box.restart_count > 0 and box.exit_code not in _IN_ORDER)
