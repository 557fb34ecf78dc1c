"""A page that sends visitors on: what it leads to was not asked, since a route gets one request."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.nginx_config import Route
from fixer.redaction.secrets import redact_text

_SHOWN = 3
_GOES = regex(r"(?:(https?)://([A-Za-z0-9.-]+)(?::\d+)?)?(/(?:[A-Za-z0-9_.~-][A-Za-z0-9/_.~-]{0,80})?)(?:[?#].*)?")
_NAME = regex(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


def sent_on(case: Case) -> tuple[str, ...]:
    """One line that names the pages of the same sites that visitors get to see and nobody asked for."""
    asked = {f"{_site(judged.facts.route)}{judged.facts.route.path}" for judged in case.judged.values()}
    told: list[str] = []
    for judged in case.judged.values():
        route, probes = judged.facts.route, judged.facts.probes
        if judged.state != "ok" or route.internal or not isinstance(probes, Known) or not probes.value:
            continue
        # what did not send on is the page that a person asked for
        paths = [_next(route, probe.location) for probe in probes.value]
        page = f"{_site(route)}{paths[0]}"
        if all(paths) and page not in asked:
            asked.add(page)
            told.append(page)
    if not told:
        return ()
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return (f"not asked: {', '.join(told[:_SHOWN])}{more}, where visitors are sent on to (--url asks for one)",)


def _next(route: Route, location: str) -> str:
    """The path that a Location header leads to at the site that sent it; empty where it is another's, or no plain one.

    What it says is a stranger's word: only what needs no quoting in a shell, and holds no secret, is repeated.
    """
    found = _GOES.fullmatch(location)
    if found is None:
        return ""
    scheme, host, path = found.groups()
    if scheme and (scheme != route.listen_scheme or host not in (_host(route), *route.server_names)):
        return ""
    return path if path != route.path and redact_text(path) == path else ""


def _site(route: Route) -> str:
    port = route.listens[0].port if route.listens else 80
    usual = port == (443 if route.listen_scheme == "https" else 80)
    return f"{route.listen_scheme}://{_host(route)}{'' if usual else f':{port}'}"


def _host(route: Route) -> str:
    """The first name that is one; this machine's own where there is none."""
    return next((name for name in route.server_names if _NAME.fullmatch(name) and name != "_"), "127.0.0.1")
