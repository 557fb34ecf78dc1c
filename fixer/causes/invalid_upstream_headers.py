"""The backend answers, and nginx rejects its headers, or the chunks of its body: they are malformed, or contradict.
nginx logs `upstream sent invalid header` (502), or `invalid chunked response` (a page that ends early). Correct it.

By hand
  grep 'upstream sent' /var/log/nginx/error.log        # which header, on which page?
  curl -sD- -o /dev/null http://127.0.0.1:8000/PAGE    # which header stands there twice?
  curl --raw -s http://127.0.0.1:8000/PAGE | head      # is each chunk's first line its length, in hexadecimal?
  systemctl restart UNIT                               # after the application or its proxy is corrected

What it is
  The application, or a proxy between it and nginx, sends `Content-Length` twice, or together with
  `Transfer-Encoding`, a name with a space in it, a value with a zero byte. Many programs take that; nginx does not, and
  its newer versions (1.23 and later) take less than the older ones: a page may fail since the upgrade of nginx alone.
  Or the body is announced in chunks (`Transfer-Encoding: chunked`), and what stands before a chunk is no length of it.
  FastCGI, uwsgi, SCGI, gRPC and memcached have rules of their own: a record of another request, a frame of HTTP/2 that
  nobody asked for, a status that is none. Or a program answers that does not speak the protocol at all.

Why nginx says 502
  `upstream sent duplicate header line: …`, `upstream sent invalid header: …`, `upstream sent "Content-Length" and
  "Transfer-Encoding" headers at the same time`, `upstream sent unknown "Transfer-Encoding"`: at once, on those pages.
  For chunks it says no 502: the status 200 is sent before the body. The page ends early, and only the error log says
  why: `upstream sent invalid chunked response while reading upstream`. Of other protocols it names the rule: `upstream
  sent unexpected FastCGI record`, `upstream sent invalid status`, `upstream sent frame for unknown stream`, `upstream
  violated stream flow control`, `memcached sent invalid response`.

How it is told apart
  nginx names the header itself, and what it says is of the present: no restart changes an answer. Asked directly the
  backend answers, and its own log says 200. A head that is only too long is header-too-big; what is no HTTP at all is
  another message. Where the page that we ask for is well, such lines are a note and no outage. A connection that ends
  within a body (a process that dies) has other words: `upstream prematurely closed connection while reading upstream`.
  Where a service is known to speak another protocol than its pass, or TLS, that is wrong-protocol or
  upstream-expects-tls; and what listens at a wrong port answers something else (wrong-port).

The repair and its safety
  mend-headers, mend-chunks, mend-answer (manual): what sends the header, the body or the records is changed. Nothing in
  nginx makes it take such an answer.

Variants
  header-invalid          a header of the answer breaks the rules of HTTP
  invalid-chunked-body    the body of the answer is not divided into chunks as it announces
  answer-breaks-protocol  the answer breaks the rules of the protocol that the pass speaks (FastCGI, gRPC, uwsgi, HTTP)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import endpoint_text, shorten
from fixer.analysis.exits.exec_step import program_text
from fixer.analysis.nginx_errors import (
    MIN_SYMPTOM_LINES,
    for_each_logged_route,
    has_direct_answer,
    is_failing,
    logged_evidence,
    pass_line,
    request_path,
    service_of_route,
    was_logged_since,
)
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.service_state import start_time_of
from fixer.formats.numbers import times_text
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import ErrorEvent, Nginx

BROKEN_KINDS: frozenset[ErrorKind] = frozenset({
    "answer-invalid", "answer-unexpected", "status-invalid", "not-http", "not-http2", "wrong-protocol",
    "header-malformed", "header-forbidden"})
_PROTOCOLS = {"proxy_pass": "HTTP", "grpc_pass": "HTTP/2 (gRPC)", "fastcgi_pass": "FastCGI", "uwsgi_pass": "uwsgi",
              "scgi_pass": "SCGI"}
_HEADER_NAME = regex(r'(?:line|header): "(?P<line>[\w-]+):|"(?P<name>Content-Length|Transfer-Encoding)"')
# nginx prints a name up to the byte that no name may hold
_BAD_NAME = regex(r'header: "(?P<name>[\w-]+)(?P<byte>\\x[0-9a-f]{2})\.\.\."')
_LENGTHS = frozenset({"Content-Length", "Transfer-Encoding"})


def judge(case: Case) -> Verdict:
    """Judge each route with recent log lines of these errors: is it the page that fixer probed?"""
    parts = (for_each_logged_route(case, {"header-malformed", "header-forbidden"}, partial(_found, case)),
             for_each_logged_route(case, {"chunked-invalid"}, partial(_broken_body, case)),
             for_each_logged_route(case, BROKEN_KINDS, partial(_broken_answer, case)))
    return conclude(chain(*(found for found, _, _ in parts)), chain(*(lacking for _, lacking, _ in parts)),
                    chain(*(ruled for _, _, ruled in parts)))


def _found(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
           asked: bool) -> Finding | None:
    if not is_failing(judged) or judged.facts.route.kind != "proxy_pass" or not has_direct_answer(case, judged):
        return None         # if the probe succeeds it is a note; without an HTTP answer it is another cause
    route, message = judged.facts.route, events[-1].message
    names = tuple(dict.fromkeys(found["line"] or found["name"] for found in _HEADER_NAME.finditer(message)))
    service = service_of_route(case, judged)
    who = service.name if service is not None else "the backend"
    bad = _BAD_NAME.search(message)
    held = "" if bad is None else "a blank" if bad["byte"] == "\\x20" else f"the byte {bad['byte'][1:]}"
    what = " and ".join(names[:2]) or (f"{bad['name']}, whose name holds {held}" if bad is not None else "a header")
    sets = bad["name"] if bad is not None and not names else what
    only_one = ". Content-Length and Transfer-Encoding exclude each other, and each may be sent once"
    manual = (f"nginx rejects such a response ({shorten(message, 160)}). Correct what sets {sets} in {who}"
              f"{program_text(service)}, or in a proxy between it and nginx{only_one if _LENGTHS & set(names) else ''}")
    path = request_path(events[-1])
    page = route.location if path in ("", route.location) else f"{path} (location {route.location})"
    return Finding(
        cause=CAUSE.id, variant="header-invalid", role="root", confidence="certain" if asked else "likely",
        summary=f"{who} answers {page} with headers that nginx rejects ({what}): "
                f"{times_text(len(events))} within a minute",
        detail=(), routes=(route.id,), service=service.name if service is not None else None, node=nginx.node,
        evidence=logged_evidence(case, nginx, judged, events),
        repairs=(Repair("mend-headers", "manual", f"correct the headers of {who}", (), manual=manual),),
    )


def _broken_body(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                 asked: bool) -> Finding | None:
    """Return the finding about an answer that nginx cut off where it was no chunk. Its status was sent before: no probe
    fails. `asked` is false then."""
    route, service = judged.facts.route, service_of_route(case, judged)
    if service is not None and service.running:
        events = tuple(event for event in events if was_logged_since(event, start_time_of(service)))
    if not events:
        return None     # the program that sent it runs no more
    who = service.name if service is not None else "the backend"
    manual = ("nginx cuts such an answer off where a chunk's length should stand. Correct what divides the body into "
              f"chunks in {who}{program_text(service)}, or in a proxy between it and nginx: best leave that to the "
              "server of HTTP, or send a Content-Length")
    many = len(events) >= MIN_SYMPTOM_LINES
    return Finding(
        cause=CAUSE.id, variant="invalid-chunked-body", role="root",
        confidence="certain" if asked or many else "likely",
        summary=f"{who} answers {route.location} with a body whose chunks nginx rejects: {times_text(len(events))} "
                "within a minute",
        detail=("nginx has sent status 200 before: visitors get pages that end early.",), routes=(route.id,),
        service=service.name if service is not None else None, node=nginx.node,
        evidence=logged_evidence(case, nginx, judged, events),
        repairs=(Repair("mend-chunks", "manual", f"correct the chunks of {who}", (), manual=manual),),
    )


def _broken_answer(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                   asked: bool) -> Finding | None:
    """Return the finding about an answer that breaks the rules of the protocol of the pass; None for headers of HTTP,
    and for a backend that answers us in HTTP. It is likely: another program may listen there than is meant."""
    route, last, service = judged.facts.route, events[-1], service_of_route(case, judged)
    is_header = last.kind in ("header-malformed", "header-forbidden")
    if not is_failing(judged) or (not asked and len(events) < MIN_SYMPTOM_LINES) or (
            route.kind == "proxy_pass" and (is_header or has_direct_answer(case, judged))):
        return None
    who = service.name if service is not None else "the backend"
    protocol = _PROTOCOLS[route.kind]
    manual = (f"nginx rejects the answer ({shorten(last.message, 160)}). Find out in {who}{program_text(service)}, or "
              f"in a proxy between it and nginx, what sends that; or correct the pass at "
              f"{pass_line(case, nginx, route)[0]}, if another program is meant, or another protocol than {protocol}")
    return Finding(
        cause=CAUSE.id, variant="answer-breaks-protocol", role="root", confidence="likely",
        summary=f"{who} answers {route.location} with what breaks the rules of {protocol}: "
                f"{shorten(last.message, 100)}",
        detail=(), routes=(route.id,), service=service.name if service is not None else None, node=nginx.node,
        evidence=(*logged_evidence(case, nginx, judged, events), *_first_bytes(case, judged)),
        repairs=(Repair("mend-answer", "manual", f"correct the answer of {who}", (), manual=manual),),
    )


def _first_bytes(case: Case, judged: RouteVerdict) -> Iterator[Evidence]:
    """Yield what the first server said to a request of HTTP/1, if that was no HTTP."""
    for end in case.reached(judged.facts)[:1]:
        heard = end.http.value if isinstance(end.http, Known) else None
        if heard is not None and heard.first_bytes:
            yield Evidence("probe", f"http://{endpoint_text(end)}", f"answers {heard.first_bytes[:40]!r}")


CAUSE = Cause(
    id="invalid-upstream-headers",
    title="the backend's answer breaks the rules of its protocol: headers, a chunked body, a record",
    family="beyond the guide",
    variants=("header-invalid", "invalid-chunked-body", "answer-breaks-protocol"),
    verdict=judge,
    page=__doc__,
)
