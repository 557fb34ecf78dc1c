"""A name such as `localhost` stands for an IPv4 and an IPv6 address of this machine, and the backend listens on one.
nginx logs `111: Connection refused` for `[::1]` now and then (502). Write the address in place of the name.

By hand
  getent ahosts localhost                         # 127.0.0.1 and ::1?
  ss -ltn 'sport = :PORT'                         # on which of them does the backend listen?
  grep 'refused' /var/log/nginx/error.log         # upstream: "http://[::1]:8000/"
  proxy_pass http://127.0.0.1:8000;               # the address on which it listens
  nginx -t && nginx -s reload

What it is
  nginx looks up a name once, at its start, and takes each of its addresses for a server of its own: it balances over
  `::1` and `127.0.0.1`. A backend with `--host 127.0.0.1` listens on the second only. The first is refused, left out
  for 10 s (`fail_timeout`), and tried again: in each worker of nginx.

Why nginx says 502
  It does not, as long as it may try the other address: the request is answered, and its log has a line every 10 s. With
  `proxy_next_upstream off`, or `proxy_next_upstream_tries 1`, such a request gets 502.

How it is told apart
  The name is in nginx's configuration, it leads to several addresses of this machine (/etc/hosts), the kernel has a
  listener on some of them, and nginx's log names one without. Where the machine has no other IPv6 address, nginx leaves
  `::1` out, and there is nothing to repair.
  backend-down, wrong-bind-address: nothing listens on any of them.

The repair and its safety
  write-address (disruptive where too few requests fail to count them): the address with the listener in place of the
  name in nginx's configuration, then nginx -t and a reload. Without `proxy_set_header Host` the backend then gets the
  address as its Host.

Variants
  localhost-resolves-v6-first  the name has an IPv6 and an IPv4 address, one of them without a listener
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress, unique_route_id
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import (
    address_text,
    clock_of,
    config_evidence,
    listener_evidence,
    listeners_on,
)
from fixer.analysis.hidden_failures import is_about_endpoint
from fixer.analysis.logged_failures import started_at
from fixer.analysis.nginx_errors import is_failing
from fixer.analysis.nginx_process import is_ip_address
from fixer.analysis.route_verdict import LOGGED_SECONDS, RouteVerdict, events_since
from fixer.formats.addresses import is_loopback
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, Listener, Nginx, Snapshot
from fixer.nginx.error_kinds import CONNECT_FAILED

with lazy_imports():  # only for what is found
    from fixer.repairs.upstream_address import point_at_address_repair

REPAIR_ID = "write-address"


@dataclass(frozen=True, slots=True)
class _HalfName:
    """An address in nginx's configuration whose name leads to `empty` addresses, and to `live` with a listener."""

    endpoint: Endpoint
    empty: tuple[str, ...]
    live: str
    listener: Listener


def judge(case: Case) -> Verdict:
    """Judge each name of this machine that nginx asks: does it lead to an address without a listener, and did nginx
    meet that?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        for half, routes in _half_names(case, nginx):
            if isinstance(nginx.errors, Unknown):
                missing.append(f"whether nginx asks {', '.join(half.empty)}: {nginx.errors.reason}")
                continue
            refused = _refused_lines(case, nginx, half, routes)
            if nginx.master_pid is not None and refused:
                findings.append(_finding(case, nginx, half, routes, refused))
            else:
                ruled.append(config_evidence(case.snapshot, nginx, half.endpoint))
    return conclude(findings, missing, ruled)


def _half_names(case: Case, nginx: Nginx) -> Iterator[tuple[_HalfName, tuple[RouteVerdict, ...]]]:
    """Yield each such address once, with the routes that lead to it."""
    asked: dict[tuple[str, int], tuple[_HalfName, dict[str, RouteVerdict]]] = {}
    for judged in case.verdicts.values():
        for name in judged.facts.endpoints if nginx.serves(judged.facts) else ():
            half = _half_name(case.snapshot, case.endpoints[name])
            if half is not None:
                key = (half.endpoint.host, half.endpoint.port)
                asked.setdefault(key, (half, {}))[1][unique_route_id(judged.facts)] = judged
    for half, routes in asked.values():
        yield half, tuple(routes.values())


def _half_name(snapshot: Snapshot, endpoint: Endpoint) -> _HalfName | None:
    led = endpoint.addresses.or_else(())
    if endpoint.unix is not None or endpoint.down or endpoint.container_port or is_ip_address(endpoint.host) or (
            not all(map(is_loopback, led)) or endpoint.node is None):
        return None
    empty = tuple(address for address in led if _listener(snapshot, endpoint, address) is None)
    held = [(address, found) for address in led if (found := _listener(snapshot, endpoint, address)) is not None]
    return _HalfName(endpoint, empty, *held[0]) if empty and held else None


def _listener(snapshot: Snapshot, endpoint: Endpoint, address: str) -> Listener | None:
    """Return the listener at an address of this machine. One on `::` may take IPv4, too; the table does not say so."""
    taking = {address, "::", *(() if ":" in address else ("0.0.0.0", "*", f"::ffff:{address}"))}  # noqa: S104
    return next((line for line in listeners_on(snapshot, endpoint.node)
                 if line.port == endpoint.port and line.address in taking), None)


def _refused_lines(case: Case, nginx: Nginx, half: _HalfName, routes: tuple[RouteVerdict, ...]) -> list[ErrorEvent]:
    """Return the lines of the last 15 minutes about an address without a listener, since nginx loaded its configuration
    and the service started. The log names the address; what is at fault is read from the kernel."""
    service = case.service(half.endpoint.listening_service or half.endpoint.configured_service)
    since = clock_of(case.snapshot, nginx.node) - LOGGED_SECONDS
    if service is not None:
        since = max(since, started_at(case, service))
    if isinstance(nginx.loaded_at, Known):
        since = max(since, nginx.loaded_at.value - 1.0)
    empty = [replace(half.endpoint, host=f"[{a}]" if ":" in a else a, addresses=Known(()), single_address="")
             for a in half.empty]
    return [event for event in events_since(nginx, [judged.facts for judged in routes], since)
            if event.kind in CONNECT_FAILED and any(is_about_endpoint(event.upstream, end) for end in empty)]


def _finding(case: Case, nginx: Nginx, half: _HalfName, routes: tuple[RouteVerdict, ...],
             refused: list[ErrorEvent]) -> Finding:
    endpoint = half.endpoint
    service = case.service(endpoint.listening_service or endpoint.configured_service)
    name, empty = service.name if service is not None else "the backend", " and ".join(half.empty)
    # nginx asks the next address of the name, unless it may not: then no visitor notices
    harmed = tuple(judged for judged in routes if is_failing(judged) or judged.facts.route.one_try)
    named = harmed or routes
    trouble = FailingAddress(nginx, _same_addresses(case, nginx, endpoint), tuple(j.facts for j in named), named)
    stops = next((judged.facts.route.one_try for judged in harmed if judged.facts.route.one_try), "")
    result = (f"nginx tries no second address ({stops})" if stops else "some requests are refused" if harmed else
              "nginx asks the other address then, and logs it each time")
    last = refused[-1]
    target = address_text(half.live, endpoint.port)
    return Finding(
        cause=CAUSE.id, variant="localhost-resolves-v6-first", role="root" if harmed else "advice",
        confidence="certain",
        summary=(f"{endpoint.host} leads nginx to {empty}, where nothing listens on port {endpoint.port}; {name} "
                 f"listens on {half.live} only: {result}"),
        detail=() if harmed else (f"writing {target} in place of the name ends these lines",),
        routes=trouble.route_ids, service=None if service is None else service.name, node=nginx.node,
        evidence=(config_evidence(case.snapshot, nginx, endpoint),
                  Evidence("file", "resolver", f"{endpoint.host}: {' '.join(endpoint.addresses.or_else(()))}"),
                  listener_evidence(case.snapshot, half.listener, service),
                  Evidence("nginx-log", last.where, f"{times_text(len(refused))}: {last.raw}"),
                  *(e for judged in harmed[:1] for e in judged.evidence[:1])),
        repairs=(point_at_address_repair(case, trouble, REPAIR_ID, target),) if harmed else (),
    )


def _same_addresses(case: Case, nginx: Nginx, endpoint: Endpoint) -> tuple[Endpoint, ...]:
    """Return each place of this nginx's configuration that names the address."""
    names = {name for judged in case.verdicts.values() if nginx.serves(judged.facts) for name in judged.facts.endpoints}
    return tuple(end for end in case.snapshot.endpoints
                 if end.id in names and (end.host, end.port, end.unix) == (endpoint.host, endpoint.port, None))


CAUSE = Cause(
    id="localhost-ipv6",
    title="a name with two addresses, and a listener on one of them",
    family="beyond the guide",
    variants=("localhost-resolves-v6-first",),
    verdict=judge,
    page=__doc__,
)
