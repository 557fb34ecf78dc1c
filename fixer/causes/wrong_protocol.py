"""nginx speaks another protocol than its backend: HTTP to a socket of uWSGI's own, or the reverse.

What it is
  uWSGI has two kinds of sockets: `socket =` takes its own binary protocol (nginx: `uwsgi_pass`), `http-socket =` takes
  HTTP (nginx: `proxy_pass`). One end was changed, or copied from another project, and the other was not. The same with
  `fastcgi_pass` or `uwsgi_pass` to a server that takes HTTP only (gunicorn, uvicorn).

Why nginx says 502
  The backend takes nginx's first bytes for something else and hangs up: `upstream prematurely closed connection while
  reading response header from upstream`. `fastcgi_pass` to HTTP: `upstream sent unsupported FastCGI protocol version`.

How it is told apart
  The service runs, holds the very socket that nginx asks for, and its command or ini file says what it speaks there.
  uWSGI logs "invalid request block size: 21573": the letters E and T of GET, read as a size. The service would answer
  in its own protocol, so it is neither hung nor crashed.

The repair and its safety
  speak-its-protocol (safe): the pass becomes the one that the backend takes, with `include uwsgi_params` or the usual
  headers where the file has none, then nginx -t and a reload. Where the pass says more than an address (a page, a
  variable), or not every server of the group is known to speak alike, a person edits it.

By hand
  grep -nE 'socket' /path/to/app.ini            socket, or http-socket?
  grep -rnE '(proxy|uwsgi|fastcgi)_pass' /etc/nginx/
"""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.cause import Cause, by_trouble, conclude
from fixer.analysis.evidence import (
    bindings_of,
    config_evidence,
    endpoint_text,
    listener_at,
    pids_of,
    ran_since,
    state_evidence,
)
from fixer.analysis.load.server_protocol import TAKES, heard_http, speaks
from fixer.analysis.nginx_errors import say_routes, symptom_evidence
from fixer.analysis.ownership.configured import is_anybodys
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, ErrorEvent, Service

_NAMES = {"http": "HTTP", "uwsgi": "uWSGI's own protocol"}


def judge(case: Case) -> Verdict:
    """For every address behind a failing route: does who holds it speak what the pass speaks?"""
    return conclude(*by_trouble(case, _judge_trouble))


def _judge_trouble(case: Case, trouble: Trouble) -> Finding | str | Evidence:
    endpoint, kind = trouble.endpoint, trouble.routes[0].route.kind
    holder = _holder(case, endpoint)
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if holder is None or kind in ("grpc_pass", "scgi_pass"):
        return shown
    if isinstance(endpoint.http, Known) and endpoint.http.value.status is not None:
        return Evidence("probe", endpoint_text(endpoint), f"answers {endpoint.http.value.status}")
    spoken, why = _spoken(holder)
    if not spoken or kind == TAKES[spoken] or (spoken == "uwsgi" and kind != "proxy_pass"):
        return shown
    return Finding(
        cause=CAUSE.id, variant="backend-is-uwsgi" if spoken == "uwsgi" else f"{kind.partition('_')[0]}-pass-to-http",
        role="root", confidence="likely" if is_anybodys(case.snapshot, holder) else "certain",
        summary=(f"nginx hands {say_routes(trouble)} to {endpoint_text(endpoint)} with {kind}, and {holder.name} takes "
                 f"{_NAMES[spoken]} there"),
        detail=(), routes=trouble.route_ids, service=holder.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((shown, *why, state_evidence(holder), *symptom_evidence(
            case, trouble, _is_misunderstood)))),
        repairs=(_repair(case, trouble, holder, spoken),),
        explains=("backend-hung", "crash-killed", "overload-saturated"),
    )


def _holder(case: Case, endpoint: Endpoint) -> Service | None:
    """Who holds the socket; where nobody may see that, who is told to."""
    held = listener_at(endpoint)
    if endpoint.holder is None and held is not None and not pids_of(held):
        return case.service(endpoint.service)
    return case.service(endpoint.holder)


def _spoken(service: Service) -> tuple[str, tuple[Evidence, ...]]:
    """What it speaks on its sockets, and what says so."""
    heard, spoken = heard_http(service, ran_since(service)), speaks(service)
    said = tuple(b.source for b in bindings_of(service)[:1])
    if heard is not None and spoken != "http":
        return "uwsgi", (*said, heard)
    return spoken, said


def _repair(case: Case, trouble: Trouble, holder: Service, spoken: str) -> Repair:
    from fixer.causes.protocolling import ID, pass_as  # only where they speak past each other

    kind = TAKES[spoken]
    ends = {name for facts in trouble.routes for name in facts.endpoints}
    holders = [_holder(case, case.snapshot.endpoint(name)) for name in sorted(ends)]
    alike = all(one is not None and _spoken(one)[0] == spoken for one in holders)
    if alike and not is_anybodys(case.snapshot, holder):
        return pass_as(case, trouble, kind)
    why = "not every server of the group is known to take that" if not alike else "anybody may have started it"
    manual = f"let nginx use {kind} there, or {holder.name} listen in the other protocol; {why}"
    return Repair(ID, "manual", f"make nginx and {holder.name} speak alike", (), manual=manual)


def _is_misunderstood(event: ErrorEvent) -> bool:
    return event.message.startswith((
        "upstream prematurely closed connection", "upstream sent unsupported FastCGI", "recv() failed",
        "upstream sent invalid header", "upstream sent no valid HTTP", "upstream timed out"))


CAUSE = Cause(
    id="wrong-protocol",
    title="nginx speaks another protocol than its backend takes",
    family="beyond the guide",
    variants=("backend-is-uwsgi", "uwsgi-pass-to-http", "fastcgi-pass-to-http"),
    verdict=judge,
    order=39,
    page=__doc__,
)
