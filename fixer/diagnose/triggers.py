"""What must be seen before a cause is asked: without it, the cause is ruled out and its module is not loaded.

Each cause of the table looks at failing addresses, at these kinds of lines of nginx's error log, or at what else its
row names, and at nothing else. A cause that is not in the table is always asked.

Causes of RUN_CAUSES look at failed runs alone, but for what their row names. Where no service has failed, the search
for failed runs already has their answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from fixer.analysis.case import Case
from fixer.analysis.cause import conclude
from fixer.analysis.exits.failed_run import failed_runs
from fixer.analysis.load.server_protocol import may_tell_of_websocket
from fixer.analysis.route_verdict import is_confirmed_closed
from fixer.analysis.run_log import may_tell_of_proxy
from fixer.model.diagnosis import RuledOut, Verdict
from fixer.model.facts import Known
from fixer.model.nginx_config import ErrorKind
from fixer.nginx.error_kinds import (
    BACKLOG_FULL,
    CONNECT_FAILED,
    CONNECTING,
    CUT_IN_BODY,
    CUT_OFF,
    KINDS,
    NAME_REFUSED,
    OWN_FAILURE,
    RACE_KINDS,
    READ_TIMEOUT,
    TARGET_INVALID,
    UNANSWERED,
)

Trigger: TypeAlias = Literal["address-fails", "address-closed", "nginx-stopped", "container-unhealthy",
                             "hand-started-log", "env-file-lost", "websocket", "proxied-call"] | ErrorKind

_ADDRESS: frozenset[Trigger] = frozenset({"address-fails"})
_ADDRESS_OR_STOPPED: frozenset[Trigger] = _ADDRESS | {"nginx-stopped"}
_ADDRESS_OR_LATE: frozenset[Trigger] = _ADDRESS | READ_TIMEOUT
TRIGGERS: Mapping[str, frozenset[Trigger]] = {
    **dict.fromkeys((
        "cached-error", "crash-file-access", "firewall-drop", "firewall-reject", "mac-denied",
        "no-resolver", "proxy-protocol-mismatch", "sandbox-denied", "unix-socket-missing", "unix-socket-permission",
        "upstream-expects-tls", "upstream-speaks-http-not-tls", "wrong-bind-address", "wrong-port",
    ), _ADDRESS),
    **dict.fromkeys(("crash-missing-env", "network-detached", "wrong-host"), _ADDRESS_OR_STOPPED),
    "crash-dependency-down": _ADDRESS_OR_STOPPED | {"proxied-call"},
    **dict.fromkeys(("cpu-throttled", "memory-pressure", "route-broken"), _ADDRESS_OR_LATE),
    "backend-down": _ADDRESS_OR_STOPPED | {"address-closed"},
    "backend-hung": _ADDRESS | {"timeout-body"},
    "backlog-full": BACKLOG_FULL,
    "crash-code-error": _ADDRESS | CUT_IN_BODY | UNANSWERED,
    "crash-killed": _ADDRESS | CUT_OFF,
    "crash-loop-gave-up": _ADDRESS | CONNECTING | CUT_OFF,
    "fd-exhausted": _ADDRESS | {"files-exhausted", "connect-files-exhausted"},
    "header-too-big": CUT_OFF | {"header-too-big"},
    "invalid-upstream-headers": frozenset({
        "header-malformed", "header-forbidden", "chunked-invalid", "answer-invalid", "answer-unexpected",
        "status-invalid", "not-http", "not-http2", "wrong-protocol"}),
    "connection-reset": _ADDRESS | {"reset-while-sending", "closed-in-body", "reset-in-body"},
    "localhost-ipv6": CONNECT_FAILED,
    "no-live-upstreams": _ADDRESS | {"no-live-upstreams"},
    "keepalive-race": RACE_KINDS,
    "invalid-proxy-target": _ADDRESS | TARGET_INVALID | {"connections-exhausted"},
    "ephemeral-ports-exhausted": frozenset({"local-address-exhausted"}),
    "nginx-own-failure": OWN_FAILURE,
    "slow-start": _ADDRESS | {"container-unhealthy"},
    "timeout-too-short": _ADDRESS_OR_LATE | {"timeout-send", "timeout-tunnel"},
    "tls-mismatch": frozenset({"tls-version", "tls-certificate-file", "tls-peer-closed", "timeout-tls",
                               "tls-handshake", "tls-weak"}),
    "tls-sni-missing": NAME_REFUSED,
    "worker-connections-exhausted": frozenset({"connections-exhausted"}),
    "wrong-protocol": _ADDRESS | {"websocket"},
    "tls-verify-failed": frozenset({"tls-verify", "tls-name"}),
}

RUN_CAUSES: Mapping[str, frozenset[Trigger]] = {
    "crash-code-error": frozenset({"hand-started-log", *CUT_IN_BODY, *UNANSWERED}),
    "crash-file-access": frozenset({"hand-started-log"}),
    "crash-missing-env": frozenset({"hand-started-log", "env-file-lost"}),
}


def triggers_of(case: Case) -> frozenset[Trigger]:
    """Return what is there. An error log that cannot be read may hold lines of any kind."""
    nginxes = case.snapshot.nginxes
    compose = case.snapshot.compose
    boxes = (service.container for service in case.snapshot.services)
    present: dict[Trigger, bool] = {
        "address-fails": bool(case.failing_addresses),
        "address-closed": any(map(is_confirmed_closed, case.snapshot.endpoints)),
        "nginx-stopped": any(nginx.master_pid is None for nginx in nginxes),
        "container-unhealthy": any(box is not None and box.health == "unhealthy" for box in boxes),
        "hand-started-log": bool(case.snapshot.hand_started_logs),
        "proxied-call": any(map(may_tell_of_proxy, case.snapshot.services)),
        "websocket": may_tell_of_websocket(case),
        "env-file-lost": compose is not None and bool(compose.missing_env_files),
    }
    lines = (nginx.errors.value if isinstance(nginx.errors, Known) else None for nginx in nginxes)
    kinds = (KINDS if events is None else {event.kind for event in events} for events in lines)
    return frozenset(trigger for trigger, is_there in present.items() if is_there).union(*kinds)


def is_triggered(cause: str, present: frozenset[Trigger]) -> bool:
    """Return whether the cause has to be asked."""
    return cause not in TRIGGERS or not present.isdisjoint(TRIGGERS[cause])


def runless_verdict(cause: str, case: Case, present: frozenset[Trigger]) -> Verdict | None:
    """Return the verdict of a cause of failed runs where nothing has failed; None if the cause must be asked."""
    if cause not in RUN_CAUSES or not present.isdisjoint(RUN_CAUSES[cause]) or (runs := failed_runs(case)).found:
        return None
    return conclude((), runs.missing, runs.ruled_out)


def untriggered_verdict(case: Case) -> RuledOut:
    """Return the verdict on a cause that nothing triggers: the first routes that answer rule it out."""
    return RuledOut(tuple(dict.fromkeys(case.observed)))
