"""Findings about TLS handshakes with a backend that fail for a reason in nginx's log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from fixer.analysis.case import Case
from fixer.analysis.cause import conclude
from fixer.analysis.directives_in_effect import PlacedDirective, all_directives, directives_for, directives_of
from fixer.analysis.evidence import age_text, host_path_of
from fixer.analysis.exits.exec_step import stat_of
from fixer.analysis.logged_failures import started_at
from fixer.analysis.nginx_errors import Kinds, for_each_logged_route, is_failing, logged_evidence, service_of_route
from fixer.analysis.route_verdict import RouteVerdict
from fixer.formats.application_servers import certificate_file_of
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Confidence, Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.nginx_config import Route
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, Service
from fixer.repairs.file_edits import NotEditable, check_and_reload_steps, edit_risk, overwriters_text
from fixer.repairs.nginx_directives import DirectiveValue, set_directives
from fixer.repairs.start_service import restart_steps

HandshakeProblem: TypeAlias = Literal["untrusted", "no-version"]


def handshake_verdict(case: Case, kinds: Kinds, kind: HandshakeProblem) -> Verdict:
    """Return the verdict about every TLS route that fails our probe and has such a line in nginx's recent log."""
    return conclude(*handshake_findings(case, kinds, kind))


def handshake_findings(case: Case, kinds: Kinds,
                       kind: HandshakeProblem) -> tuple[list[Finding], list[str], list[Evidence]]:
    """Return these findings, what could not be read, and the evidence that rules them out."""
    def found(nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...], asked: bool) -> Finding | None:
        if not is_failing(judged) or judged.facts.route.scheme != "https":
            return None

        return FINDING_MAKERS[kind](case, (nginx, judged, events), "certain" if asked else "likely")

    return for_each_logged_route(case, kinds, found)


# What nginx and a TLS backend disagree about (trust, name, version), and the directives that settle it.
LoggedRoute: TypeAlias = tuple[Nginx, RouteVerdict, tuple[ErrorEvent, ...]]
"""An nginx, one of its failing routes, and the log lines with the reason."""

CA_KEY, NAME_KEY = "ca", "tls_name"
_VERIFY_ERROR = regex(r"upstream SSL certificate verify error: \((?P<code>\d+):(?P<why>[^)]*)\)")
_NAME_MISMATCH = regex(r'upstream SSL certificate does not match "(?P<name>[^"]*)"')
_DATE_ERRORS = frozenset({9, 10})                                 # X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED
# no issuer, self-signed, not trusted
_UNTRUSTED_ERRORS = frozenset({2, 18, 19, 20, 21, 27})
_CHAIN_ERRORS = frozenset({20, 21})      # no issuer was found for what the backend sent
_CLOCK_SLACK = 2.0      # seconds between the clocks of processes and of files
FILE_PATH = r"/[^\s;'\"{}$\\]+"
HOST_NAME = r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
_DEFAULT_PROTOCOLS = "TLSv1.2 TLSv1.3"
_DEFAULT_VERSIONS = frozenset(_DEFAULT_PROTOCOLS.split())
_MOST_SHOWN = 2


def _untrusted_finding(case: Case, where: LoggedRoute, confidence: Confidence) -> Finding:
    """Return the finding about a certificate that nginx verified and rejected."""
    judged, events = where[1:]
    message, route = events[-1].message, judged.facts.route
    service = service_of_route(case, judged)
    own = certificate_file_of(service) if service is not None else ""
    beside = f" ({own})" if own else ""
    named = _NAME_MISMATCH.match(message)
    found = _VERIFY_ERROR.match(message)
    code, why = (int(found["code"]), found["why"]) if found is not None else (0, "")
    if named is not None:
        variant, what = "tls-verify-name", f"it does not contain the name {named['name'][:100]}"
        need = Need(NAME_KEY, "value",
                    f"a name in the certificate of {_backend_text(service)}{beside}; nginx expects "
                    f"{named['name'][:100]}", pattern=HOST_NAME)
        repair = _directive_repair(case, where, "name-certificate", need, (("proxy_ssl_name", "{tls_name}"),))
    elif code in _UNTRUSTED_ERRORS:
        variant, what = "tls-verify-unknown-ca", f"no CA that nginx trusts has signed it ({why})"
        itself = f"; it is self-signed, so trust its own file{beside}" if code == 18 and own else ""
        need = Need(CA_KEY, "value", f"the CA file that nginx should trust for {_backend_text(service)}{itself}",
                    pattern=FILE_PATH)
        repair = _directive_repair(case, where, "trust-certificate", need, (("proxy_ssl_trusted_certificate", "{ca}"),))
    else:
        times = code in _DATE_ERRORS
        variant, what = "tls-verify-expired" if times else "tls-verify-unknown-ca", why or "it is not valid"
        again = f"restart {service.name}" if service is not None else "restart the backend"
        clock = "check that the clock of nginx's machine is right (date); " if times else ""
        manual = (f"{clock}install a valid certificate for {_backend_text(service)}{beside}, then {again}: it reads "
                  "its files at startup")
        repair = Repair("renew-certificate", "manual", f"renew the certificate of {_backend_text(service)}", (),
                        manual=manual)
    summary = f"nginx does not trust the certificate of {_backend_text(service)} for {route.location}: {what}"
    found_so = _finding(case, where, names=("tls-verify-failed", variant), summary=summary, repair=repair,
                        confidence=confidence)
    changed = _changed_certificate(case, service, own) if service is not None and own else None
    if service is not None and changed is not None:
        restart = _restart_repair(case, service, next(iter(case.reached(judged.facts)), None))
        detail = f"{service.name} serves the certificate that it read when it started: {own} has another one since"
        return replace(found_so, detail=(detail,), evidence=(*found_so.evidence, changed), repairs=(restart, repair))
    trusted = _nearest_directive(case, where, f"{route.kind.removesuffix('_pass')}_ssl_trusted_certificate")
    older = _changed_authority(case, where[0], trusted.words[1]) if trusted is not None and (
        code in _UNTRUSTED_ERRORS) else None
    if older is not None and trusted is not None:
        does = f"reload nginx, so that it trusts what is in {trusted.words[1]} now"
        reload = Repair("reload-nginx", "safe", does, check_and_reload_steps(case.snapshot, where[0]))
        detail = f"nginx trusts what it read of {trusted.words[1]} when it loaded its configuration"
        return replace(found_so, detail=(detail,), evidence=(*found_so.evidence, older), repairs=(reload, repair))
    if code in _CHAIN_ERRORS and trusted is not None:
        detail = (f"nginx trusts what is in {trusted.words[1]}: if that is the right CA, {_backend_text(service)} does "
                  f"not send the certificates between the two. Then put the whole chain into its file{beside}, and "
                  "restart it")
        return replace(found_so, detail=(detail,), evidence=(*found_so.evidence, Evidence(
            "nginx-config", f"{trusted.path}:{trusted.line}", trusted.text)))
    return found_so


def _nearest_directive(case: Case, where: LoggedRoute, name: str) -> PlacedDirective | None:
    near = directives_for(case.snapshot, where[0], where[1].facts.route)
    return next((placed for placed in near if placed.words[0] == name and len(placed.words) > 1), None)


def _no_common_version_finding(case: Case, where: LoggedRoute, confidence: Confidence) -> Finding:
    """Return the finding about two peers that offer no common version of TLS."""
    nginx, judged, _ = where
    route, service = judged.facts.route, service_of_route(case, judged)
    own = _offered_versions(case, nginx, route)
    ours = [placed for placed in all_directives(case.snapshot, nginx) if placed.words[0] == "ssl_protocols"]
    theirs = ours if service is not None and service == nginx.service else []       # nginx's own server is the backend
    shown = tuple(Evidence("nginx-config", f"{placed.path}:{placed.line}", placed.text)
                  for placed in (*([own] if own is not None else []), *theirs[:_MOST_SHOWN]))
    if own is not None and not _DEFAULT_VERSIONS.issubset(own.words):
        repair = _directive_repair(case, where, "offer-tls-versions", None,
                                   (("proxy_ssl_protocols", _DEFAULT_PROTOCOLS),))
    else:
        manual = (f"nginx offers TLS 1.2 and 1.3 by default: enable one of them on {_backend_text(service)}. Older "
                  "versions are broken, and only an operator may allow them (proxy_ssl_protocols)")
        repair = Repair("offer-tls-versions", "manual", f"enable TLS 1.2 or 1.3 on {_backend_text(service)}", (),
                        manual=manual)
    summary = f"nginx and {_backend_text(service)} have no TLS version in common for {route.location}"
    return _finding(case, where, names=("tls-mismatch", "tls-protocol-mismatch"), summary=summary, repair=repair,
                    confidence=confidence, more=shown)


def _offered_versions(case: Case, nginx: Nginx, route: Route) -> PlacedDirective | None:
    """Return the directive that says which versions nginx offers for the route: the nearest one, else one that stands
    in no block of another file, which nginx's main file includes into `http`."""
    name = f"{route.kind.removesuffix('_pass')}_ssl_protocols"
    near = (placed for placed in directives_for(case.snapshot, nginx, route) if placed.words[0] == name)
    included = (placed for file in case.snapshot.files if file.node == nginx.node and name.encode() in file.data
                for placed in directives_of(file.data, file.path)
                if placed.words[0] == name and any(one is placed.directive for one in placed.directive.tree.directives))
    return next(near, None) or next(included, None)


def _backend_text(service: Service | None) -> str:
    return service.name if service is not None else "the backend"


def _changed_certificate(case: Case, service: Service, path: str) -> Evidence | None:
    """Return evidence that the file of its certificate was changed after the service started, and so was not read."""
    box = service.container
    stat = stat_of(case.snapshot, service.node, path) if box is None else dict(case.snapshot.engine_files).get(
        host_path_of(box, path))
    began = started_at(case, service)
    if stat is None or not began or stat.end.mtime <= began + _CLOCK_SLACK:
        return None
    return Evidence("file", path, f"changed {age_text(stat.end.mtime - began)} after {service.name} started")


def _changed_authority(case: Case, nginx: Nginx, path: str) -> Evidence | None:
    """Return evidence that the file of trusted authorities was changed after nginx had read it."""
    stat, loaded = stat_of(case.snapshot, nginx.node, path), nginx.loaded_at.or_else(0.0)
    if stat is None or not loaded or stat.end.mtime <= loaded + _CLOCK_SLACK:
        return None
    return Evidence("file", path, f"changed {age_text(stat.end.mtime - loaded)} after nginx loaded its configuration")


def _restart_repair(case: Case, service: Service, endpoint: Endpoint | None) -> Repair:
    steps = restart_steps(case.snapshot, service, endpoint)
    does = f"restart {service.name}, so that it serves the certificate that is in its file now"
    return Repair("restart-service", "disruptive", does, steps) if steps else Repair(
        "restart-service", "manual", does, (), manual=does)


def _directive_repair(case: Case, where: LoggedRoute, name: str, need: Need | None,
                      wishes: Sequence[tuple[str, str]]) -> Repair:
    """Return `location_directives_repair` for the one location."""
    return location_directives_repair(case, where[0], (where[1].facts.route,), Repair(
        name, "safe", f"for {where[1].facts.route.location}", (), (need,) if need is not None else ()), wishes)


def location_directives_repair(case: Case, nginx: Nginx, routes: Sequence[Route], draft: Repair,
                               wishes: Sequence[tuple[str, str]]) -> Repair:
    """Return a repair that sets directives of locations; `{KEY}` in them stands for the value of that need. `draft` has
    its id, the end of its summary, and what it needs."""
    given = {need.key: case.inputs.get(need.key, need.default) for need in draft.needs}
    chosen = {key: value or "VALUE" for key, value in given.items()}
    settings = "; ".join(f"{key} {value.format(**chosen)}" for key, value in wishes)
    made = replace(draft, summary=f"set {settings} {draft.summary}")
    if None in given.values():
        return made
    sets = [DirectiveValue(route, key, value.format(**chosen)) for route in routes for key, value in wishes]
    edit = set_directives(case.snapshot, nginx, sets, made.summary)
    if isinstance(edit, NotEditable):
        spots = ", ".join(dict.fromkeys(f"{route.source.file}:{route.source.line}" for route in routes[:3]))
        return replace(made, risk="manual", manual=(
            f"set {settings} in the location at {spots}; fixer cannot do this: {edit.reason}"))
    return replace(
        made, risk=edit_risk((edit.file,), "safe"),
        summary=f"set {settings} at {', '.join(edit.where[:3])}{overwriters_text((edit.file,))}",
        steps=(edit.step, *check_and_reload_steps(case.snapshot, nginx)))


def _finding(case: Case, where: LoggedRoute, *, names: tuple[str, str], summary: str, repair: Repair,
             confidence: Confidence,
             more: tuple[Evidence, ...] = ()) -> Finding:
    nginx, judged, events = where
    service = service_of_route(case, judged)
    return Finding(
        cause=names[0], variant=names[1], role="root", confidence=confidence, summary=summary, detail=(),
        routes=(judged.facts.route.id,), service=service.name if service is not None else None, node=nginx.node,
        evidence=(*logged_evidence(case, nginx, judged, events), *more), repairs=(repair,),
    )


FINDING_MAKERS: Mapping[str, Callable[[Case, LoggedRoute, Confidence], Finding]] = {
    "untrusted": _untrusted_finding, "no-version": _no_common_version_finding,
}
