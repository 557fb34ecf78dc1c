"""nginx speaks plain HTTP to a backend that takes TLS only.
nginx logs `upstream prematurely closed connection` (502), or visitors get a 400. Write https:// in the pass.

By hand
  curl -k https://127.0.0.1:8000/    # does it answer with TLS?
  grep -Rn proxy_pass /etc/nginx/    # http:// or https://?
  edit the pass, then: nginx -t && nginx -s reload

What it is
  `proxy_pass http://…` leads to a port at which the backend speaks TLS: it was started with a certificate, or the port
  is that of its encrypted listener.

Why nginx says 502
  uvicorn, gunicorn and node hang up on a request that is no TLS: `upstream prematurely closed connection while reading
  response header from upstream`. Another nginx (or a server in Go) answers 400 instead, "The plain HTTP request was
  sent to HTTPS port", which nginx hands on to everybody.

How it is told apart
  A worker that dies with each request, or a server that wants the PROXY protocol, hangs up in the same way. Here the
  same request is answered as soon as it is asked with TLS. Where TLS could not be tried, the cause is left open. Of a
  server that does not run, its command tells whether it has a certificate: then this is the second fault.

The repair and its safety
  speak-as-backend (safe): `http` becomes `https` in the pass, then nginx -t and a reload. nginx does not look at the
  backend's certificate unless `proxy_ssl_verify` says so. Where the scheme stands in a variable, a person must.
  A program that is no application, no proxy and no container, or that anybody could have started, may only have taken
  the port: where an application listens that nobody asks, that is wrong-port; elsewhere a person says who is meant.

Variants
  plain-to-tls-backend  http:// in the pass, and the backend takes TLS only
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import config_evidence, endpoint_text
from fixer.analysis.nginx_errors import routes_text, symptom_evidence
from fixer.findings.configured_scheme import configured_scheme_finding
from fixer.model.diagnosis import Finding, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import ProbeResult, needs_tls
from fixer.nginx.error_kinds import CUT_OFF
from fixer.repairs.nginx_directives import (
    answer_in_other_scheme,
    change_scheme_repair,
    is_held_by_stranger,
    merge_same_edits,
)

_CLOSING_ERRORS = frozenset({"closed", "reset", "not-http"})


def judge(case: Case) -> Verdict:
    """Judge each address of a failing route: does it close plain HTTP, and answer TLS?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    return conclude(merge_same_edits(findings), missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint, route = trouble.endpoint, trouble.routes[0].route
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if route.kind != "proxy_pass" or route.scheme != "http":
        return shown
    configured = configured_scheme_finding(case, trouble, (CAUSE.id, "plain-to-tls-backend"), tls=True)
    if configured is not None or isinstance(endpoint.http, Unknown):
        return configured or shown
    heard = endpoint.http.value
    told = needs_tls(heard)
    text = endpoint_text(endpoint)
    if endpoint.unix is not None or not (told or heard.error in _CLOSING_ERRORS) or heard.phase == "connect":
        return shown
    plain = "answers 400: it requires TLS" if told else f"closes the connection ({heard.error})"
    other = answer_in_other_scheme(case, trouble, "with")
    if not isinstance(other, ProbeResult):
        return other
    service = case.service(endpoint.configured_service or endpoint.listening_service)
    return Finding(
        cause=CAUSE.id, variant="plain-to-tls-backend", role="root",
        confidence="likely" if is_held_by_stranger(case, trouble) else "certain",
        summary=(f"nginx hands {routes_text(trouble)} to {text} as plain HTTP, but "
                 f"{service.name if service is not None else 'the listener there'} takes TLS only"),
        detail=(), routes=trouble.route_ids, service=service.name if service is not None else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            shown, Evidence("probe", f"http://{text}", plain),
            Evidence("probe", f"https://{text}", f"answers {other.status}"),
            *symptom_evidence(case, trouble, CUT_OFF),
        ))),
        repairs=(change_scheme_repair(case, trouble, "https"),),
    )


CAUSE = Cause(
    id="upstream-expects-tls",
    title="nginx speaks plain HTTP to a backend that takes TLS only",
    family="beyond the guide",
    variants=("plain-to-tls-backend",),
    verdict=judge,
    page=__doc__,
)
