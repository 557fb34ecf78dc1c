"""The backend serves several names over TLS, and nginx does not say which one it wants.
nginx logs `SSL_do_handshake() failed … unrecognized name` (502). Send the name: proxy_ssl_server_name on.

By hand
  openssl s_client -connect 127.0.0.1:8443 -noservername </dev/null      # refused
  openssl s_client -connect 127.0.0.1:8443 -servername NAME </dev/null   # a certificate
  grep -Rn proxy_ssl_ /etc/nginx/
  proxy_ssl_server_name on;              # in that location
  proxy_ssl_name NAME;                   # too, if the pass names an address or an upstream block
  nginx -t && nginx -s reload

What it is
  One address can serve many names over TLS. The client says in its first message which one it means (SNI); browsers and
  curl always do. nginx does not, unless `proxy_ssl_server_name on` says so. CDNs, ingresses, Caddy, and another nginx
  with `ssl_reject_handshake on` have no certificate for a client that sends no name.

Why nginx says 502
  The backend ends the handshake: `SSL_do_handshake() failed (SSL: error:…:tlsv1 unrecognized name:SSL alert number 112)
  while SSL handshaking to upstream`. Others send `handshake failure` (40) or `internal error` (80), or just hang up.

How it is told apart
  The same handshake is answered as soon as it has a name: with curl all is well. With no common version of TLS
  (tls-mismatch) or with plain HTTP (upstream-speaks-http-not-tls) a name changes nothing.

The repair and its safety
  send-server-name (safe): `proxy_ssl_server_name on` for the location. nginx then sends the host of the pass. Where
  that is an address, an upstream block or not the name that the backend answered to: `proxy_ssl_name` as well.
  If fixer found no name that is answered, a person gives it: `--set tls_name=shop.internal`.

Variants
  tls-sni-missing  the backend requires a name in the handshake, and nginx sends none
"""

from __future__ import annotations

from functools import partial

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import endpoint_text, shorten
from fixer.analysis.nginx_errors import for_each_logged_route, is_failing, logged_evidence, service_of_route
from fixer.analysis.route_verdict import RouteVerdict
from fixer.findings.tls_handshake import HOST_NAME, NAME_KEY, location_directives_repair
from fixer.formats.addresses import is_host_name
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.nginx_config import Route
from fixer.model.snapshot import ENDED_HANDSHAKES, Endpoint, ErrorEvent, Nginx, ProbeResult
from fixer.nginx.error_kinds import NAME_REFUSED


def judge(case: Case) -> Verdict:
    """Judge each TLS route that fails and has recent lines of a failed handshake: is it the name that is missing?"""
    findings, missing, ruled = for_each_logged_route(case, NAME_REFUSED, partial(_found, case))
    return conclude({(found.node, found.routes): found for found in findings}.values(), missing, ruled)


def _found(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
           asked: bool) -> Finding | None:
    route = judged.facts.route
    if not is_failing(judged) or not _sends_no_name(route):
        return None
    ends = case.reached(judged.facts)
    if any(_result_with(end, "") == "answered" for end in ends):
        return None     # it needs no name
    names = {_accepted_name(end) for end in ends}
    name = names.pop() if len(names) == 1 else ""
    says_so = events[-1].kind == "tls-alert-name"
    if not says_so and not (name and all(_result_with(end, "") == "refused" for end in ends)):
        return None     # another end of the handshake has other reasons: without a name it must fail, with one succeed
    service = service_of_route(case, judged)
    who = service.name if service is not None else route.pass_text
    alike = _routes_alike(case, nginx, judged)
    wanted = f"the name {name}" if name else "a name"
    return Finding(
        cause=CAUSE.id, variant="tls-sni-missing", role="root", confidence="certain" if asked else "likely",
        summary=f"{who} requires {wanted} in the TLS handshake for {route.location}, and nginx sends {_sent(route)}",
        detail=(), routes=tuple(one.id for one in alike), service=service.name if service is not None else None,
        node=nginx.node,
        evidence=(*logged_evidence(case, nginx, judged, events), *(e for end in ends[:3] for e in _probed(end))),
        repairs=(_repair(case, nginx, alike, name),),
    )


def _sends_no_name(route: Route) -> bool:
    """Return whether nginx sends no name of a host in its handshakes. A variable may hold one."""
    if route.scheme != "https" or route.kind == "fastcgi_pass":
        return False
    text = route.tls.name or _own_name(route)
    return not route.tls.sends_name or not ("$" in text or is_host_name(text))


def _own_name(route: Route) -> str:
    """Return the name that nginx sends by itself, as far as it is that of a host: that of the pass. Of an upstream
    block it sends the name, which rarely is one."""
    if route.upstream:
        return route.upstream if "." in route.upstream else ""
    return next((server.variable or server.host for server in route.servers), "")


def _sent(route: Route) -> str:
    if route.tls.sends_name and route.upstream:
        return f"the name of its upstream block ({route.upstream})"
    return "none"


def _result_with(endpoint: Endpoint, name: str) -> str:
    """Return how a handshake of ours with that name ended: `answered`, `refused`, or empty if it was not tried."""
    heard = next((result for sent, result in endpoint.tls_names if sent == name), None)
    if heard is None:
        return ""
    return "answered" if heard.status is not None else "refused" if _is_refused(heard) else ""


def _is_refused(heard: ProbeResult) -> bool:
    return heard.phase == "tls" and heard.error in ENDED_HANDSHAKES


def _accepted_name(endpoint: Endpoint) -> str:
    """Return the first name with which a handshake of ours was answered, empty without one."""
    return next((sent for sent, result in endpoint.tls_names if sent and result.status is not None), "")


def _probed(endpoint: Endpoint) -> tuple[Evidence, ...]:
    """Return how the handshakes with an address ended, by the names that they sent."""
    place = f"https://{endpoint_text(endpoint)}"
    return tuple(Evidence("probe", place, f"with {f'the name {sent}' if sent else 'no name'}: " + (
        f"answers {heard.status}" if heard.status is not None else
        f"no answer ({shorten(heard.body, 100) or heard.error})"))
        for sent, heard in endpoint.tls_names)


def _routes_alike(case: Case, nginx: Nginx, judged: RouteVerdict) -> list[Route]:
    """Return the failing locations of the same file that lead to the same addresses in the same way: one edit."""
    def is_alike(other: RouteVerdict) -> bool:
        route = other.facts.route
        return (nginx.serves(other.facts) and is_failing(other) and _sends_no_name(route)
                and route.kind == judged.facts.route.kind and route.source.file == judged.facts.route.source.file
                and _addresses_of(case, other) == _addresses_of(case, judged))

    return [other.facts.route for other in case.verdicts.values() if other is judged or is_alike(other)]


def _addresses_of(case: Case, judged: RouteVerdict) -> set[str]:
    return {case.endpoints[name].written for name in judged.facts.endpoints}


def _repair(case: Case, nginx: Nginx, routes: list[Route], name: str) -> Repair:
    """Return the repair that sends the name: the one that was answered, else one that a person gives."""
    family = routes[0].kind.partition("_")[0]
    switch, setting = (f"{family}_ssl_server_name", "on"), f"{family}_ssl_name"
    need = None if name else Need(
        NAME_KEY, "value", f"the name that the backend at {routes[0].pass_text} serves over TLS", pattern=HOST_NAME)
    is_own = bool(name) and all((route.tls.name or _own_name(route)) == name for route in routes)
    wishes = (switch,) if is_own else (switch, (setting, name or "{tls_name}"))
    places = ", ".join(dict.fromkeys(route.location for route in routes))
    draft = Repair("send-server-name", "safe", f"for {places}", (), () if need is None else (need,))
    return location_directives_repair(case, nginx, routes, draft, wishes)


CAUSE = Cause(
    id="tls-sni-missing",
    title="the backend requires a server name in the TLS handshake, and nginx sends none",
    family="beyond the guide",
    variants=("tls-sni-missing",),
    verdict=judge,
    page=__doc__,
)
