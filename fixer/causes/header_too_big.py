"""The head of an answer (its status line and all headers) is larger than the buffer that nginx reads it into.
nginx logs `upstream sent too big header` (502), on those pages only. Raise proxy_buffer_size for them.

By hand
  grep 'too big header' /var/log/nginx/error.log    # which pages?
  curl -sD- -o /dev/null http://127.0.0.1:8000/PAGE | wc -c    # how many bytes has the head?
  proxy_buffer_size 16k; proxy_buffers 8 16k; proxy_busy_buffers_size 32k;    # in that location
  nginx -t && nginx -s reload
  systemctl restart UNIT    # uWSGI refused the request's head: after buffer-size = 16384 in its ini file

What it is
  nginx reads the whole head of an answer into one buffer (proxy_buffer_size, a memory page of 4 or 8 kB where nothing
  is said). Long cookies, a signed session, a token or a policy header, or very many of them, do not fit.

Why nginx says 502
  `upstream sent too big header while reading response header from upstream`, at once, on those pages only, and often
  only for those visitors whose session grew.

  The other way round uWSGI takes the head of a request up to `buffer-size` (4 kB where nothing is said), and hangs up
  on more: `upstream prematurely closed connection`, for the visitors whose cookies grew.

How it is told apart
  nginx says so itself, and what it says is of the present: no restart changes an answer. The backend is well and logs a
  200. invalid headers are another message. Where the page that we ask for is well, several such lines within a minute
  are an outage; fewer contribute: they hold for every such visitor, and our own small requests show nothing of it. So
  does what uWSGI says of one.

The repair and its safety
  raise-header-buffer (safe; disruptive if too few requests fail to measure it): a larger proxy_buffer_size for that
  location, with proxy_buffers and proxy_busy_buffers_size as nginx then wants them; nginx -t, a reload. Where another
  server of nginx passes requests on to this one, its location gets the same: it reads the same head. Four times a page
  first, then twice what is there; beyond 32 kB only a person can say how much an answer may carry (`--set
  header_buffer=64k`).
  raise-buffer-size (by hand): uWSGI says what it refused ("invalid request block size: 5213 (max 4096)...skip").
  Why the head has grown is worth a look all the same.

Variants
  header-too-big   the header of the answer does not fit into proxy_buffer_size
  request-too-big  the header of the request does not fit into the buffer of uWSGI
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import bindings_of, clock_of, log_evidence
from fixer.analysis.load.server_protocol import INVALID_BLOCK_SIZE, is_text_read_as_block
from fixer.analysis.nginx_errors import (
    MIN_SYMPTOM_LINES,
    for_each_logged_route,
    logged_evidence,
    recent_lines_by_route,
    request_path,
)
from fixer.analysis.nginx_process import routes_passing_to
from fixer.analysis.other_pages import plain_path
from fixer.analysis.route_verdict import RECENT_ERROR, RouteVerdict
from fixer.analysis.run_log import lines_of
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.nginx_config import Route
from fixer.model.snapshot import ErrorEvent, LogLine, Nginx, RouteFacts, Service
from fixer.nginx.address import parse_size
from fixer.nginx.error_kinds import CUT_OFF
from fixer.repairs.file_edits import NotEditable, check_and_reload_steps, edit_risk, overwriters_text
from fixer.repairs.nginx_directives import DirectiveEdit, DirectiveValue, set_directives

INPUT_KEY = "header_buffer"
PAGE_SIZE = 4096            # bytes: the default, a page of memory, 4k on nearly every machine
_FIRST_SIZE = 16 << 10
_MAX_DEFAULT_SIZE = 32 << 10     # bytes: up to this size the next one is chosen without asking
_BUFFER_COUNT = 8           # nginx's default number of buffers


def judge(case: Case) -> Verdict:
    """Judge each route with recent log lines of this error: does our probe fail, or did several requests?"""
    findings, missing, ruled = for_each_logged_route(case, {"header-too-big"}, partial(_found, case))
    if any(service.runtime == "uwsgi" for service in case.snapshot.services):
        findings += refused_block_findings(case, CAUSE.id, "request-too-big")
    return conclude(findings, missing, ruled)


def _found(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
           asked: bool) -> Finding | None:
    route = judged.facts.route
    now = route.header_buffer or PAGE_SIZE
    several = len(events) >= MIN_SYMPTOM_LINES
    return Finding(
        cause=CAUSE.id, variant=CAUSE.id, role="root" if asked or several else "contributing",
        confidence="certain" if asked else "likely",
        summary=f"response headers of {_pages_text(events, route)} exceed nginx's buffer ({_size_text(now)}"
                f"{'' if route.header_buffer else ', its default'}): "
                f"{times_text(len(events))} a 502 within a minute",
        detail=(), routes=(route.id,), service=None, node=nginx.node,
        evidence=logged_evidence(case, nginx, judged, events),
        repairs=(_raise_buffer_repair(case, nginx, judged.facts, now),),
    )


def _pages_text(events: tuple[ErrorEvent, ...], route: Route) -> str:
    """Return the page of the lines and its location: other pages of the location may be well."""
    pages = Counter(plain_path(request_path(event)) for event in events)
    first = next((page for page, _ in pages.most_common() if page), "")
    if not first or set(pages) == {route.location}:
        return route.location
    others = " and other pages" if len(pages) > 1 else ""
    return f"{first}{others} (location {route.location})"


def _raise_buffer_repair(case: Case, nginx: Nginx, facts: RouteFacts, now: int) -> Repair:
    route = facts.route
    name = f"{route.kind.removesuffix('_pass')}_buffer_size"
    default = _size_text(max(_FIRST_SIZE, now * 2)) if now < _MAX_DEFAULT_SIZE else None
    need = Need(INPUT_KEY, "value",
                f"the maximum size of response headers of {route.location}; nginx accepts {_size_text(now)}",
                default=default, pattern="[1-9][0-9]{0,5}k")
    chosen = case.inputs.get(INPUT_KEY, default)
    summary = f"let nginx accept larger response headers for {route.location} ({name}, now {_size_text(now)})"
    if chosen is None:
        return Repair("raise-header-buffer", "safe", summary, (), (need,))
    head = parse_size(chosen) or _FIRST_SIZE
    # a server of nginx in front of this one reads the same headers
    chain = (facts, *routes_passing_to(case.snapshot, facts))
    small = [one.route for one in chain if one is facts or (one.route.header_buffer or PAGE_SIZE) < head]
    wishes = [wish for one in small for wish in _wanted_settings(one, head)]
    edits: list[DirectiveEdit] = []
    for path in dict.fromkeys(wish.route.source.file for wish in wishes):
        here = [wish for wish in wishes if wish.route.source.file == path]
        edit = set_directives(case.snapshot, nginx, here, summary)
        if isinstance(edit, NotEditable):
            places = " and ".join(dict.fromkeys(f"{w.route.source.file}:{w.route.source.line}" for w in wishes))
            manual = f"set {_settings_text(wishes)} in the location at {places}; fixer cannot do this: {edit.reason}"
            return Repair("raise-header-buffer", "manual", summary, (), (need,), manual)
        edits.append(edit)
    files = tuple(edit.file for edit in edits)
    where = " and ".join(place for edit in edits for place in edit.where)
    summary = f"{_settings_text(wishes)} at {where}{overwriters_text(files)}"
    return Repair("raise-header-buffer", edit_risk(files, "safe"), summary,
                  (*(edit.step for edit in edits), *check_and_reload_steps(case.snapshot, nginx)), (need,))


def _settings_text(wishes: Iterable[DirectiveValue]) -> str:
    return "; ".join(dict.fromkeys(f"{wish.name} {wish.value}" for wish in wishes))


def _wanted_settings(route: Route, head: int) -> Iterator[DirectiveValue]:
    """Return the larger buffer, and what nginx requires then: busy buffers that hold it and leave one free."""
    family = route.kind.removesuffix("_pass")
    yield DirectiveValue(route, f"{family}_buffer_size", _size_text(head))
    if family == "grpc":
        return          # gRPC has no other buffer directives
    number, size = route.buffers
    busy = route.busy_buffers or 2 * max(head, size)
    if not max(head, size) <= busy <= (number - 1) * size:
        yield DirectiveValue(route, f"{family}_buffers", f"{max(number, _BUFFER_COUNT)} {_size_text(max(head, size))}")
    if route.busy_buffers and route.busy_buffers < max(head, size):
        yield DirectiveValue(route, f"{family}_busy_buffers_size", _size_text(2 * max(head, size)))


def _size_text(size: int) -> str:
    return f"{size >> 10}k" if size >= 1024 else str(size)


CAUSE = Cause(
    id="header-too-big",
    title="the response headers do not fit into nginx's buffer",
    family="beyond the guide",
    variants=("header-too-big", "request-too-big"),
    verdict=judge,
    page=__doc__,
)

# uWSGI reads a request head up to `buffer-size` bytes and closes the connection on more.
_DEFAULT_BLOCK_SIZE = 4096


def refused_block_findings(case: Case, cause: str, variant: str) -> Iterator[Finding]:
    """Find routes with recently cut requests whose uWSGI logs that the request block is too big."""
    for nginx in case.snapshot.nginxes:
        for judged, events in recent_lines_by_route(case, nginx, CUT_OFF).values():
            ends = case.reached(judged.facts)
            for service in filter(None, (case.service(e.listening_service or e.configured_service) for e in ends)):
                error_lines = _block_error_lines(case, service) if judged.facts.route.kind == "uwsgi_pass" else []
                asked = judged.state in ("failing", "degraded")
                if error_lines:
                    several = min(len(events), len(error_lines)) >= MIN_SYMPTOM_LINES
                    made = _uwsgi_finding((cause, variant), judged, events, service, error_lines)
                    yield made if asked or several else replace(made, role="contributing")
                    break


def _block_error_lines(case: Case, service: Service) -> list[LogLine]:
    since = max(start_time_of(service), clock_of(case.snapshot, service.node) - RECENT_ERROR)
    return [line for line in lines_of(service) if service.runtime == "uwsgi" and line.at is not None
            and line.at >= since and INVALID_BLOCK_SIZE.match(line.text) and not is_text_read_as_block(line.text)]


def _uwsgi_finding(names: tuple[str, str], judged: RouteVerdict, events: tuple[ErrorEvent, ...], service: Service,
           error_lines: list[LogLine]) -> Finding:
    route, last = judged.facts.route, error_lines[-1]
    sizes = [(int(m["size"]), int(m["most"])) for line in error_lines
             if (m := INVALID_BLOCK_SIZE.match(line.text)) is not None]
    size, most = max(sizes)
    wanted = max(32 << 10, 1 << (size - 1).bit_length()) if size < 1 << 15 else 65535
    at = next((b.source.where.rpartition(":")[0] for b in bindings_of(service) if b.source.source == "file"), "")
    now = f"{most}, its default" if most == _DEFAULT_BLOCK_SIZE else f"{most}"
    manual = (f"set buffer-size = {wanted}{f' in {at}' if at else ' where its other settings are'} (now {now}), "
              f"then restart {service.name}. Also find out what makes the requests so large (cookies, a token, "
              "uwsgi_param)")
    lost = f"{times_text(len(events))} within a minute: {events[-1].raw}"
    return Finding(
        cause=names[0], variant=names[1], role="root", confidence="certain",
        summary=(f"request headers for {route.location} ({size} bytes) exceed what {service.name} accepts "
                 f"(buffer-size {now}): {times_text(len(error_lines))} within a minute"),
        detail=(), routes=(route.id,), service=service.name, node=service.node,
        evidence=(log_evidence(last.text, last.where), state_evidence(service),
                  Evidence("nginx-log", events[-1].where, lost), *judged.evidence[:1]),
        repairs=(Repair("raise-buffer-size", "manual", f"let {service.name} accept larger requests", (),
                        manual=manual),),
        effects=("looks-busy", "looks-killed", "stale-config"),
    )
