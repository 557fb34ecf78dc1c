"""A unix socket that a killed server left behind: nobody listens on it, and the next one may not bind its name."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import absent_evidence, config_evidence, log_evidence, state_evidence
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint, LogLine, Service
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import begin_steps
from fixer.repairs.write_variables import drop_in

FILE = "50-badgateway-socket.conf"
_PLAIN = regex(r"/[\w./@-]+")      # as one word of a unit file, whatever systemd or a shell makes of other signs


def is_left_behind(endpoint: Endpoint) -> bool:
    """The file of the socket is there, and a connect says that nobody listens on it."""
    return endpoint.unix is not None and isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error == "refused"


def left_behind(case: Case, trouble: Trouble, endpoint: Endpoint, service: Service, line: LogLine) -> Finding:
    """The service cannot bind, and what is in its way is its own socket of an earlier run."""
    path = endpoint.unix or ""
    return Finding(
        cause="crash-port-in-use", variant="start-socket-stale", role="root",
        confidence="certain" if path in line.text else "likely",
        summary=f"{service.name} cannot start: the socket {path} of an earlier run is still there, and nobody listens "
                "on it", detail=("it was killed before it could take its socket away",),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where), *absent_evidence(endpoint), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, endpoint), *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(_repair(case, endpoint, service, path),),
        explains=("crash-loop-gave-up", "backend-down", "crash-killed", "slow-start", "wrong-port"),
    )


def _repair(case: Case, endpoint: Endpoint, service: Service, path: str) -> Repair:
    summary = f"let {service.name} take {path} away before each start, then start it"
    manual = f"remove {path} (nobody listens on it), then start {service.name}"
    if service.unit is None or not _PLAIN.fullmatch(path):
        return Repair("clear-socket", "manual", summary, (), manual=manual)
    written = drop_in(case.snapshot, service, f"ExecStartPre=-/bin/rm -f {path}\n", FILE)
    begin = begin_steps(case.snapshot, service, endpoint)
    for outcome in (written, begin):
        if isinstance(outcome, NoPlace):
            return Repair("clear-socket", "manual", summary, (), manual=f"{manual} ({outcome.why})")
    assert not isinstance(written, NoPlace) and not isinstance(begin, NoPlace)
    return Repair("clear-socket", "disruptive", summary, (*written.steps, *begin))
