"""Values that nginx could not use when a request came: each kind of line with the directive that brings it about."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import file_line_text, find_node, shorten
from fixer.analysis.nginx_errors import MIN_SYMPTOM_LINES, logged_evidence
from fixer.analysis.route_verdict import RouteVerdict
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence
from fixer.model.nginx_config import Route
from fixer.model.plan import WriteFile
from fixer.model.snapshot import ErrorEvent, Nginx
from fixer.nginx.address import parse_url
from fixer.nginx.effective_config import word_span
from fixer.nginx.span_edit import EditRefused
from fixer.nginx.variables import VARIABLE, variable_name
from fixer.repairs.file_edits import (
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    edit_spans,
    locate_editable_file,
    overwriters_text,
)

with lazy_imports():  # not needed in most looks
    from fixer.analysis.directives_in_effect import PlacedDirective, all_directives, directives_for

_MOST_SHOWN = 3
_STAYS = frozenset({"break", "redirect", "permanent"})     # flags of a rewrite that start no new search
_REPAIR, _SCHEME_KEY = "correct-directive", "scheme"


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong (a variant with its summary), the directives that say so, and what a person writes instead."""

    variant: str
    summary: str
    directives: tuple[PlacedDirective, ...]
    instead: str
    repair: Repair | None = None


def logged_finding(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                   asked: bool) -> Finding | None:
    """Return the finding on one route; None if the lines do not suffice, or no directive explains them any more."""
    if not asked and len(events) < MIN_SYMPTOM_LINES:
        return None
    fault = _fault(case, nginx, judged.facts.route, events[-1])
    if fault is None:
        return None
    route = judged.facts.route
    places = tuple(Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, d.path, d.line), d.text)
                   for d in fault.directives[:_MOST_SHOWN])
    return Finding(
        cause="invalid-proxy-target", variant=fault.variant, role="root", confidence="certain" if asked else "likely",
        summary=f"{fault.summary}: nginx answers {route.location} itself, without the backend", detail=(),
        routes=(route.id,), service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((*places, *logged_evidence(case, nginx, judged, events)))),
        repairs=(fault.repair or _by_hand(case, nginx, fault),),
    )


def _by_hand(case: Case, nginx: Nginx, fault: _Fault) -> Repair:
    shown = [f"`{d.text}` at {file_line_text(case.snapshot, nginx.node, d.path, d.line)}"
             for d in fault.directives[:_MOST_SHOWN]]
    where = " or ".join(shown) or "the directives of this location"
    name = fault.directives[0].words[0] if fault.directives else "the location"
    return Repair(_REPAIR, "manual", f"correct {name}", (),
                  manual=f"correct {where}: {fault.instead}. Then run nginx -t and reload nginx")


def _fault(case: Case, nginx: Nginx, route: Route, event: ErrorEvent) -> _Fault | None:
    if event.kind == "proxy-bind-failed":
        return _bind(case, nginx, route)
    near = tuple(directives_for(case.snapshot, nginx, route))
    if event.kind == "request-impossible":
        return _impossible(event, near)
    if event.kind == "redirection-cycle":
        return _cycle(near)
    return _cache(case, nginx, near) if event.kind == "cache-missing" else _target(case, nginx, route, near)


def _bind(case: Case, nginx: Nginx, route: Route) -> _Fault | None:
    """Judge the source address of the route: does the machine lack it now?"""
    name = f"{route.kind.removesuffix('_pass')}_bind"
    found = next((d for d in directives_for(case.snapshot, nginx, route) if d.words[0] == name), None)
    node = find_node(case.snapshot, nginx.node)
    if found is not None and "transparent" in found.words[2:]:
        return _Fault("proxy-bind-unavailable", f"nginx's workers may not do what `{found.text}` demands", (found,), (
            "a foreign source address needs the right CAP_NET_RAW in the workers, and routes that lead answers back: "
            "take `transparent` out, or give them both"))
    if found is None or len(found.words) < 2 or "$" in found.words[1] or node is None:
        return None
    address = _host_of(found.words[1])
    if address in node.addresses:
        return None        # it has come back
    have = ", ".join(a for a in node.addresses if (":" in a) == (":" in address)) or "not known"
    return _Fault("proxy-bind-unavailable", f"`{found.text}` names an address that the machine does not have", (found,),
                  f"remove it, so that the kernel chooses, or name an address of the machine ({have})")


def _host_of(text: str) -> str:
    """Return an address of `proxy_bind` without its port and brackets."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text if text.count(":") > 1 else text.partition(":")[0]


# nginx's words about a request that it cannot make, the directives that bring that about, and what to write instead.
_IMPOSSIBLE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("thread pool", ("aio", "thread_pool"),
     "let the variable name a pool that thread_pool defines, or write `aio threads`"),
    ("requires SSL support", ("_pass",),
     "this nginx was built without TLS: use the plain protocol, or another build"),
    ("request is too", ("uwsgi_param", "large_client_header_buffers", "uwsgi_pass_request_headers"),
     "uwsgi takes 64 KiB of parameters and headers: pass fewer, or limit what visitors may send"),
    ("record is too big", ("fastcgi_param", "large_client_header_buffers"),
     "FastCGI takes 64 KiB in one record: pass fewer parameters, or shorter ones"),
    ("memcached_key", ("memcached_pass", "set"), "set $memcached_key before the pass"),
    ("zero length URI", ("_pass", "rewrite", "set"),
     "the URI behind the address is empty: let its variable hold a path"),
    ("upgrade in subrequest", ("auth_request", "mirror", "_pass"),
     "the backend switched the protocol of a request that visitors do not see: ask a plain page there"),
    ("SSL_set_tlsext_host_name", ("_ssl_name", "_ssl_server_name"),
     "the name for the handshake is no name of a host: shorten or correct what its variable holds"),
)


def _impossible(event: ErrorEvent, near: tuple[PlacedDirective, ...]) -> _Fault | None:
    """Find what makes a request impossible, by nginx's own words: the nearest directives of that kind."""
    row = next((row for row in _IMPOSSIBLE if row[0] in event.message), None)
    if row is None:
        return None
    found = tuple(placed for end in row[1] for placed in near if placed.words[0].endswith(end))
    return _Fault("request-impossible", f"nginx cannot make its request ({shorten(event.message, 120)})", found, row[2])


def _cycle(near: tuple[PlacedDirective, ...]) -> _Fault | None:
    """Find what can lead a request round: the nearest directives that search a location again."""
    found = tuple(d for d in near if _starts_again(d.words))
    if not found:
        return None
    return _Fault("rewrite-cycle", "nginx leads requests round in a cycle", found, (
        "what it leads to matches it again, more than ten times. A rewrite with `break` stays in its location; the "
        "last part of try_files, and the page of error_page, must exist"))


def _starts_again(words: tuple[str, ...]) -> bool:
    if words[0] == "rewrite":
        return len(words) > 2 and not _STAYS.intersection(words[3:]) and "://" not in words[2]
    return words[0] == "try_files" or (words[0] == "error_page" and words[-1].startswith(("/", "@")))


def _cache(case: Case, nginx: Nginx, near: tuple[PlacedDirective, ...]) -> _Fault | None:
    found = next((d for d in near if d.words[0].endswith("_cache")), None)
    if found is None or "$" not in found.directive.args[0].decode("utf-8", "replace"):
        return None        # nginx -t refuses a cache that is not there, unless a variable names it
    every = tuple(all_directives(case.snapshot, nginx))
    zones = sorted({word.partition("=")[2].partition(":")[0] for d in every if d.words[0].endswith("_cache_path")
                    for word in d.words if word.startswith("keys_zone=")})
    known = f"let the variable name one of the caches that there are ({', '.join(zones)})" if zones else (
        "no file defines a cache: remove it, or define one with proxy_cache_path")
    return _Fault("cache-zone-variable-missing", f"`{found.text}` names a cache that does not exist",
                  (found, *_assignments(every, found.words[1])), known)


def _target(case: Case, nginx: Nginx, route: Route, near: tuple[PlacedDirective, ...]) -> _Fault | None:
    """Judge the argument of the pass, and what its variables are set to."""
    passes = tuple(d for d in near if d.words[0] == route.kind and d.directive.start == route.source.start)
    if not passes or "$" not in route.pass_text:
        return None        # nginx -t refuses a literal one: this configuration is not what wrote the line
    set_by = tuple(_assignments(tuple(all_directives(case.snapshot, nginx)), route.pass_text))
    return _Fault("proxy-pass-invalid-url", f"`{passes[0].text}` gives no usable URL", (*set_by, *passes),
                  "its value has to be scheme://host:port, or the name of an upstream behind the scheme",
                  _complete_url(case, nginx, route, set_by))


def _assignments(every: tuple[PlacedDirective, ...], text: str) -> Iterator[PlacedDirective]:
    """Yield the directives that give the variables of a text their values."""
    names = {f"${variable_name(match).decode()}" for match in VARIABLE.finditer(text.encode())}
    for placed in every:
        words = placed.words
        if (words[0] == "set" and words[1:2] and words[1] in names) or (
                words[0] in ("map", "geo") and words[-1] in names):
            yield placed


def _is_address(value: bytes) -> bool:
    """Return whether only the scheme is missing: the value begins with a host."""
    url = parse_url(value, b"proxy_pass")
    return url.scheme is None and bool(url.authority.host) and (url.authority.port or 0) >= 0 and value[:1] != b"/"


def _complete_url(case: Case, nginx: Nginx, route: Route, set_by: tuple[PlacedDirective, ...]) -> Repair | None:
    """Return the repair that writes the missing scheme; None if that is not all that is wrong."""
    one = set_by[0] if len(set_by) == 1 else None
    if one is None or one.words[0] != "set" or route.kind != "proxy_pass" or len(one.words) != 3 or (
            not route.pass_text.startswith("$") or "$" in one.words[2]):
        return None
    if not one.words[2].startswith("unix:/") and not _is_address(one.directive.args[1]):
        return None
    need = Need(_SCHEME_KEY, "choice", f"how {one.words[2]} is to be asked", choices=("http", "https"), default="http")
    scheme = case.inputs.get(_SCHEME_KEY, "http")
    value = f"{scheme}://{one.words[2]}"
    summary = f"`set {one.words[1]} {value}`"
    place = locate_editable_file(case.snapshot, nginx.node, one.path)
    if isinstance(place, NotEditable) or scheme not in need.choices:
        return None
    span = word_span(one.directive, 2)
    try:
        step: WriteFile = edit_spans(place, {(span.start, span.end): value.encode()}, summary)
    except EditRefused:
        return None
    where = file_line_text(case.snapshot, nginx.node, one.path, one.line)
    return Repair("complete-url", edit_risk((place,), "safe"), f"{summary} at {where}{overwriters_text((place,))}",
                  (step, *check_and_reload_steps(case.snapshot, nginx)), (need,))
