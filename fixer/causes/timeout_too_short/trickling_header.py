"""A backend that sends a part of its header and does not finish it before nginx's timeout."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import config_evidence, endpoint_text
from fixer.analysis.load.pressure import has_partial_answer
from fixer.analysis.nginx_errors import events_for, routes_text, symptom_evidence
from fixer.analysis.service_state import start_time_of
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.nginx.error_kinds import READ_TIMEOUT

_MIN_GROWING_MS = 500.0     # milliseconds between first and last byte: more than one packet cut in two


def judge_trickling(case: Case) -> Iterator[Finding | str]:
    """Return one finding for each such address with failed requests; else the missing fact."""
    for trouble in case.failing_addresses:
        if not has_partial_answer(trouble.endpoint):
            continue
        if _has_given_up(case, trouble):
            yield _trickling_finding(case, trouble)
        else:
            where = endpoint_text(trouble.endpoint)
            yield f"whether {where} completes its header in time: no request has timed out so far (see with --wait 60)"


def _has_given_up(case: Case, trouble: FailingAddress) -> bool:
    """Return whether nginx gave up: with 504 for our probe, or in its log since the backend started."""
    if any(probe.status == 504 for judged in trouble.verdicts if isinstance(judged.facts.probes, Known)
           for probe in judged.facts.probes.value):
        return True
    service = case.service(trouble.endpoint.configured_service)
    since = start_time_of(service) if service is not None else 0.0
    return any(event.at >= since for event in events_for(case, trouble, READ_TIMEOUT))


def _trickling_finding(case: Case, trouble: FailingAddress) -> Finding:
    endpoint, route = trouble.endpoint, trouble.routes[0].route
    assert isinstance(endpoint.http, Known)
    http = endpoint.http.value
    service = case.service(endpoint.configured_service)
    name = service.name if service is not None else f"the server at {endpoint_text(endpoint)}"
    kept = http.growing is not None and http.growing >= _MIN_GROWING_MS
    manner = f", in small parts over {http.growing / 1000:.1f} s" if kept and http.growing is not None else ""
    arrived = f"{http.arrived} bytes of a header arrived within {http.ms / 1000:.1f} s{manner}, but not its end"
    family = route.kind.removesuffix("_pass")
    manual = (
        f"fix what sends the header of {name}: it must send the header at once. {family}_read_timeout "
        f"({route.read_timeout:g} s at {route.source.file}:{route.source.line}) limits the complete header, however "
        "its bytes arrive: a longer one only makes visitors wait"
    )
    return Finding(
        cause="timeout-too-short", variant="header-trickle-timeout", role="root",
        confidence="certain" if kept else "likely",
        summary=f"{name} starts its answers to {routes_text(trouble)} but does not complete the header within the "
                f"{route.read_timeout:g} s that nginx waits",
        detail=(), routes=trouble.route_ids, service=service.name if service is not None else None,
        node=endpoint.node or trouble.nginx.node,
        evidence=(
            Evidence("probe", f"{endpoint.protocol}://{endpoint_text(endpoint)}{endpoint.path}", arrived),
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *symptom_evidence(case, trouble, READ_TIMEOUT),
        ),
        repairs=(Repair("mend-header", "manual", f"let {name} send its header at once", (), manual=manual),),
        effects=("looks-busy", "no-answer", "stale-config"),
    )
