"""The backend answers, and nginx does not take its headers: they are malformed or contradict each other.
nginx logs `upstream sent duplicate header line` or `upstream sent invalid header` (502). Correct what sends the header.

By hand
  grep 'upstream sent' /var/log/nginx/error.log        # which header, on which page?
  curl -sD- -o /dev/null http://127.0.0.1:8000/PAGE    # which header stands there twice?
  systemctl restart UNIT                               # after the header is corrected in the application or its proxy

What it is
  The application, or a proxy between it and nginx, sends `Content-Length` twice, or together with
  `Transfer-Encoding`, a name with a space in it, a value with a zero byte. Many programs take that; nginx does not, and
  its newer versions (1.23 and later) take less than the older ones: a page may fail since the upgrade of nginx alone.

Why nginx says 502
  `upstream sent duplicate header line: …`, `upstream sent invalid header: …`, `upstream sent "Content-Length" and
  "Transfer-Encoding" headers at the same time`, `upstream sent unknown "Transfer-Encoding"`: at once, on those pages.

How it is told apart
  nginx names the header itself, and what it says is of the present: no restart changes an answer. Asked directly the
  backend answers, and its own log says 200. A head that is only too long is header-too-big; what is no HTTP at all is
  another message. Where the page that we ask for is well, such lines are a note and no outage.

The repair and its safety
  mend-headers (manual): what sends the header is changed. Nothing in nginx makes it take such an answer.

Variants
  header-invalid  a header of the answer breaks the rules of HTTP
"""

from __future__ import annotations

import posixpath
from functools import partial

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.exits.exec_step import working_directory_of
from fixer.analysis.nginx_errors import (
    for_each_logged_route,
    has_direct_answer,
    is_failing,
    logged_evidence,
    service_of_route,
)
from fixer.analysis.route_verdict import RouteVerdict
from fixer.formats.start_files import app_file
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.snapshot import ErrorEvent, Nginx, Service

_SCRIPTS = (".js", ".mjs", ".cjs")
_HEADER_NAME = regex(r'(?:line|header): "(?P<line>[\w-]+):|"(?P<name>Content-Length|Transfer-Encoding)"')


def judge(case: Case) -> Verdict:
    """Judge each route with recent log lines of this error: is it the page that fixer probed?"""
    return conclude(*for_each_logged_route(case, {"header-malformed", "header-forbidden"}, partial(_found, case)))


def _found(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
           asked: bool) -> Finding | None:
    if not is_failing(judged) or judged.facts.route.kind != "proxy_pass" or not has_direct_answer(case, judged):
        return None         # if the probe succeeds it is a note; without an HTTP answer it is another cause
    route, message = judged.facts.route, events[-1].message
    names = tuple(dict.fromkeys(found["line"] or found["name"] for found in _HEADER_NAME.finditer(message)))
    service = service_of_route(case, judged)
    who = service.name if service is not None else "the backend"
    what = " and ".join(names[:2]) or "a header"
    manual = (f"nginx rejects such a response ({message[:160]}). Correct what sets {what} in {who}"
              f"{_program_text(service)}, or in a proxy between it and nginx. Content-Length and Transfer-Encoding "
              "exclude each other, and each may be sent once")
    return Finding(
        cause=CAUSE.id, variant="header-invalid", role="root", confidence="certain" if asked else "likely",
        summary=f"{who} answers {route.location} with headers that nginx rejects ({what}): "
                f"{len(events)} times within a minute",
        detail=(), routes=(route.id,), service=service.name if service is not None else None, node=nginx.node,
        evidence=logged_evidence(case, nginx, judged, events),
        repairs=(Repair("mend-headers", "manual", f"correct the headers of {who}", (), manual=manual),),
    )


def _program_text(service: Service | None) -> str:
    """Return the application's file as its command names it."""
    if service is None or service.container is not None:
        return ""
    script = next((word for word in service.argv[1:] if word.endswith(_SCRIPTS)), "")
    name, folder = app_file(service.argv) or script, working_directory_of(service)
    return f" ({posixpath.join(folder, name)})" if name and folder else ""


CAUSE = Cause(
    id="invalid-upstream-headers",
    title="the backend answers with headers that nginx rejects",
    family="beyond the guide",
    variants=("header-invalid",),
    verdict=judge,
    page=__doc__,
)
