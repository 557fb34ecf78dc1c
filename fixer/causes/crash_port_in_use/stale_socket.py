"""Stale unix socket of a killed server: nothing listens on it, and the next server cannot bind its path."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import config_evidence, log_evidence, no_listener_evidence
from fixer.analysis.nginx_errors import connect_symptoms
from fixer.analysis.service_state import state_evidence
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair
from fixer.model.snapshot import Endpoint, LogLine, Service
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.start_service import start_or_restart_steps
from fixer.repairs.write_variables import write_drop_in

SOCKET_DROP_IN = "50-badgateway-socket.conf"
_PLAIN_PATH = regex(r"/[\w./@-]+")      # safe as one word of a unit file: nothing for systemd or a shell to expand


def stale_socket_finding(case: Case, trouble: FailingAddress, endpoint: Endpoint, service: Service,
                         line: LogLine) -> Finding:
    """Return the finding for a service that cannot bind because its socket of an earlier run still exists."""
    path = endpoint.unix or ""
    return Finding(
        cause="crash-port-in-use", variant="start-socket-stale", role="root",
        confidence="certain" if path in line.text else "likely",
        summary=f"{service.name} cannot start: the socket {path} of an earlier run still exists, and nothing listens "
                "on it", detail=("the earlier run was killed before it could remove its socket",),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where), *no_listener_evidence(endpoint), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(_clear_socket_repair(case, endpoint, service, path),),
    )


def _clear_socket_repair(case: Case, endpoint: Endpoint, service: Service, path: str) -> Repair:
    summary = f"let {service.name} remove {path} before each start, then start it"
    manual = f"remove {path} (nothing listens on it), then start {service.name}"
    if service.unit is None or not _PLAIN_PATH.fullmatch(path):
        return Repair("clear-socket", "manual", summary, (), manual=manual)
    written = write_drop_in(case.snapshot, service, f"ExecStartPre=-/bin/rm -f {path}\n", SOCKET_DROP_IN)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    for outcome in (written, begin):
        if isinstance(outcome, NotEditable):
            return Repair("clear-socket", "manual", summary, (),
                          manual=f"{manual}; fixer cannot do this: {outcome.reason}")
    assert not isinstance(written, NotEditable) and not isinstance(begin, NotEditable)
    return Repair("clear-socket", "disruptive", summary, (*written.steps, *begin))
