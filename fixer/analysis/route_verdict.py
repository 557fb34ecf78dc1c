"""Route verdicts: what each probe got, and whether nginx or the application sent the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal, TypeAlias

from fixer.analysis.other_pages import endpoints_for_page
from fixer.formats.numbers import share_text
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.snapshot import HANG_UPS, Endpoint, ErrorEvent, Nginx, ProbeResult, RouteFacts, Snapshot, needs_tls
from fixer.nginx.error_kinds import is_about_route, is_about_upstream

with lazy_imports():  # not needed in most looks
    from fixer.nginx.logged_server import known_names, logged_names, may_have_logged

RouteState: TypeAlias = Literal["ok", "failing", "degraded", "slow", "unknown"]
_ProbeVerdict: TypeAlias = Literal["good", "bad", "slow", "unknown"]

RECENT_ERROR = 60.0         # seconds; an older line of the error log says nothing about the present state
LOGGED_SECONDS = 900.0      # seconds: a failure that nginx logged within them is over only if something shows it
_CLOCK_AHEAD = 5.0         # seconds by which the clocks of two views of one machine may differ
CLOCK_GRAIN = 0.5   # seconds; clock and uptime are read one after the other: a file and a worker closer have no order
_GATEWAY_STATUSES = (502, 503, 504)
NGINX_PAGE = "<center>nginx"      # the footer of pages that nginx generates
_PLAIN_PROGRAMS = frozenset({"", "python", "binary", "node"})
_VARIABLE = regex(r"\$\{?(\w+)")
_GROUP = regex(r"\(\?P?<(\w+)>")
_REQUEST_VARIABLES = ("arg_", "cookie_", "http_")
_NGINX_UNREACHABLE = frozenset({"refused", "reset", "closed", "no-socket", "unreachable"})


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    """How a route does. `failed` of `total` requests failed. `from_application`: the application sent its 5xx itself.

    `skipped_members` are endpoints that are down although every request was answered: nginx skips them. `page` is the
    page that `reason` is about, if that is another than the route's own.
    """

    facts: RouteFacts
    state: RouteState
    reason: str
    evidence: tuple[Evidence, ...]
    failed: int = 0
    total: int = 0
    succeeded: int = 0
    from_application: bool = False
    skipped_members: tuple[str, ...] = ()
    page: str = ""

    @property
    def some_answered(self) -> bool:
        """True if at least one answer is not a gateway error."""
        return self.succeeded > 0

    @property
    def has_failures(self) -> bool:
        """True if at least one request got a gateway error."""
        return self.state in ("failing", "degraded")


def is_closed(endpoint: Endpoint) -> bool | None:
    """Return whether nothing accepts there, by a connect, else by the kernel's table; None if neither is known."""
    if isinstance(endpoint.tcp, Known):
        if endpoint.tcp.value.error is None and not (endpoint.container_port and isinstance(endpoint.listener, Known)):
            return False      # docker-proxy accepts even if nothing listens inside the container
        if endpoint.tcp.value.error in ("refused", "no-socket"):
            return True
    if isinstance(endpoint.listener, Known):
        return endpoint.listener.value is None
    return None


def route_verdict(
    facts: RouteFacts, reached: tuple[Endpoint, ...], nginx: Nginx | None, snapshot: Snapshot,
) -> RouteVerdict:
    """Return the verdict of a route, from all its probes."""
    runs = nginx is not None and nginx.master_pid is not None
    if facts.route.location == "stream" and not facts.route.reached_from and runs and reached and all(map(
        is_confirmed_closed, reached)):
        where = Evidence("nginx-config", f"{facts.route.source.file}:{facts.route.source.line}",
                         f"proxy_pass {facts.route.pass_text};")
        return RouteVerdict(facts, "failing", "passes connections to where nothing listens", (where,))
    if isinstance(facts.probes, Unknown):
        return RouteVerdict(facts, "unknown", f"not probed: {facts.probes.reason}", ())
    probes = facts.probes.value
    if not probes:
        return RouteVerdict(facts, "unknown", "not probed", ())
    doubtful = nginx is not None and any((probe.status or 0) >= 500 for probe in probes)
    fresh = doubtful and nginx is not None and bool(recent_events(nginx, (facts,), snapshot, is_about_route))
    speaking = tuple(e for e in reached if not (doubtful and _is_own_listener(e, facts, nginx)))
    others = {status for e in reached if doubtful and (status := _other_gateway_status(e, snapshot)) is not None}
    words: list[_ProbeVerdict] = [
        "bad" if p.status in others or _is_other_gateway_page(p, reached, snapshot) else
        _judge_probe(p, facts, endpoints_for_page(speaking, facts, p.page), fresh, nginx) for p in probes
    ]
    if facts.url_asked and words[0] == "slow":
        words[0] = "bad"        # no answer for as long as nginx itself would wait is none
    bad, slow = words.count("bad"), words.count("slow")
    own = any(w == "good" and (p.status or 0) >= 500 and not _is_configured_return(p.status or 0, facts, nginx)
              and (NGINX_PAGE not in p.body or _has_same_status(p, endpoints_for_page(speaking, facts, p.page)))
              for w, p in zip(words, probes, strict=True))
    evidence = facts.probes.evidence or (_probe_evidence(facts, _worst_probe(probes, words)),)
    if all(_is_return_444(p, facts, nginx) for p in probes):
        why = "its configuration closes such connections (`return 444`)"
        return RouteVerdict(facts, "unknown", f"{probe_text(probes[0])}; {why}", evidence)
    state, reason = _route_state(words, bad, slow), _reason_text(probes, words)
    if bad and facts.route.upgrades and _can_be_websocket_only(reached, snapshot):
        return RouteVerdict(facts, "unknown", f"{reason}, but its backend may accept WebSocket only", evidence)
    if bad and is_chosen_by_request(facts.route):
        return RouteVerdict(facts, "unknown",
                            f"{reason}, but a part of the request chooses the address, and fixer's was made up",
                            evidence)
    if state == "ok" and _is_answered_by_another(facts, reached, nginx, probes, snapshot):
        if facts.route.shadowed:
            return RouteVerdict(facts, "unknown", f"{reason}, from a file that nginx tries first", evidence)
        state, reason = "degraded", f"{reason}, but not from its backend: nothing listens there"
    elif state == "ok" and _is_rejected_by_nginx(probes, reached):
        return RouteVerdict(facts, "unknown", f"{reason}, from nginx itself, which rejects requests like fixer's",
                            evidence)
    return RouteVerdict(facts, state, reason, evidence, bad, len(probes), words.count("good"), own,
                        page=_worst_probe(probes, words).page)


def is_chosen_by_request(route: Route) -> bool:
    """Return whether the request's path, name, arguments or headers choose the address. A made-up request then leads
    where no visitor's request does."""
    names = set(_VARIABLE.findall(route.pass_text.partition("://")[2].partition("/")[0]))
    if not names:
        return False
    patterns = [text for text in (route.location, *route.server_names) if text.startswith("~")]
    groups = {name for text in patterns for name in _GROUP.findall(text)}
    return bool(names & groups) or any(
        (name.isdigit() and patterns) or (name.startswith(_REQUEST_VARIABLES) and name != "http_host")
        for name in names)


def _is_own_listener(endpoint: Endpoint, facts: RouteFacts, nginx: Nginx | None) -> bool:
    """Return whether this nginx takes the route's requests at that port: an answer from there is its own."""
    held = endpoint.listener.or_else(None)
    if nginx is None or held is None or held.family == "unix" or isinstance(held.pids, Unknown):
        return False
    ours = {nginx.master_pid, *nginx.worker_pids}
    return held.port in {listen.port for listen in facts.route.listens} and not ours.isdisjoint(held.pids.value)


def _other_gateway_status(endpoint: Endpoint, snapshot: Snapshot) -> int | None:
    """Return the status by which another gateway at this endpoint says that its own backend is down. Another nginx does
    not count: it is diagnosed itself."""
    heard = endpoint.http.value.status if isinstance(endpoint.http, Known) else None
    return heard if heard in _GATEWAY_STATUSES and _is_gateway(endpoint, snapshot) else None


def _is_other_gateway_page(probe: ProbeResult, reached: tuple[Endpoint, ...], snapshot: Snapshot) -> bool:
    """Return whether the page of another gateway came through nginx. A caching gateway may answer our direct probe,
    which uses another name, from its cache."""
    return (probe.status in _GATEWAY_STATUSES and NGINX_PAGE not in probe.body and bool(reached)
            and all(_is_gateway(endpoint, snapshot) for endpoint in reached))


def _is_gateway(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    service = snapshot.service(endpoint.listening_service) if endpoint.listening_service is not None else None
    return service is not None and service.gateway not in ("", "nginx")


def _can_be_websocket_only(reached: tuple[Endpoint, ...], snapshot: Snapshot) -> bool:
    """Return whether each member accepts connections, closes them without an answer, and is no server that answers
    every request. A WebSocket-only server does the same, so a plain GET proves nothing."""
    meant = [endpoint for endpoint in reached if not endpoint.down]
    return bool(meant) and all(_is_hanging_up(endpoint, snapshot) for endpoint in meant)


def _is_hanging_up(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    heard = endpoint.http.or_else(None)
    service = snapshot.service(endpoint.listening_service) if endpoint.listening_service is not None else None
    if heard is None or service is None or heard.error not in HANG_UPS or heard.phase == "connect":
        return False
    restarted = service.unit is not None and service.unit.n_restarts > 0
    return service.running and not restarted and service.runtime in _PLAIN_PROGRAMS


def is_confirmed_closed(endpoint: Endpoint) -> bool:
    """Return whether nothing listens there, seen twice: by the kernel's table and by a connect a moment later."""
    tcp, held = endpoint.tcp, endpoint.listener
    refused = isinstance(tcp, Known) and tcp.value.error in ("refused", "no-socket")
    return refused and isinstance(held, Known) and held.value is None


def _is_answered_by_another(
    facts: RouteFacts, reached: tuple[Endpoint, ...], nginx: Nginx | None, probes: tuple[ProbeResult, ...],
    snapshot: Snapshot,
) -> bool:
    """Return whether none of its addresses can have answered. The answer came from an error page, a cache, a login in
    front, or a container that got the address since. Requests that pass it get nothing."""
    meant = [endpoint for endpoint in reached if not endpoint.down]
    if not meant or not all(is_confirmed_closed(e) or _has_stopped_container(e, snapshot)
                            for e in meant) or has_unloaded_config(nginx):
        return False
    return all((probe.status or 500) < 500 for probe in probes) and not _has_static_answer(facts, nginx)


def _has_stopped_container(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Return whether its name is that of a stopped container and leads to no address, or to one that does not accept
    us. A container that restarts repeatedly has an address at times."""
    service = snapshot.service(endpoint.configured_service) if endpoint.configured_service is not None else None
    if service is None or service.container is None or service.running or service.container.status == "paused":
        return False
    if endpoint.unix is not None or not isinstance(endpoint.addresses, Known):
        return False
    return not endpoint.addresses.value or (isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error is not None)


def _is_rejected_by_nginx(probes: tuple[ProbeResult, ...], reached: tuple[Endpoint, ...]) -> bool:
    """Return whether nginx rejected every request itself, and no direct probe shows a working backend. It does so
    without a client certificate or for an invalid name, before it chooses the route."""
    if not all(p.status == 400 and NGINX_PAGE in p.body and not _has_same_status(p, reached) for p in probes):
        return False
    heard = [e.http.value.status if isinstance(e.http, Known) else None for e in reached if not e.down]
    return not heard or any(status is None or status >= 500 for status in heard)


def has_unloaded_config(nginx: Nginx | None) -> bool:
    """Return whether nginx runs with other settings than the files on disk, as far as can be known."""
    if nginx is None or not isinstance(nginx.loaded_at, Known) or not isinstance(nginx.config_mtime, Known):
        return True
    return nginx.config_mtime.value > nginx.loaded_at.value + CLOCK_GRAIN


def _has_static_answer(facts: RouteFacts, nginx: Nginx | None) -> bool:
    """Return whether the configuration always answers there itself and passes nothing on."""
    if facts.route.denies_all:
        return True
    if nginx is None or isinstance(nginx.config, Unknown):
        return False
    return any(
        static.returns is not None and not static.conditional and static.server_index == facts.route.server_index
        and static.location in ("", "server", facts.route.location)
        for static in nginx.config.value.statics
    )


def _route_state(words: list[_ProbeVerdict], bad: int, slow: int) -> RouteState:
    if bad == 0 and slow == 0:
        return "unknown" if "unknown" in words else "ok"
    if bad == 0:
        return "slow"
    return "failing" if bad + slow == len(words) else "degraded"


def _judge_probe(
    probe: ProbeResult, facts: RouteFacts, reached: tuple[Endpoint, ...], fresh: bool, nginx: Nginx | None,
) -> _ProbeVerdict:
    if probe.status is None:
        if probe.error == "slow":
            return "slow"
        cut = probe.error in _NGINX_UNREACHABLE or probe.is_handshake_cut
        return "bad" if cut or _hands_on_other_protocol(probe, reached) else "unknown"
    if needs_tls(probe) and _has_same_status(probe, reached):
        return "bad"
    if probe.status < 500 or _is_configured_return(probe.status, facts, nginx):
        return "bad" if probe.whole is False else "good"
    return _judge_error(probe, reached, fresh)


def _hands_on_other_protocol(probe: ProbeResult, reached: tuple[Endpoint, ...]) -> bool:
    """Return whether visitors get what their backend says, and that is not HTTP: nginx hands its bytes on."""
    return probe.error == "not-http" and any(
        isinstance(e.http, Known) and e.http.value.error == "not-http" for e in reached)


def _judge_error(probe: ProbeResult, reached: tuple[Endpoint, ...], fresh: bool) -> _ProbeVerdict:
    """Judge a 5xx. nginx generates it if the upstream gave no answer, and logs it: its page without that line may be
    another nginx's, unless the backend answers us in another way."""
    if _has_same_status(probe, reached):
        return "good"
    direct, page = [e.http.value.status for e in reached if isinstance(e.http, Known)], NGINX_PAGE in probe.body
    if probe.status in (502, 504):
        return "bad" if page or fresh or not direct or None in direct else "good"
    known = fresh or any(status is not None for status in direct)
    return "good" if not page else "bad" if known else "unknown"


def _has_same_status(probe: ProbeResult, reached: tuple[Endpoint, ...]) -> bool:
    """Return whether a direct probe gets the same status: from an application, or from another nginx's page."""
    return any(isinstance(e.http, Known) and e.http.value.status == probe.status for e in reached)


def _is_configured_return(status: int, facts: RouteFacts, nginx: Nginx | None) -> bool:
    """Return whether the configuration returns this status (`return 502`) for the server or for this location."""
    if nginx is None or isinstance(nginx.config, Unknown):
        return False
    return any(
        static.returns == status and static.server_index == facts.route.server_index
        and static.location in ("", "/", "server", facts.route.location)
        for static in nginx.config.value.statics
    )


def is_answered_by_config(judged: RouteVerdict, reached: Sequence[Endpoint], nginx: Nginx) -> bool:
    """Return whether nginx answers every request there by itself now (`return`, `deny all`, a file that it tries
    first), so that none reaches the backend."""
    facts = judged.facts
    probes = facts.probes.or_else(())
    if _has_static_answer(facts, nginx):
        return True
    if facts.route.shadowed and all(is_closed(endpoint) for endpoint in reached):
        return bool(probes) and all((probe.status or 500) < 500 for probe in probes)
    return bool(probes) and all(_is_configured_return(probe.status or 0, facts, nginx) for probe in probes)


def _is_return_444(probe: ProbeResult, facts: RouteFacts, nginx: Nginx | None) -> bool:
    """Return whether a configured `return 444` closed the connection. A crashed worker looks the same, but is in the
    log."""
    if nginx is None or probe.status is not None or probe.error != "closed" or not _is_configured_return(444, facts,
                                                                                                         nginx):
        return False
    events = nginx.errors.or_else(())
    return not any(event.kind == "worker-killed" for event in events)


def recent_events(nginx: Nginx, routes: Sequence[RouteFacts], snapshot: Snapshot,
                  is_wanted: Callable[[ErrorEvent], bool] = is_about_upstream, *,
                  seconds: float = RECENT_ERROR) -> tuple[ErrorEvent, ...]:
    """Return the lines of the last `seconds` about upstreams of these routes, newer than the loaded configuration."""
    now = next((node.now for node in snapshot.nodes if node.name == nginx.node), snapshot.taken_at)
    since = max(now - seconds, nginx.loaded_at.or_else(0.0) - 1.0)
    return events_since(nginx, routes, since, now + _CLOCK_AHEAD, is_wanted)


def events_since(
    nginx: Nginx, routes: Sequence[RouteFacts], since: float, until: float = float("inf"),
    is_wanted: Callable[[ErrorEvent], bool] = is_about_upstream,
) -> tuple[ErrorEvent, ...]:
    """Return the lines about upstreams of that time that can belong to these routes."""
    if isinstance(nginx.errors, Unknown):
        return ()
    fresh = [event for event in nginx.errors.value if since <= event.at <= until and is_wanted(event)]
    if not fresh:
        return ()
    about = _RouteIndex(routes, known_names(nginx.config))
    return tuple(event for event in fresh if about.has(event))


class _RouteIndex:
    """An index of routes by server name and path, since thousands of routes meet thousands of lines. Visitors send
    both, so they only weigh evidence and never choose what a repair does."""

    def __init__(self, routes: Sequence[RouteFacts], known: Collection[str]) -> None:
        self._known = known
        self._servers: dict[str, set[str]] = {}       # location -> the names by which nginx logs its servers
        for facts in routes:
            wanted = facts.route.location.split(" ")[-1] if facts.route.path is not None else ""
            place = self._servers.setdefault(wanted if wanted.startswith("/") else "", set())
            place.update(logged_names(facts.route.server_names))
        self._lengths = sorted({len(location) for location in self._servers})
        self._all = {name for names in self._servers.values() for name in names}

    def has(self, event: ErrorEvent) -> bool:
        """Return whether the line can belong to one of the routes."""
        path = event.request.partition(" ")[2].partition(" ")[0]
        if not path:
            return bool(self._all) and may_have_logged(event, self._all, self._known)
        return any(may_have_logged(event, self._servers[path[:length]], self._known) for length in self._lengths
                   if length <= len(path) and path[:length] in self._servers)


def _worst_probe(probes: tuple[ProbeResult, ...], words: list[_ProbeVerdict]) -> ProbeResult:
    for wanted in ("bad", "slow", "unknown"):
        if wanted in words:
            return probes[words.index(wanted)]
    return next((probe for probe in probes if (probe.status or 0) >= 500), probes[0])      # the application's own


def _reason_text(probes: tuple[ProbeResult, ...], words: list[_ProbeVerdict]) -> str:
    worst = _worst_probe(probes, words)
    text = f"{probe_text(worst)} for {worst.host}{worst.page}".removesuffix(" for ")
    of_page = [word for word, probe in zip(words, probes, strict=True)
               if (probe.host, probe.page) == (worst.host, worst.page)]
    failed = sum(word in ("bad", "slow") for word in of_page)
    return f"{text} ({share_text(failed, len(of_page))})" if failed else text


def probe_text(probe: ProbeResult) -> str:
    """Return the result of a probe as text."""
    if probe.status is not None:
        return f"answers {probe.status}{', and ends early' if probe.whole is False else ''}"
    return f"no answer: {probe.error}" if probe.error != "slow" else (
        f"no {'complete ' if probe.phase == 'body' else ''}answer in time")


def _probe_evidence(facts: RouteFacts, probe: ProbeResult) -> Evidence:
    path = probe.page or facts.route.path or facts.route.location
    listens = facts.route.listens
    place = f"{probe.host}:{listens[0].port if listens else 80}" if probe.host else facts.route.listen_text
    return Evidence("probe", f"{facts.route.listen_scheme}://{place}{path}", probe_text(probe))
