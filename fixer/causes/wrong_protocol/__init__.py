"""nginx speaks another protocol than its backend: HTTP to a socket of uWSGI's own, or the reverse.
nginx logs `upstream prematurely closed connection` (502). Use the directive that the backend's socket takes.

By hand
  grep -n socket /path/to/app.ini              # socket, or http-socket?
  grep -RnE '(proxy|uwsgi|fastcgi|grpc)_pass' /etc/nginx/
  uwsgi_pass ADDRESS; include uwsgi_params;    # in that location, to uWSGI's socket =
  proxy_pass http://ADDRESS;                   # in that location, to http-socket =, gunicorn or uvicorn
  nginx -t && nginx -s reload

What it is
  uWSGI has two kinds of sockets: `socket =` takes its own binary protocol (nginx: `uwsgi_pass`), `http-socket =` takes
  HTTP (nginx: `proxy_pass`); `protocol =` changes what `socket =` takes. One end was changed, or copied from another
  project, and the other was not. The same with `fastcgi_pass`, `uwsgi_pass` or `grpc_pass` to a server that takes
  HTTP/1 only (gunicorn, uvicorn), and with `proxy_pass` to one that takes FastCGI (php-fpm). Or uWSGI, whose languages
  are plugins, has not loaded the one for the application: it takes the request and has nobody to hand it to.
  WebSocket begins as HTTP/1.1 with the headers Upgrade and Connection, which nginx hands on only if its files say so
  (a location with headers of its own inherits none). The server needs a library for it.

Why nginx says 502
  The backend takes nginx's first bytes for something else and hangs up: `upstream prematurely closed connection while
  reading response header from upstream`. `fastcgi_pass` to HTTP: `upstream sent unsupported FastCGI protocol version`;
  `grpc_pass` to HTTP/1: `upstream sent too large http2 frame: 4740180`, which are the letters HTT read as a length.
  A server that takes HTTP/2 alone, without TLS, is no 502: nginx hands its frames on (`upstream sent no valid HTTP/1.0
  header`), browsers show an error of the protocol, and access logs have the status 009.

How it is told apart
  The service runs, holds the very socket that nginx asks for, and its command or ini file says what it speaks there.
  uWSGI logs "invalid request block size: 21573": the letters E and T of GET, read as a size. The service would answer
  in its own protocol, so it is neither hung nor crashed. Without a plugin it logs "unavailable modifier requested: 0".
  WebSocket is advice: a plain request to such an address gets 426, or 400 with words about an upgrade, which is an
  answer, and no status shows a visitor's socket. fixer says so only where the backend itself says that it takes
  WebSocket, where it answers well without nginx and with 400 through it, or where its own log names the library.

The repair and its safety
  speak-its-protocol (safe): the pass becomes the one that the backend takes, with `include uwsgi_params` or the usual
  headers where the file has none, then nginx -t and a reload. Where the pass says more than an address (a page, a
  variable), or not every server of the group is known to speak alike, a person edits it. A person also decides whether
  a server of HTTP/2 is to take HTTP/1, or nginx to ask it with `grpc_pass grpc://…`, which is HTTP/2; and which script
  `fastcgi_pass` is to run. load-plugin (manual): which plugin, and where it is written.

Variants
  backend-is-uwsgi       the backend speaks uwsgi, and the pass is proxy_pass
  uwsgi-pass-to-http     the backend speaks HTTP, and the pass is uwsgi_pass
  fastcgi-pass-to-http   the backend speaks HTTP, and the pass is fastcgi_pass
  grpc-pass-to-http      the backend speaks HTTP/1, and the pass is grpc_pass
  backend-is-http2-only  the backend speaks HTTP/2 alone, and the pass is proxy_pass
  backend-is-fastcgi     the backend speaks FastCGI (php-fpm), and the pass is proxy_pass
  uwsgi-plugin-missing   uWSGI has loaded no plugin for the language of the application
  websocket-not-passed   the backend takes WebSocket alone, and nginx does not hand on what opens a socket
  websocket-on-plain-requests  nginx sends `Connection: upgrade` with every request, and plain ones are refused
  websocket-library-missing    the server has no library for WebSocket, and refuses it
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import bindings_of, config_evidence, endpoint_text
from fixer.analysis.load.server_protocol import (
    PASS_DIRECTIVES,
    http_on_uwsgi_evidence,
    missing_plugin_evidence,
    protocol_of,
    speaks_fastcgi,
)
from fixer.analysis.nginx_errors import Kinds, events_for, routes_text, symptom_evidence
from fixer.analysis.ownership.configured import holding_service, is_unmanaged_user_process
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.causes.wrong_protocol.change_pass import REPAIR_ID, change_pass_repair, pass_places_text
from fixer.causes.wrong_protocol.websocket import websocket_findings
from fixer.formats.application_servers import server_of
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Binding, Service
from fixer.nginx.error_kinds import TIMED_OUT
from fixer.repairs.nginx_directives import hands_over_anyway

_PROTOCOL_NAMES = {"http": "HTTP", "uwsgi": "uWSGI's own protocol", "fastcgi": "FastCGI", "scgi": "SCGI"}
_EDITABLE = frozenset((      # what fixer edits: (what the backend takes, what the pass sends)
    ("http", "uwsgi_pass"), ("http", "fastcgi_pass"), ("http", "grpc_pass"), ("uwsgi", "proxy_pass")))
_PROTOCOL_ERRORS: Kinds = (TIMED_OUT - {"connect-timeout-kernel"}) | {
    "closed-before-answer", "closed-in-body", "closed-elsewhere", "reset-before-answer", "reset-in-body",
    "reset-in-tunnel", "read-failed", "wrong-protocol", "header-malformed", "not-http", "not-http2",
}
# Length (at most a few settings), type 4, no flags, stream 0: what each server of HTTP/2 begins with.
_SETTINGS_FRAME = regex(r"\x00\x00[\x00-\xff]\x04\x00\x00\x00\x00\x00")


def judge(case: Case) -> Verdict:
    """Judge each address of a failing route: does its listener use the protocol of the pass? And each that takes
    WebSocket: does nginx hand on what opens a socket?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    return conclude([*findings, *websocket_findings(case)], missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint, kind = trouble.endpoint, trouble.routes[0].route.kind
    holder = holding_service(case, endpoint)
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if kind == "proxy_pass" and isinstance(endpoint.http, Known) and _SETTINGS_FRAME.match(
            endpoint.http.value.first_bytes):
        return _http2_finding(case, trouble, holder)
    if holder is None or (kind == "grpc_pass" and not _has_answered_http(case, trouble)):
        return shown
    if isinstance(endpoint.http, Known) and endpoint.http.value.status is not None:
        return Evidence("probe", endpoint_text(endpoint), f"answers {endpoint.http.value.status}")
    unserved = missing_plugin_evidence(holder, start_time_of(holder))
    if unserved is not None:
        return _plugin_finding(case, trouble, holder, unserved)
    if kind == "proxy_pass" and speaks_fastcgi(holder, endpoint):
        return _fastcgi_finding(case, trouble, holder)
    spoken, why = _spoken_protocol(holder)
    if kind == "grpc_pass":
        spoken = "http"
    if not spoken and kind != "proxy_pass" and not server_of(holder.runtime).protocols and events_for(
            case, trouble, _PROTOCOL_ERRORS):
        return f"whether {holder.name} takes what {kind} sends"
    if not spoken or kind == PASS_DIRECTIVES[spoken]:
        return shown
    if (spoken, kind) not in _EDITABLE:
        return _other_protocol_finding(case, trouble, holder, spoken)
    return Finding(
        cause=CAUSE.id, variant="backend-is-uwsgi" if spoken == "uwsgi" else f"{kind.partition('_')[0]}-pass-to-http",
        role="root", confidence="likely" if is_unmanaged_user_process(case.snapshot, holder) else "certain",
        summary=(
            f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)} with {kind}, but {holder.name} takes "
                 f"{_PROTOCOL_NAMES[spoken]} there"),
        detail=(), routes=trouble.route_ids, service=holder.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((shown, *why, state_evidence(holder), *symptom_evidence(
            case, trouble, _PROTOCOL_ERRORS)))),
        repairs=(_repair(case, trouble, holder, spoken),),
    )


def _http2_finding(case: Case, trouble: FailingAddress, holder: Service | None) -> Finding:
    """Return the finding about a server that answers HTTP/1 with the first frame of HTTP/2."""
    text = endpoint_text(trouble.endpoint)
    who = holder.name if holder is not None else "the listener there"
    manual = (f"let {who} take HTTP/1.1, or write grpc_pass grpc://{text} at {pass_places_text(trouble)} instead of "
              "proxy_pass, then run nginx -t and reload nginx: that asks with HTTP/2, whatever the application is")
    shown = Evidence("probe", f"http://{text}", "answers HTTP/1 with a SETTINGS frame of HTTP/2")
    found = _persons_finding(case, trouble, holder, ("HTTP/2 only", shown, manual))
    return replace(found, variant="backend-is-http2-only",
                   detail=("nginx hands its frames on to visitors: no status, and 009 in access logs.",))


def _fastcgi_finding(case: Case, trouble: FailingAddress, holder: Service) -> Finding:
    """Return the finding about a server that speaks FastCGI alone."""
    manual = (f"write include fastcgi_params, fastcgi_param SCRIPT_FILENAME (the script that {holder.name} is to run) "
              f"and fastcgi_pass {trouble.endpoint.written} at {pass_places_text(trouble)} instead of proxy_pass, then "
              "run nginx -t and reload nginx")
    found = _persons_finding(case, trouble, holder, ("FastCGI", state_evidence(holder), manual))
    return replace(found, variant="backend-is-fastcgi")


def _other_protocol_finding(case: Case, trouble: FailingAddress, holder: Service, spoken: str) -> Finding:
    """Return the finding about uWSGI that is configured for one of the protocols beside the usual two."""
    wanted, text = PASS_DIRECTIVES[spoken], trouble.endpoint.written
    target = f"http://{text}" if wanted == "proxy_pass" else text
    with_it = "" if wanted == "proxy_pass" else f"include {spoken}_params and "
    manual = f"write {with_it}{wanted} {target} at {pass_places_text(trouble)}, then run nginx -t and reload nginx"
    said = (*_spoken_protocol(holder)[1], state_evidence(holder))
    found = _persons_finding(case, trouble, holder, (_PROTOCOL_NAMES.get(spoken, spoken), said[0], manual))
    is_listed = spoken == "fastcgi" and trouble.routes[0].route.kind == "proxy_pass"
    return replace(found, variant="backend-is-fastcgi" if is_listed else None,
                   evidence=tuple(dict.fromkeys((*found.evidence, *said))))


def _plugin_finding(case: Case, trouble: FailingAddress, holder: Service, said: Evidence) -> Finding:
    """Return the finding about uWSGI that has nobody to hand a request to."""
    files = ", ".join(dict.fromkeys(b.source.where.partition(":")[0] for b in bindings_of(holder)[:2]))
    manual = (f"add `plugin = python3` to {files or 'its ini file'} (with Debian's packages; the file is in "
              f"uwsgi-plugin-python3), or install uWSGI with pip, which holds Python; then restart {holder.name}")
    found = _persons_finding(case, trouble, holder, ("no request at all", said, manual))
    repair = Repair("load-plugin", "manual", f"load the plugin of {holder.name}'s language", (), manual=manual)
    return replace(found, variant="uwsgi-plugin-missing", repairs=(repair,), summary=(
        f"{holder.name} (uWSGI) has loaded no plugin for its application: it closes each connection of "
        f"{routes_text(trouble)} without an answer"))


def _persons_finding(case: Case, trouble: FailingAddress, holder: Service | None,
                     told: tuple[str, Evidence, str]) -> Finding:
    """Return a finding whose repair a person decides: more than the pass would change. `told` is what the backend
    takes, the evidence, and what to do."""
    endpoint, (spoken, shown, manual) = trouble.endpoint, told
    who = holder.name if holder is not None else "the listener there"
    return Finding(
        cause=CAUSE.id, variant=None, role="root", confidence="certain",
        summary=(f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)} with "
                 f"{trouble.routes[0].route.kind}, but {who} takes {spoken} there"),
        detail=(), routes=trouble.route_ids, service=holder.name if holder is not None else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((config_evidence(case.snapshot, trouble.nginx, endpoint), shown,
                                      *symptom_evidence(case, trouble, _PROTOCOL_ERRORS)))),
        repairs=(Repair(REPAIR_ID, "manual", f"make nginx and {who} use the same protocol", (), manual=manual),),
    )


def _has_answered_http(case: Case, trouble: FailingAddress) -> bool:
    """Return whether nginx took the beginning of an HTTP/1 answer for a frame of HTTP/2."""
    return bool(events_for(case, trouble, {"not-http2"}))


def _spoken_protocol(service: Service) -> tuple[str, tuple[Evidence, ...]]:
    """Return the protocol on its sockets, and the evidence."""
    heard, spoken = http_on_uwsgi_evidence(service, start_time_of(service)), protocol_of(service)
    said = tuple(one for b in bindings_of(service)[:1] for one in (b.source, _protocol_evidence(b)) if one is not None)
    if heard is not None and spoken != "http":
        return "uwsgi", (*said, heard)
    return spoken, said


def _protocol_evidence(bound: Binding) -> Evidence | None:
    """Return what the file says about the protocol of a plain `socket =`, if it is not the usual one."""
    if bound.protocol in ("", "uwsgi") or bound.protocol in bound.source.text.partition("=")[0]:
        return None
    return Evidence("file", bound.source.where.rpartition(":")[0], f"protocol = {bound.protocol}")


def _repair(case: Case, trouble: FailingAddress, holder: Service, spoken: str) -> Repair:

    kind = PASS_DIRECTIVES[spoken]
    ends = {name for facts in trouble.routes for name in facts.endpoints}
    holders = [holding_service(case, case.endpoints[name]) for name in sorted(ends)]
    alike = all(one is not None and _spoken_protocol(one)[0] == spoken for one in holders)
    unmanaged = is_unmanaged_user_process(case.snapshot, holder)
    if alike and (not unmanaged or hands_over_anyway(case, trouble)):
        repair = change_pass_repair(case, trouble, kind)
        return replace(repair, risk="disruptive") if unmanaged and repair.steps else repair
    why = "not every server of the group is known to take that" if not alike else "any user may have started it"
    manual = f"use {kind} in nginx, or let {holder.name} listen in the other protocol; fixer cannot do this: {why}"
    return Repair(REPAIR_ID, "manual", f"make nginx and {holder.name} use the same protocol", (), manual=manual)


CAUSE = Cause(
    id="wrong-protocol",
    title="nginx speaks another protocol than its backend takes",
    family="beyond the guide",
    variants=("backend-is-uwsgi", "uwsgi-pass-to-http", "fastcgi-pass-to-http", "grpc-pass-to-http",
              "backend-is-http2-only", "backend-is-fastcgi", "uwsgi-plugin-missing", "websocket-not-passed",
              "websocket-on-plain-requests", "websocket-library-missing"),
    verdict=judge,
    page=__doc__,
)
