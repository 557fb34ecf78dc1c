"""nginx speaks TLS to a backend that takes plain HTTP only.
nginx logs `SSL_do_handshake() failed (… wrong version number)` (502). Write http:// in the pass, or mend the backend.

By hand
  curl http://127.0.0.1:8000/        # does it answer without TLS?
  grep -Rn proxy_pass /etc/nginx/    # http:// or https://?
  edit the pass, then: nginx -t && nginx -s reload

What it is
  `proxy_pass https://…` leads to a port at which the backend speaks plain HTTP: the scheme was copied from another
  site, or the backend lost its certificate's options.

Why nginx says 502
  What answers the handshake is no TLS: `SSL_do_handshake() failed (SSL: error:…:wrong version number) while SSL
  handshaking to upstream`. The backend's own log says "Invalid HTTP request received".

How it is told apart
  A handshake also fails where both speak TLS and do not agree (versions, certificates). Here the same request is
  answered as soon as it is asked plainly. Where that could not be tried, the cause is left open. Some servers refuse
  no handshake and wait for the end of what they take for a request: then nginx waits too, and nothing is logged.
  Of a server that does not run, its command tells whether it has a certificate: then this is the second fault.
  So it does of one whose queue no question of ours gets through, if nginx's log shows that it ends handshakes: each of
  them may hold a worker until the server's own time limit, which looks like overload-saturated.

The repair and its safety
  speak-as-backend (safe, where the way stays on this machine or between its containers): `https` becomes `http` in the
  pass, then nginx -t and a reload. Where the way leads to another machine, what was meant to be encrypted would not be:
  there a person decides, and the backend is more likely what has to change. So it is where nginx verifies the backend's
  certificate (`proxy_ssl_verify on`): that is meant. Of gRPC (`grpcs://`), which is not asked directly, nginx's own
  handshake tells, and the scheme is for a person.
  A program that is no application, no proxy and no container, or that anybody could have started, may only have taken
  the port: where an application listens that nobody asks, that is wrong-port. The repair is disruptive if a service
  manager runs the program and no other service is configured there; else a person says who is meant.

Variants
  tls-to-plain-backend  https:// in the pass, and the backend takes plain HTTP only
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, is_dropping
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import config_evidence, endpoint_text, listener_at, processes_of, shorten
from fixer.analysis.load.pressure import is_paused
from fixer.analysis.nginx_errors import (
    events_for,
    events_since,
    pass_line,
    recent_lines_by_route,
    routes_text,
    symptom_evidence,
    was_logged_since,
)
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.findings.configured_scheme import configured_scheme_evidence, configured_scheme_finding
from fixer.formats.application_servers import server_of
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Effect, Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import ErrorKind, Route
from fixer.model.snapshot import Endpoint, ProbeResult, needs_tls
from fixer.nginx.error_kinds import READ_TIMEOUT
from fixer.repairs.nginx_directives import (
    SCHEME_ID,
    answer_in_other_scheme,
    change_scheme_repair,
    is_held_by_stranger,
    merge_same_edits,
)

with lazy_imports():  # not needed in most looks
    from fixer.analysis.directives_in_effect import directives_for
    from fixer.analysis.ownership.resolve import only_owner

_HANDSHAKE_ERRORS: frozenset[ErrorKind] = frozenset({"tls-not-spoken", "tls-handshake", "tls-version"})
_ENDED_BY_BACKEND: frozenset[ErrorKind] = frozenset({"tls-not-spoken", "tls-peer-closed"})
_NOT_SPOKEN: frozenset[ErrorKind] = frozenset({"tls-not-spoken"})
_LATE: frozenset[ErrorKind] = frozenset({"timeout-tls"})


def judge(case: Case) -> Verdict:
    """Judge each address of a failing route: does it refuse TLS, and answer plain HTTP?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    return conclude(merge_same_edits(findings), missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint, route = trouble.endpoint, trouble.routes[0].route
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if route.scheme != "https":
        return shown
    if route.kind != "proxy_pass":
        return _find_in_log(case, trouble) or shown
    told = configured_scheme_finding(case, trouble, (CAUSE.id, "tls-to-plain-backend"), tls=False)
    if told is not None or isinstance(endpoint.http, Unknown):
        return told or shown
    heard = endpoint.http.value
    if (unanswered := _find_behind_queue(case, trouble)) is not None:
        return unanswered
    if endpoint.unix is not None:      # it is always asked plainly; a handshake without an answer is logged late
        logged = bool(events_for(case, trouble, _HANDSHAKE_ERRORS))
        if heard.status is None or needs_tls(heard):
            return shown
        found = _finding(case, trouble, f"nginx's handshake {'failed' if logged else 'brings no page'}", heard)
        return found if logged else replace(found, confidence="likely")
    silent = heard.error == "slow" and heard.phase == "tls"
    hung_up = is_dropping(endpoint) and heard.phase == "tls"
    if not (silent or hung_up or heard.error == "tls"):
        return shown
    other = answer_in_other_scheme(case, trouble, "without")
    if not isinstance(other, ProbeResult):
        return other
    if needs_tls(other):
        return shown      # it accepts TLS, and is slow, or refused ours
    said = "no answer to the handshake" if silent else shorten(heard.body, 100) or (
        "it hung up in the handshake" if hung_up else "refused")
    return _finding(case, trouble, said, other)


def _find_in_log(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding about a server of another protocol (`grpcs://`), which is not asked directly: nginx's own
    handshake met an answer that is no TLS, since the service started."""
    service = case.service(trouble.endpoint.listening_service or trouble.endpoint.configured_service)
    began = start_time_of(service) if service is not None else 0.0
    if not any(was_logged_since(event, began) for event in events_for(case, trouble, _NOT_SPOKEN)):
        return None
    route, text = trouble.routes[0].route, endpoint_text(trouble.endpoint)
    plain = route.kind.removesuffix("_pass")
    manual = (f"let {text} speak TLS, or write {plain}:// in place of the scheme at {route.source.file}:"
              f"{route.source.line} if no one can intercept the traffic to it. Then run nginx -t and reload nginx")
    return Finding(
        cause=CAUSE.id, variant="tls-to-plain-backend", role="root", confidence="likely",
        summary=(f"nginx hands {routes_text(trouble)} to {text} with TLS, and "
                 f"{service.name if service is not None else 'what listens there'} answers something else"),
        detail=(), routes=trouble.route_ids, service=service.name if service is not None else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
                                      *symptom_evidence(case, trouble, _NOT_SPOKEN)))),
        repairs=(Repair(SCHEME_ID, "manual", f"make nginx and {text} use the same protocol", (), manual=manual),),
    )


def _find_behind_queue(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding about a server that is configured without TLS and ends nginx's handshakes, while others wait
    in its queue, so that no answer to us shows what it speaks."""
    endpoint, held, owner = trouble.endpoint, listener_at(trouble.endpoint), only_owner(case, trouble)
    if held is None or held.queued == 0 or owner is None or endpoint.listening_service != owner.service.id or (
            not _is_unanswered(endpoint)):
        return None
    service = owner.service
    told = configured_scheme_evidence(case, trouble, service, tls=False)
    began = start_time_of(service)
    ended = any(was_logged_since(event, began) for event in events_for(case, trouble, _ENDED_BY_BACKEND))
    earlier = () if ended or not events_for(case, trouble, _LATE) else events_since(
        trouble, _ENDED_BY_BACKEND, began)      # none comes to its end any more: its queue is full
    if told is None or not (ended or earlier) or is_paused(service) or any(
            p.state == "T" for p in processes_of(case.snapshot, service.node, service.pids)):
        return None      # a stopped one ended them before
    return Finding(
        cause=CAUSE.id, variant="tls-to-plain-backend", role="root", confidence="likely",
        summary=(f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)} with TLS, but {service.name} is "
                 "configured without a certificate, and ends the handshakes"),
        detail=(f"{held.queued} connections wait to be accepted: whether its workers suffice shows only when nginx "
                "sends no handshakes",),
        routes=trouble.route_ids, service=service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            Evidence("nginx-config", *pass_line(case, trouble.nginx, trouble.routes[0].route)), told,
            state_evidence(service), *(endpoint.listener.evidence if isinstance(endpoint.listener, Known) else ()),
            *(Evidence("nginx-log", event.where, event.raw) for event in earlier[-1:]),
            *symptom_evidence(case, trouble, _LATE if earlier else _ENDED_BY_BACKEND)))),
        repairs=(_repair(case, trouble),),
        # an event loop ends a handshake at once: another fault fills its queue
        effects=() if server_of(service.runtime).accepts_at_once else _effects(case, trouble),
    )


def _is_unanswered(endpoint: Endpoint) -> bool:
    """Return whether our question waited in vain, before a handshake was done, and the plain one was not answered."""
    http, plain = endpoint.http, endpoint.other_scheme_probe
    if isinstance(http, Unknown) or http.value.error != "slow" or (
            http.value.phase not in ("connect", "tls") and endpoint.unix is None):
        return False
    return isinstance(plain, Unknown) or plain.value.error == "slow"


def _finding(case: Case, trouble: FailingAddress, said: str, other: ProbeResult) -> Finding:
    """Return the finding: `said` is what a handshake met, `other` the answer without TLS."""
    endpoint, text = trouble.endpoint, endpoint_text(trouble.endpoint)
    service = case.service(endpoint.configured_service or endpoint.listening_service)
    return Finding(
        cause=CAUSE.id, variant="tls-to-plain-backend", role="root",
        confidence="likely" if is_held_by_stranger(case, trouble) else "certain",
        summary=(f"nginx hands {routes_text(trouble)} to {text} with TLS, but "
                 f"{service.name if service is not None else 'the listener there'} takes plain HTTP only"),
        detail=(), routes=trouble.route_ids, service=service.name if service is not None else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            Evidence("probe", f"https://{text}", f"no TLS: {said}"),
            Evidence("probe", f"http://{text}", f"answers {other.status}"),
            *symptom_evidence(case, trouble, _HANDSHAKE_ERRORS),
        ))),
        repairs=(_repair(case, trouble),), effects=_effects(case, trouble),
    )


def _effects(case: Case, trouble: FailingAddress) -> tuple[Effect, ...] | None:
    """Return no effects if requests that reached the server wait as well: handshakes alone do not make it busy. Return
    None otherwise: those of the cause."""
    holder = trouble.endpoint.listening_service
    late = recent_lines_by_route(case, trouble.nginx, READ_TIMEOUT).values()
    ends = (case.endpoints[name] for judged, _ in late for name in judged.facts.endpoints)
    return () if holder is not None and any(end.listening_service == holder for end in ends) else None


def _repair(case: Case, trouble: FailingAddress) -> Repair:
    verified = any(_verifies(case, trouble, facts.route) for facts in trouble.routes)
    if trouble.endpoint.node is not None and not verified:
        return change_scheme_repair(case, trouble, "http")
    text = endpoint_text(trouble.endpoint)
    why = " (nginx verifies its certificate: that is meant)" if verified else ""
    manual = (f"let the backend at {text} speak TLS again{why}. Or, if no one can intercept the traffic to it, write "
              "http:// in the pass, then run nginx -t and reload nginx")
    return Repair(SCHEME_ID, "manual", f"make nginx and {text} use the same protocol", (), manual=manual)


def _verifies(case: Case, trouble: FailingAddress, route: Route) -> bool:
    """Return whether nginx is told to verify the backend's certificate."""
    said = (directive.words[1:] for directive in directives_for(case.snapshot, trouble.nginx, route)
            if directive.words[0] == "proxy_ssl_verify")
    return next(said, ()) == ("on",)


CAUSE = Cause(
    id="upstream-speaks-http-not-tls",
    title="nginx speaks TLS to a backend that takes plain HTTP only",
    family="beyond the guide",
    variants=("tls-to-plain-backend",),
    verdict=judge,
    page=__doc__,
)
