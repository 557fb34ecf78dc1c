"""What must be seen before a cause is asked: without it, the cause is ruled out and its module is not loaded.

Each cause of the table looks at failing addresses, at lines of nginx's error log, or at what else its row names, and at
nothing else. A cause that is not in the table is always asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from fixer.analysis.case import Case
from fixer.analysis.route_verdict import is_confirmed_closed
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known

Trigger: TypeAlias = Literal["address-fails", "address-closed", "nginx-logged", "nginx-stopped", "container-unhealthy"]

_ADDRESS: tuple[Trigger, ...] = ("address-fails",)
_ADDRESS_OR_LINE: tuple[Trigger, ...] = ("address-fails", "nginx-logged")
_ADDRESS_OR_STOPPED: tuple[Trigger, ...] = ("address-fails", "nginx-stopped")
_LINE: tuple[Trigger, ...] = ("nginx-logged",)
TRIGGERS: Mapping[str, tuple[Trigger, ...]] = {
    **dict.fromkeys((
        "crash-dependency-down", "crash-file-access", "firewall-drop", "firewall-reject", "mac-denied", "no-resolver",
        "sandbox-denied", "unix-socket-missing", "unix-socket-permission", "upstream-expects-tls",
        "upstream-speaks-http-not-tls", "wrong-bind-address", "wrong-port", "wrong-protocol",
    ), _ADDRESS),
    **dict.fromkeys((
        "backend-hung", "cpu-throttled", "crash-code-error", "crash-killed", "crash-loop-gave-up", "fd-exhausted",
        "memory-pressure", "route-broken", "timeout-too-short",
    ), _ADDRESS_OR_LINE),
    **dict.fromkeys(("crash-missing-env", "network-detached", "wrong-host"), _ADDRESS_OR_STOPPED),
    **dict.fromkeys((
        "backlog-full", "header-too-big", "invalid-upstream-headers", "tls-mismatch", "tls-verify-failed",
    ), _LINE),
    "backend-down": ("address-fails", "address-closed", "nginx-stopped"),
    "slow-start": ("address-fails", "container-unhealthy"),
}
_MAX_SHOWN = 3


def triggers_of(case: Case) -> frozenset[Trigger]:
    """Return what is there. An error log that cannot be read may hold lines."""
    nginxes = case.snapshot.nginxes
    boxes = (service.container for service in case.snapshot.services)
    present: dict[Trigger, bool] = {
        "address-fails": bool(case.failing_addresses),
        "address-closed": any(map(is_confirmed_closed, case.snapshot.endpoints)),
        "nginx-logged": any(not isinstance(nginx.errors, Known) or bool(nginx.errors.value) for nginx in nginxes),
        "nginx-stopped": any(nginx.master_pid is None for nginx in nginxes),
        "container-unhealthy": any(box is not None and box.health == "unhealthy" for box in boxes),
    }
    return frozenset(trigger for trigger, is_there in present.items() if is_there)


def is_triggered(cause: str, present: frozenset[Trigger]) -> bool:
    """Return whether the cause has to be asked."""
    return cause not in TRIGGERS or not present.isdisjoint(TRIGGERS[cause])


def untriggered_verdict(case: Case) -> RuledOut:
    """Return the verdict on a cause that nothing triggers: the first routes that answer rule it out."""
    shown = [e for judged in case.verdicts.values() if judged.state == "ok" for e in judged.evidence[:1]]
    return RuledOut(tuple(dict.fromkeys(shown[:_MAX_SHOWN])))
