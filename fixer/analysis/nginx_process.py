"""Addresses of an nginx that does not run, as troubles: nobody could ask its routes, and all of them fail."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble, route_key
from fixer.analysis.run_log import lines_of, message
from fixer.formats.numbers import is_number
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, Nginx, RouteFacts

_NO_HOST = regex(r"host not found in upstream \"(?P<name>[^\"]+)\"(?: in (?P<file>/[^\s:]+):(?P<line>\d+))?")


def troubles_of_down(case: Case, nginx: Nginx) -> tuple[Trouble, ...]:
    """One for each place of an address, where nginx has no master; none while it runs."""
    if nginx.master_pid is not None:
        return ()
    found: dict[str, tuple[Endpoint, list[RouteFacts]]] = {}
    endpoints = {endpoint.id: endpoint for endpoint in case.snapshot.endpoints}
    for facts in case.snapshot.routes:
        for name in facts.endpoints if nginx.serves(facts) else ():
            if name in endpoints:
                found.setdefault(name, (endpoints[name], []))[1].append(facts)
    return tuple(
        Trouble(nginx, (endpoint,), tuple(routes), tuple(case.judged[route_key(facts)] for facts in routes))
        for endpoint, routes in found.values()
    )


def name_missing(nginx: Nginx) -> tuple[str, Evidence] | None:
    """The name that nginx could not find when it started last, and where it said so; None where it ended otherwise."""
    if isinstance(nginx.test, Known):
        match = _NO_HOST.search(nginx.test.value[1]) if nginx.test.value[0] != 0 else None
        if match is not None:
            return _host(match["name"]), Evidence("nginx-test", nginx.conf_path, match[0])
        return None
    for line in reversed(lines_of(nginx.service)[-10:] if nginx.service is not None else ()):
        match = _NO_HOST.search(message(line))
        if match is not None:
            return _host(match["name"]), Evidence("nginx-log", line.where, message(line).strip()[:300])
    return None


def name_in(said: str) -> str:
    """The name of which nginx says that it did not find it, empty where it says something else."""
    match = _NO_HOST.search(said)
    return _host(match["name"]) if match is not None else ""


def is_uncreated(case: Case, name: str) -> bool:
    """Whether a service of the compose project is called so and has no container."""
    compose = case.snapshot.compose
    return compose is not None and any(name in service.names for service in compose.uncreated)


def _host(name: str) -> str:
    """Without the port."""
    host, colon, port = name.rpartition(":")
    return host if colon and is_number(port) else name
