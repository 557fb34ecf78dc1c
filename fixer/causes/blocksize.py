"""uWSGI takes the head of a request (headers, uwsgi_param) up to `buffer-size` bytes, and hangs up on more."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.bylocation import SEVERAL, fresh_by_route
from fixer.analysis.case import Case
from fixer.analysis.evidence import bindings_of, log_evidence, now_on, ran_since, state_evidence
from fixer.analysis.load.server_protocol import BLOCK, is_http_read_as_block
from fixer.analysis.nginx_errors import is_cut_off
from fixer.analysis.route_verdict import FRESH, Judged
from fixer.analysis.run_log import lines_of
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import ErrorEvent, LogLine, Service

_PAGE = 4096


def refused_blocks(case: Case, cause: str, variant: str) -> Iterator[Finding]:
    """Routes whose requests were cut off lately, by a uWSGI that says that they were too big for it."""
    for nginx in case.snapshot.nginxes:
        for judged, events in fresh_by_route(case, nginx, is_cut_off).values():
            ends = [e for e in case.snapshot.endpoints if e.id in judged.facts.endpoints]
            for service in filter(None, (case.service(e.holder or e.service) for e in ends)):
                said = _said(case, service) if judged.facts.route.kind == "uwsgi_pass" else []
                asked = judged.state in ("failing", "degraded")
                if said and (asked or min(len(events), len(said)) >= SEVERAL):
                    yield _found((cause, variant), judged, events, service, said)
                    break


def _said(case: Case, service: Service) -> list[LogLine]:
    since = max(ran_since(service), now_on(case.snapshot, service.node) - FRESH)
    return [line for line in lines_of(service) if service.runtime == "uwsgi" and line.at is not None
            and line.at >= since and BLOCK.match(line.text) and not is_http_read_as_block(line.text)]


def _found(names: tuple[str, str], judged: Judged, events: tuple[ErrorEvent, ...], service: Service,
           said: list[LogLine]) -> Finding:
    route, last = judged.facts.route, said[-1]
    sizes = [(int(m["size"]), int(m["most"])) for line in said if (m := BLOCK.match(line.text)) is not None]
    size, most = max(sizes)
    wanted = max(32 << 10, 1 << (size - 1).bit_length()) if size < 1 << 15 else 65535
    at = next((b.source.where.rpartition(":")[0] for b in bindings_of(service) if b.source.source == "file"), "")
    now = f"{most}, its default" if most == _PAGE else f"{most}"
    manual = (f"write buffer-size = {wanted}{f' into {at}' if at else ', where its other settings stand'} (now {now}), "
              f"then restart {service.name}. What makes the requests so big (cookies, a token, uwsgi_param) is worth a "
              "look all the same")
    lost = f"{len(events)} times within a minute: {events[-1].raw[:300]}"
    return Finding(
        cause=names[0], variant=names[1], role="root", confidence="certain",
        summary=(f"requests to {route.location} carry more headers ({size} bytes) than {service.name} takes "
                 f"(buffer-size {now}): {len(said)} times within a minute"),
        detail=(), routes=(route.id,), service=service.name, node=service.node,
        evidence=(log_evidence(last.text, last.where), state_evidence(service),
                  Evidence("nginx-log", events[-1].where, lost), *judged.evidence[:1]),
        repairs=(Repair("raise-buffer-size", "manual", f"let {service.name} take bigger requests", (), manual=manual),),
        explains=("backend-hung", "crash-killed", "nginx-not-reloaded", "overload-saturated"),
    )
