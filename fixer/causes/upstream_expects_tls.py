"""nginx speaks plain HTTP to a backend that takes TLS only, or shows no certificate to one that demands it.
nginx logs `upstream prematurely closed connection` (502), or visitors get a 400. Write https://, or give a certificate.

By hand
  curl -k https://127.0.0.1:8000/    # does it answer with TLS?
  grep -Rn proxy_pass /etc/nginx/    # http:// or https://?
  edit the pass, then: nginx -t && nginx -s reload
  curl -k --cert FILE --key FILE https://127.0.0.1:8000/    # does it answer whoever shows a certificate?
  proxy_ssl_certificate FILE; proxy_ssl_certificate_key FILE;    # in that location

What it is
  `proxy_pass http://…` leads to a port at which the backend speaks TLS: it was started with a certificate, or the port
  is that of its encrypted listener. A backend can also demand a certificate of its clients (uvicorn's
  `--ssl-cert-reqs 2`): then nginx needs one that the backend trusts.

Why nginx says 502
  uvicorn, gunicorn and node hang up on a request that is no TLS: `upstream prematurely closed connection while reading
  response header from upstream`. Another nginx (or a server in Go) answers 400 instead, "The plain HTTP request was
  sent to HTTPS port", which nginx hands on to everybody. Without a certificate TLS 1.3 looks the same: the handshake
  succeeds on nginx's side, then the backend hangs up, and no line says TLS. Others send `certificate required` (116).

How it is told apart
  A worker that dies with each request, or a server that wants the PROXY protocol, hangs up in the same way. Here the
  same request is answered as soon as it is asked with TLS. Where TLS could not be tried, the cause is left open. Of a
  server that does not run, its command tells whether it has a certificate: then this is the second fault.
  That a certificate is demanded, the backend's command says, or its alert in nginx's log.

The repair and its safety
  speak-as-backend (safe): `http` becomes `https` in the pass, then nginx -t and a reload. nginx does not look at the
  backend's certificate unless `proxy_ssl_verify` says so. Where the scheme stands in a variable, a person must.
  A program that is no application, no proxy and no container, or that anybody could have started, may only have taken
  the port: where an application listens that nobody asks, that is wrong-port; elsewhere a person says who is meant.
  show-certificate (safe, `--set client_certificate=FILE --set client_key=FILE`): both directives for the location. Only
  a person knows which certificate the backend trusts, or can have one signed.

Variants
  plain-to-tls-backend      http:// in the pass, and the backend takes TLS only
  tls-client-cert-required  the backend demands a certificate of its clients, and nginx shows none
"""

from __future__ import annotations

from itertools import pairwise

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import config_evidence, endpoint_text
from fixer.analysis.nginx_errors import Kinds, events_for, routes_text, symptom_evidence
from fixer.findings.configured_scheme import configured_scheme_finding
from fixer.formats.application_servers import server_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import HANG_UPS, ProbeResult, Service, needs_tls
from fixer.nginx.error_kinds import CUT_OFF
from fixer.repairs.nginx_directives import (
    answer_in_other_scheme,
    change_scheme_repair,
    is_held_by_stranger,
    merge_same_edits,
)

with lazy_imports():  # only for what is found
    from fixer.findings import tls_handshake



def judge(case: Case) -> Verdict:
    """Judge each address of a failing route: does it close plain HTTP, and answer TLS, or demand a certificate?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    return conclude(merge_same_edits(findings), missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint, route = trouble.endpoint, trouble.routes[0].route
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if route.scheme == "https" and not route.tls.certificate:
        return _uncertified_finding(case, trouble) or shown
    if route.kind != "proxy_pass" or route.scheme != "http":
        return shown
    configured = configured_scheme_finding(case, trouble, (CAUSE.id, "plain-to-tls-backend"), tls=True)
    if configured is not None or isinstance(endpoint.http, Unknown):
        return configured or shown
    heard = endpoint.http.value
    told = needs_tls(heard)
    text = endpoint_text(endpoint)
    if endpoint.unix is not None or not (told or heard.error in HANG_UPS) or heard.phase == "connect":
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


# The backend demands a certificate of its clients.
_ALERT: frozenset[ErrorKind] = frozenset({"tls-alert-certificate"})
_ALERTED: Kinds = CUT_OFF | _ALERT | {"tls-handshake", "read-failed", "reset-while-sending"}
_REFUSING_ERRORS = frozenset({"closed", "reset", "tls", "permission"})      # the last: an alert after the handshake
_CERTIFICATE, _KEY = "client_certificate", "client_key"


def _uncertified_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding about a backend that demands a certificate where nginx shows none; None if nothing says so."""
    endpoint, route = trouble.endpoint, trouble.routes[0].route
    service = case.service(endpoint.listening_service or endpoint.configured_service)
    demand = _demand_of(service)
    heard = endpoint.http.value if not isinstance(endpoint.http, Unknown) else None
    if (demand is None and not events_for(case, trouble, _ALERT)) or (
            heard is not None and heard.error not in _REFUSING_ERRORS):
        return None
    who = service.name if service is not None else "the listener there"
    text = endpoint_text(endpoint)
    tried = () if heard is None else (Evidence("probe", f"https://{text}", (
        f"without a certificate: no answer ({heard.error}, in phase {heard.phase})")),)
    return Finding(
        cause=CAUSE.id, variant="tls-client-cert-required", role="root",
        confidence="certain" if heard is not None else "likely",
        summary=f"{who} demands a certificate of its clients for {routes_text(trouble)}, and nginx shows none",
        detail=(), routes=trouble.route_ids, service=service.name if service is not None else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint), *(() if demand is None else (demand,)), *tried,
            *symptom_evidence(case, trouble, _ALERTED),
        ))),
        repairs=(_certificate_repair(case, trouble, route.kind.partition("_")[0], who),),
    )


def _demand_of(service: Service | None) -> Evidence | None:
    """Return the option of its command that demands a certificate."""
    if service is None:
        return None
    option, value = server_of(service.runtime).client_certificate
    given = {*service.argv, *(f"{word}={following}" for word, following in pairwise(service.argv))}
    return Evidence("process", service.name, f"{option} {value}") if option and f"{option}={value}" in given else None


def _certificate_repair(case: Case, trouble: FailingAddress, family: str, who: str) -> Repair:
    needs = (
        Need(_CERTIFICATE, "value", f"the file with a certificate that {who} trusts, on nginx's machine",
             pattern=tls_handshake.FILE_PATH),
        Need(_KEY, "value", "the file with the key of that certificate",
             pattern=tls_handshake.FILE_PATH),
    )
    wishes = ((f"{family}_ssl_certificate", f"{{{_CERTIFICATE}}}"), (f"{family}_ssl_certificate_key", f"{{{_KEY}}}"))
    draft = Repair("show-certificate", "safe", f"for {routes_text(trouble)}", (), needs)
    return tls_handshake.location_directives_repair(case, trouble.nginx, [facts.route for facts in trouble.routes],
                                                    draft, wishes)


CAUSE = Cause(
    id="upstream-expects-tls",
    title="the backend takes TLS only, or a certificate only, and nginx has none for it",
    family="beyond the guide",
    variants=("plain-to-tls-backend", "tls-client-cert-required"),
    verdict=judge,
    page=__doc__,
)
