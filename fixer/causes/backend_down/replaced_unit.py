"""Disabled units that may have been replaced by another unit of the same application.

After a move to a new unit, nginx may still name the port of the old one. This does not prove that the old unit should
run again: an old release would then work on current data.
"""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import address_text, bindings_of, endpoint_text
from fixer.analysis.nginx_errors import routes_text
from fixer.analysis.ownership.configured import services_wanted_elsewhere
from fixer.analysis.service_state import state_evidence
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.snapshot import Service
from fixer.repairs.upstream_address import point_after_start_repair, point_at_listener_repair, reachable_listeners

INPUT_KEY = "backend"
_RELEASE_NAMES = frozenset((
    "old", "new", "legacy", "next", "prev", "previous", "last", "former", "current", "blue", "green", "bak", "backup",
    "orig", "copy", "retired", "deprecated",
))
# generic parts of service names: they identify no application
_GENERIC_NAMES = frozenset(("web", "app", "api", "www", "site", "service", "server", "backend", "worker", "main",
                            "prod"))
_VERSION_NUMBER = regex(r"^v?\d+$")
_NAME_PART = regex(r"[a-z]+\d*|\d+")
_APP_TARGET = regex(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*(?:\(\))?$")     # the server's target: package.module:app


def find_successors(case: Case, trouble: FailingAddress, owner: PortOwner) -> tuple[Service, ...]:
    """Return application servers that may replace a unit which is off at boot: of the same application, running or
    started at boot, listening elsewhere, and used by no route."""
    old = owner.service
    if owner.rule != "placed" or old.unit is None or not manager_of(old).is_off_at_boot() or old.socket is not None:
        return ()
    away = services_wanted_elsewhere(case, trouble)
    return tuple(
        s for s in case.snapshot.services
        if s.id != old.id and s.node == old.node and s.is_app_server and s.manager in ("systemd", "supervisord")
        and s.id not in away and s.id not in case.services_in_use and (s.running or not manager_of(s).is_off_at_boot())
        and not (s.unit is not None and s.unit.load_state != "loaded")
        and _is_same_application(old, s) and _is_configured_elsewhere(case, trouble, s)
    )


def _is_configured_elsewhere(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether its configuration, its code or its socket shows that it listens elsewhere."""
    told = (*bindings_of(service), *service.code_bindings)
    if not told and service.running:
        return len(reachable_listeners(case, trouble, PortOwner(service, "alone", ()))) == 1
    return any(b.port != trouble.endpoint.port or b.unix for b in told)


def _is_same_application(one: Service, other: Service) -> bool:
    """Return whether the names differ only in version or colour, or the target and a name part are the same."""
    names, others = _name_stems(one), _name_stems(other)
    if names == others:
        return bool(names)
    ran = {word for word in one.argv if _APP_TARGET.match(word)}
    return bool((names & others) - _GENERIC_NAMES) and bool(ran.intersection(other.argv))


def _name_stems(service: Service) -> frozenset[str]:
    base = service.name.rpartition(".")[0] if service.unit is not None else service.name
    words = _NAME_PART.findall(base.partition("@")[0].lower())
    return frozenset(w.rstrip("0123456789") for w in words if w not in _RELEASE_NAMES and not _VERSION_NUMBER.match(w))


def which_unit_finding(case: Case, trouble: FailingAddress, found: Finding, others: Sequence[Service]) -> Finding:
    """Return the finding with a choice: start the disabled unit, or point nginx at one of the others."""
    old, first = found.service or "", found.repairs[0]
    names = " or ".join(s.name for s in others)
    why = (f"nginx connects to {endpoint_text(trouble.endpoint)}, the configured address of {old}, which is stopped "
           f"and disabled at boot. {names} has a similar name, and no site uses it: choose the intended unit")
    need = Need(INPUT_KEY, "choice", why, (old, *(s.name for s in others)))
    given = case.inputs.get(INPUT_KEY)
    chosen = next((s for s in others if s.name == given), None)
    if chosen is not None:
        repair = replace(_point_at_successor_repair(case, trouble, chosen), needs=(need,))
    else:
        summary = f"{first.summary}, or point {routes_text(trouble)} at {names}"
        repair = replace(first, summary=first.summary if given == old else summary, needs=(need,),
                         steps=first.steps if given == old else ())
    return replace(
        found, confidence="possible", repairs=(repair,),
        summary=f"{found.summary}; {names} has a similar name, and no site uses it",
        evidence=(*found.evidence[:1], *(state_evidence(s) for s in others),
                  *(b.source for s in others for b in bindings_of(s)[:1]), *found.evidence[1:]),
    )


def _point_at_successor_repair(case: Case, trouble: FailingAddress, chosen: Service) -> Repair:
    options = reachable_listeners(case, trouble, PortOwner(chosen, "alone", ()))
    if len(options) == 1:
        return point_at_listener_repair(case, trouble, options, ask=False)
    told = (*bindings_of(chosen), *chosen.code_bindings)[0]
    return point_after_start_repair(trouble, chosen.name, address_text(told.host, told.port, told.unix))
