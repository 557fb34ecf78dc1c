"""Pages beyond a route's own: those to which an answer redirects on the same site, and what their requests got."""

from __future__ import annotations

from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.nginx_config import Route
from fixer.model.snapshot import Endpoint, RouteFacts
from fixer.nginx.listen import host_header
from fixer.redaction.secrets import redact_text

_TARGET = regex(r"(?:(https?)://([A-Za-z0-9.-]+)(?::\d+)?)?(/[^?#]*)(?:[?#].*)?")
_PLAIN = regex(r"/(?:[A-Za-z0-9_.~-][A-Za-z0-9/_.~-]{0,80})?")
_HOST_NAME = regex(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


def redirect_path(route: Route, location: str) -> str:
    """Return the path of a Location header, or an empty text for another site or an unusual path.

    The header is untrusted: only a path that needs no shell quoting and holds no secret is repeated.
    """
    found = _TARGET.fullmatch(location)
    if found is None:
        return ""
    scheme, host, path = found.groups()
    ours = (host_header(route), _host_of(route), *route.server_names)       # it may repeat the host that was asked
    if scheme and (scheme != route.listen_scheme or host not in ours):
        return ""
    return plain_path(path) if path != route.path else ""


def plain_path(path: str) -> str:
    """Return the path if it is one that may be asked for and shown: it needs no quoting and holds no secret."""
    return path if _PLAIN.fullmatch(path) and redact_text(path) == path else ""


def site_url(route: Route) -> str:
    """Return scheme, name and port under which a visitor asks for the route."""
    port = route.listens[0].port if route.listens else 80
    usual = port == (443 if route.listen_scheme == "https" else 80)
    return f"{route.listen_scheme}://{_host_of(route)}{'' if usual else f':{port}'}"


def _host_of(route: Route) -> str:
    """Return the first server name that is a plain host name, else 127.0.0.1."""
    return next((name for name in route.server_names if is_host_name(name)), "127.0.0.1")


def is_host_name(name: str) -> bool:
    """Return whether it is a plain host name, which may be shown as it is."""
    return name != "_" and _HOST_NAME.fullmatch(name) is not None


def asked_paths(facts: RouteFacts) -> frozenset[str]:
    """Return the paths that the probes of a route asked for."""
    return frozenset(path for probe in facts.probes.or_else(()) if (path := probe.page or facts.route.path))


def answered_paths(facts: RouteFacts) -> frozenset[str]:
    """Return the paths for which a probe of a route got an answer that is no error of a server."""
    return frozenset(path for probe in facts.probes.or_else(()) if (probe.status or 500) < 500
                     and (path := probe.page or facts.route.path))


def failed_paths(facts: RouteFacts) -> frozenset[str]:
    """Return the paths for which a probe of a failing route got an error of a server, or no answer: all that were
    asked if each got a page, since that may be an error page."""
    return frozenset(path for probe in facts.probes.or_else(()) if (probe.status or 500) >= 500
                     and (path := probe.page or facts.route.path)) or asked_paths(facts)


def endpoints_for_page(reached: tuple[Endpoint, ...], facts: RouteFacts, page: str) -> tuple[Endpoint, ...]:
    """Return the endpoints with what they answer for another page of the route than its own, where they were asked."""
    if not page or not facts.direct:
        return reached
    told = {end: found for end, found in facts.direct if found.page == page}
    return tuple(replace(end, http=Known(told[end.id])) if end.id in told else end for end in reached)
