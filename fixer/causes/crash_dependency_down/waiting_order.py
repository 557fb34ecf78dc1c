"""All start scripts that wait: of services at closed addresses, of containers that should start nginx, and of the
containers that these wait for."""

from __future__ import annotations

from fixer.analysis.case import Case, PortOwner
from fixer.analysis.dependency.startup_script import WaitingScript, find_waiting_script, waiting_script_of
from fixer.analysis.nginx_process import route_ids_of
from fixer.analysis.ownership.resolve import only_owner
from fixer.analysis.route_verdict import is_closed
from fixer.lazy.dataclass import replace
from fixer.model.snapshot import Nginx


def waiting_scripts(case: Case) -> tuple[WaitingScript, ...]:
    """Return every service of a closed address whose shell has not started the server yet, and every container that
    has not started its nginx. A service that waits for another one of these comes behind it."""
    found: dict[str, WaitingScript] = {}
    for nginx in case.snapshot.nginxes:
        one = _before_nginx(case, nginx)
        if one is not None:
            found[one.service.id] = one
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        if owner is None or is_closed(trouble.endpoint) is not True:
            continue
        known = found.get(owner.service.id)
        one = find_waiting_script(case, trouble, owner) if known is None else replace(
            known, routes=tuple(dict.fromkeys((*known.routes, *trouble.route_ids))))
        if one is not None:
            found[owner.service.id] = one
    return _in_order(case, found)


def _before_nginx(case: Case, nginx: Nginx) -> WaitingScript | None:
    """Return the start script of the container that should start this nginx, and runs something else."""
    service = nginx.service
    if nginx.master_pid is not None or service is None or service.container is None:
        return None
    routes = route_ids_of(case, nginx)
    return waiting_script_of(case, PortOwner(service, "placed", ()), None, routes)


def _in_order(case: Case, found: dict[str, WaitingScript]) -> tuple[WaitingScript, ...]:
    """Return the scripts, with those of the containers that they wait for, which have the same routes behind them."""
    ahead = list(found.values())
    while ahead:
        one = ahead.pop()
        for _, needed in one.unmet_dependencies:
            provider = needed.provider if needed is not None else None
            if provider is None or provider.id == one.service.id:
                continue
            known = found.get(provider.id)
            other = known or waiting_script_of(case, PortOwner(provider, "placed", ()), None, ())
            if other is None:
                continue
            routes = tuple(dict.fromkeys((*other.routes, *one.routes)))
            if known is None or routes != known.routes:
                found[provider.id] = replace(other, routes=routes)
                ahead.append(found[provider.id])
    return tuple(found.values())
