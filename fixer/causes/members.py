"""Servers of an upstream that are meant to run and do not, while nginx gets its answers from the others."""

from __future__ import annotations

from fixer.causes.failing import Judged, is_closed, is_edited, is_empty
from fixer.model.record import replace
from fixer.model.snapshot import Endpoint, Nginx, Service, Snapshot

_GIVEN_UP = frozenset({"FATAL", "BACKOFF", "EXITED", "STARTING"})
_STOPPED_IN_ORDER = (0, 137, 143)


def weigh_members(verdict: Judged, reached: tuple[Endpoint, ...], nginx: Nginx | None, snapshot: Snapshot) -> Judged:
    """A route that answers is degraded where a server of its upstream is gone that its own manager means to run.

    One that was stopped and taken out of the boot, one that nobody is known to own, and a spare stay what they are: a
    person may have put them to rest. Where nginx may ask no other server, whoever meets a dead one gets 502.
    """
    route = verdict.facts.route
    meant = [endpoint for endpoint in reached if not endpoint.down]
    if verdict.state not in ("ok", "degraded") or not route.upstream or len(meant) < 2 or is_edited(nginx):
        return verdict
    dead = [e for e in meant if not e.backup and is_dead(e, snapshot)]
    gone = dead if route.one_try else [e for e in dead if _is_missed(e, snapshot)]
    if not gone or all(is_dead(e, snapshot) for e in meant):
        return verdict
    why = f"; nginx asks no other ({route.one_try})" if route.one_try else ""
    if verdict.state == "degraded":
        return replace(verdict, reason=f"{verdict.reason}{why}")
    down = f"{len(gone)} of {len(meant)} servers of upstream {route.upstream} {'is' if len(gone) == 1 else 'are'} down"
    reason = f"{verdict.reason}, but {down}{why}"
    return replace(verdict, state="degraded", reason=reason, gone=tuple(endpoint.id for endpoint in gone))


def is_dead(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Nothing accepts there: seen twice, or seen once while its own manager says that it does not run."""
    service = None if endpoint.service is None else snapshot.service(endpoint.service)
    if is_empty(endpoint) or service is None or service.running:
        return is_empty(endpoint)
    closed = is_closed(endpoint)
    return closed is True or (service.container is not None and closed is None)     # its name leads nowhere any more


def _is_missed(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = None if endpoint.service is None else snapshot.service(endpoint.service)
    return service is not None and is_meant_to_run(service)


def is_meant_to_run(service: Service) -> bool:
    """Meant to run by its own manager: started at boot, or on its way, or ended by a failure."""
    box, program = service.container, service.program
    if box is not None:
        # `unless-stopped` that was stopped in order stays so at the next boot: somebody put it to rest.
        return service.running or box.restart_policy == "always" or box.exit_code not in _STOPPED_IN_ORDER
    if program is not None:
        return service.running or program.autostart or program.state in _GIVEN_UP
    units = [unit for unit in (service.unit, service.socket) if unit is not None]
    return any(
        unit.active_state not in ("inactive", "deactivating") or unit.unit_file_state.startswith("enabled")
        for unit in units
    )
