"""WebSocket: what nginx does not hand on, what it hands on too often, and backends that lack the library for it.

A page's status shows none of it: the plain answer of such an address is below 500. So these findings are advice.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import config_evidence, endpoint_text, log_evidence
from fixer.analysis.load.server_protocol import UPGRADE_STATUSES, may_lack_websocket
from fixer.analysis.nginx_errors import KEEPS_BY_DEFAULT, nginx_version_of
from fixer.analysis.route_verdict import NGINX_PAGE, RouteVerdict
from fixer.analysis.run_log import last_run_lines, message_of
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Confidence, Finding
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, Nginx, ProbeResult, Service

_CAUSE_ID = "wrong-protocol"
_BAD_REQUEST, _UPGRADE_REQUIRED = UPGRADE_STATUSES
# what servers of WebSocket answer to a plain request with 400
_WANTS_UPGRADE = regex(r"(?i)\bweb-?socket\b|\bupgrade (?:hdr|header|request|required|token)\b|'upgrade' token"
                       r"|\"Connection\" must be \"Upgrade\"")
_NO_LIBRARY = regex(r"No supported WebSocket library detected|WebSocket transport not available\. Install "
                    r"|you need to build uWSGI with SSL support to use the websocket")
_LINES = ("proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
          "proxy_set_header Connection $connection_upgrade;")
_MAP = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"


def websocket_findings(case: Case) -> list[Finding]:
    """Return the advice on each address that takes WebSocket, and on each service that cannot take it."""
    found: list[Finding] = []
    for nginx in case.snapshot.nginxes:
        for judged in case.verdicts.values():
            if nginx.serves(judged.facts) and judged.facts.route.kind == "proxy_pass" and judged.state == "ok":
                ends = [case.endpoints[name] for name in judged.facts.endpoints]
                found += _lost_upgrade(case, nginx, judged, ends) or _plain_upgrade(case, nginx, judged, ends)
    return [*found, *(one for service in case.snapshot.services if (one := _missing_library(case, service)))]


def wants_upgrade(heard: ProbeResult) -> bool:
    """Return whether an answer to a plain request says that the address takes WebSocket alone."""
    if NGINX_PAGE in heard.body:
        return False
    return heard.status == _UPGRADE_REQUIRED or (
        heard.status == _BAD_REQUEST and _WANTS_UPGRADE.search(heard.body) is not None)


def _lost_upgrade(case: Case, nginx: Nginx, judged: RouteVerdict, ends: list[Endpoint]) -> list[Finding]:
    """Return the finding on an address of WebSocket to which nginx does not hand on what opens a socket."""
    probes = judged.facts.probes.or_else(())
    if not ends or not probes or not all(map(wants_upgrade, probes)):
        return []
    # without nginx often another page was asked; such an answer is none of nginx's own
    said = next((end for end in ends if isinstance(end.http, Known) and wants_upgrade(end.http.value)), ends[0])
    lacks = list(_lacking(judged))
    if not lacks:
        return []
    route, status = judged.facts.route, probes[0].status
    summary = (f"the backend of {route.location} takes WebSocket alone at {endpoint_text(said)} (a plain request gets "
               f"{status}), and nginx {' and '.join(lacks)}: no visitor can open a socket")
    detail = (f"write into that location: {_LINES}", f"and beside the servers: {_MAP}")
    return [_told(case, nginx, (judged, said), ("websocket-not-passed", summary, "certain"), detail)]


def _lacking(judged: RouteVerdict) -> Iterator[str]:
    """Yield what nginx does to a request for WebSocket on that route, as far as its files and its version say."""
    route, version = judged.facts.route, nginx_version_of(judged)
    if not route.upgrades:
        yield "does not hand on the header Upgrade"
    elif route.connection is None and version and version < KEEPS_BY_DEFAULT:
        yield "sends Connection: close"
    elif route.connection is not None and "upgrade" not in route.connection.lower() and "$" not in route.connection:
        yield f"sends Connection: {route.connection}" if route.connection else "sends no header Connection"
    if route.http_version == "1.0" or (not route.http_version and version and version < KEEPS_BY_DEFAULT):
        yield "asks in HTTP/1.0"


def _plain_upgrade(case: Case, nginx: Nginx, judged: RouteVerdict, ends: list[Endpoint]) -> list[Finding]:
    """Return the finding on pages that a backend refuses because each request says `Connection: upgrade`."""
    route, probes = judged.facts.route, judged.facts.probes.or_else(())
    always = (route.connection or "").strip().lower() == "upgrade"
    refused = probes and all(p.status == _BAD_REQUEST and NGINX_PAGE not in p.body for p in probes)
    well = next((end for end in ends if isinstance(end.http, Known) and end.http.value.status is not None
                 and end.http.value.status < _BAD_REQUEST), None)
    if not always or not refused or well is None:
        return []
    answer = well.http.or_else(probes[0]).status
    summary = (f"nginx sends `Connection: upgrade` with every request of {route.location}, which gets "
               f"{_BAD_REQUEST}; without nginx {endpoint_text(well)} answers {answer}")
    detail = ("send it with requests for WebSocket only: proxy_set_header Connection $connection_upgrade;",
              f"and beside the servers: {_MAP}")
    return [_told(case, nginx, (judged, well), ("websocket-on-plain-requests", summary, "likely"), detail)]


def _told(case: Case, nginx: Nginx, place: tuple[RouteVerdict, Endpoint], words: tuple[str, str, Confidence],
          detail: tuple[str, ...]) -> Finding:
    judged, end = place
    heard = end.http.or_else(None)
    is_of_page = heard is not None and (wants_upgrade(heard) or words[0] != "websocket-not-passed")
    direct = (Evidence("probe", endpoint_text(end), f"answers {heard.status} without nginx"),) if (
        heard is not None and is_of_page) else ()
    source = judged.facts.route.source
    near = Evidence("nginx-config", f"{source.file}:{source.line}", f"proxy_pass {judged.facts.route.pass_text};")
    service = case.service(end.listening_service)
    return Finding(
        cause=_CAUSE_ID, variant=words[0], role="advice", confidence=words[2], summary=words[1], detail=detail,
        routes=(judged.facts.route.id,), service=service.name if service is not None else None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            near, config_evidence(case.snapshot, nginx, end), *direct, *judged.evidence[:1]))))


def _missing_library(case: Case, service: Service) -> Finding | None:
    """Return the finding on a server that refuses WebSocket because it has no library for it, as its log says."""
    if not service.is_app_server or not may_lack_websocket(service):
        return None
    said = next((line for line in reversed(last_run_lines(case.snapshot, service))
                 if _NO_LIBRARY.search(message_of(line))), None)
    if said is None:
        return None
    named = {service.id} & {end.listening_service for end in case.snapshot.endpoints}
    routes = tuple(j.facts.route.id for j in case.verdicts.values() if named and any(
        case.endpoints[name].listening_service == service.id for name in j.facts.endpoints))
    return Finding(
        cause=_CAUSE_ID, variant="websocket-library-missing", role="advice", confidence="certain",
        summary=f"{service.name} refuses WebSocket: it has no library for it, as it says itself", routes=routes,
        detail=("add the package that the line names to its environment (uvicorn: websockets, or uvicorn[standard]), "
                "then restart it",),
        service=service.name, node=service.node, evidence=(log_evidence(said.text, said.where),))
