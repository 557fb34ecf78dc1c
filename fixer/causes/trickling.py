"""A backend that begins its answer and does not come to the end of the header in the time that nginx gives it."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import config_evidence, endpoint_text, ran_since
from fixer.analysis.load.pressure import begins
from fixer.analysis.nginx_errors import events_for, is_read_timeout, say_routes, symptom_evidence
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known

_KEPT_COMING = 500.0     # milliseconds between the first and the last byte: no packet that was merely cut in two


def trickling(case: Case) -> Iterator[Finding | str]:
    """One finding for each such address whose visitors were let down; else what is not known yet."""
    for trouble in case.troubles:
        if not begins(trouble.endpoint):
            continue
        if _lets_down(case, trouble):
            yield _found(case, trouble)
        else:
            where = endpoint_text(trouble.endpoint)
            yield f"whether {where} ends its header in time: nobody was let down so far (--wait 60 tells)"


def _lets_down(case: Case, trouble: Trouble) -> bool:
    """nginx gave up waiting: it told us so now, or its log tells of somebody else since the backend runs."""
    if any(probe.status == 504 for judged in trouble.judged if isinstance(judged.facts.probes, Known)
           for probe in judged.facts.probes.value):
        return True
    service = case.service(trouble.endpoint.service)
    since = ran_since(service) if service is not None else 0.0
    return any(event.at >= since for event in events_for(case, trouble, is_read_timeout))


def _found(case: Case, trouble: Trouble) -> Finding:
    endpoint, route = trouble.endpoint, trouble.routes[0].route
    assert isinstance(endpoint.http, Known)
    http = endpoint.http.value
    service = case.service(endpoint.service)
    name = service.name if service is not None else f"what listens at {endpoint_text(endpoint)}"
    kept = http.growing is not None and http.growing >= _KEPT_COMING
    manner = f", a little at a time for {http.growing / 1000:.1f} s" if kept and http.growing is not None else ""
    told = f"{http.arrived} bytes of a header came within {http.ms / 1000:.1f} s{manner}, and not its end"
    family = route.kind.removesuffix("_pass")
    manual = (
        f"mend what sends the header of {name}: it must go out at once. {family}_read_timeout "
        f"({route.read_timeout:g} s at {route.source.file}:{route.source.line}) bounds the whole header, however its "
        "bytes come: a longer one only makes visitors wait"
    )
    return Finding(
        cause="timeout-too-short", variant="header-trickle-timeout", role="root",
        confidence="certain" if kept else "likely",
        summary=f"{name} begins its answers to {say_routes(trouble)} and does not end the header within the "
                f"{route.read_timeout:g} s that nginx waits",
        detail=(), routes=trouble.route_ids, service=service.name if service is not None else None,
        node=endpoint.node or trouble.nginx.node,
        evidence=(
            Evidence("probe", f"http://{endpoint_text(endpoint)}{endpoint.path}", told),
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *symptom_evidence(case, trouble, is_read_timeout),
        ),
        repairs=(Repair("mend-header", "manual", f"let {name} send its header at once", (), manual=manual),),
        explains=("backend-hung", "overload-saturated", "nginx-not-reloaded", "slow-start"),
    )
