"""nginx asks no server of a group: all are marked `down`, or all failed a moment ago. Or it may ask only one.
nginx logs `no live upstreams while connecting to upstream` and answers 502 at once. The group's own lines say which.

By hand
  nginx -T 2>/dev/null | sed -n '/^ *upstream/,/}/p'    # down? max_fails, fail_timeout?
  curl -i http://127.0.0.1:PORT/health                  # each server of the group: does it answer?
  grep -c 'no live upstreams' /var/log/nginx/error.log
  nginx -s reload                                       # forgets which servers failed

What it is
  An `upstream` block, or a name with several addresses, is a group. nginx leaves a server out that is marked `down`,
  and one that failed `max_fails` times (1 by default) for `fail_timeout` (10 s by default). With two servers or more
  all of them can be out at once. A group of one is never left out.

Why nginx says 502
  `no live upstreams while connecting to upstream`, with the group's name in place of an address: no server is asked.
  With `proxy_next_upstream off` a request that meets a dead server of the group gets 502, though others would answer.

How it is told apart
  Asked directly, each server answers: nginx alone leaves them out. If the servers themselves do not answer, what keeps
  them from it is the fault (backend-down, firewall-drop, …), and this is its consequence. Servers that speak no HTTP
  cannot be asked: where all of them accept connections, it stays unknown.
  overload-saturated: the servers have reached `max_conns`. timeout-too-short: each of them was late for one page.

The repair and its safety
  remove-down (safe): `--set server=ADDRESS` names the server that nginx may use again; who marked it had a reason, so
  fixer never chooses.
  set-port-variable (disruptive): a program that follows Docker's events (nginx-proxy) marked the only server, since
  its container has no variable for its port. The variable is written where the compose file has the others.
  wait-for-group: nothing is changed; nginx asks again after `fail_timeout`. If that is longer than half a minute:
  reload-nginx (safe), which forgets the failures.
  try-next-server (safe): `proxy_next_upstream error timeout` in the location. A refused connection sends nothing twice.

Variants
  upstream-all-marked-down  every server of the group is marked down
  fail-timeout-window       every server failed a moment ago, and nginx asks none of them yet
  partial-group-failure     one server is dead, and nginx may try no other
  multi-address-group-down  a name has several addresses, and all of them failed
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fixer.analysis.case import Case, is_answering
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import endpoint_text, file_line_text, line_text
from fixer.analysis.hidden_failures import accepts_nothing
from fixer.analysis.nginx_errors import is_failing, logged_evidence, recent_lines_by_route
from fixer.analysis.route_verdict import RouteVerdict, is_closed
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx
from fixer.repairs.file_edits import (
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    locate_editable_file,
    overwriters_text,
)

with lazy_imports():  # only for what is found
    from fixer.repairs.docker_follower import only_port_of, port_variable_repair
    from fixer.repairs.nginx_directives import DirectiveValue, remove_argument, set_directives

INPUT_KEY = "server"
_LONGEST_WAIT = 30.0        # seconds: a longer wait is ended by a reload


def judge(case: Case) -> Verdict:
    """Judge each group that nginx asks: does it leave all servers out, and do they answer when asked directly?"""
    findings: dict[object, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        if isinstance(nginx.errors, Unknown) and nginx.master_pid is not None:
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
        logged = recent_lines_by_route(case, nginx, {"no-live-upstreams"})
        for judged in case.failing_routes(nginx):
            events = logged.get(judged.facts.route.id, (judged, ()))[1]
            match _judge_route(case, nginx, judged, events):
                case Finding() as found:
                    key = (nginx.node, found.variant, judged.facts.route.upstream or judged.facts.endpoints)
                    findings[key] = findings[key].joined_with(found) if key in findings else found
                case str() as lacking:
                    missing.append(lacking)
                case None:
                    ruled += judged.evidence[:1]
    return conclude(findings.values(), missing, ruled)


def _judge_route(case: Case, nginx: Nginx, judged: RouteVerdict,
                 events: Sequence[ErrorEvent]) -> Finding | str | None:
    ends = [case.endpoints[name] for name in judged.facts.endpoints]
    live = [end for end in ends if not end.down]
    route = judged.facts.route
    if nginx.master_pid is None or not ends or not is_failing(judged):
        return None
    if route.upstream and not live:
        return _marked_finding(case, nginx, judged, ends, events)
    if events and _size_of(live) > 1 and not any(server.max_conns for server in route.servers):
        unasked = [end for end in live if isinstance(end.http, Unknown)]
        if any(isinstance(end.tcp, Unknown) for end in unasked) or (unasked and not any(map(_is_dead, live))):
            return f"whether the servers of {route.upstream or live[0].host} answer"
        if all(map(is_answering, live)):
            return _window_finding(case, nginx, judged, live, events)
        if all(map(_is_dead, live)):
            return _dead_finding(case, nginx, judged, live, events)
    dead = _unowned_dead(live)
    if _stops_at_dead(case, judged):
        return _partial_finding(case, nginx, judged, dead, len(live))
    return None


def _unowned_dead(live: Sequence[Endpoint]) -> list[Endpoint]:
    return [end for end in live if _is_dead(end) and end.configured_service is None]


def _stops_at_dead(case: Case, judged: RouteVerdict) -> bool:
    """Return whether nginx may try no other server of its group where one is dead and another answers."""
    live = [end for name in judged.facts.endpoints if not (end := case.endpoints[name]).down]
    route = judged.facts.route
    return bool(route.one_try and route.upstream and _unowned_dead(live)) and any(map(is_answering, live))


def _size_of(ends: Sequence[Endpoint]) -> int:
    """Return how many servers nginx sees: each address of a name is one."""
    return sum(1 if end.single_address else len(end.addresses.or_else(())) or 1 for end in ends)


def _is_dead(endpoint: Endpoint) -> bool:
    return is_closed(endpoint) is True or accepts_nothing(endpoint)


def _group_text(route: Route, ends: Sequence[Endpoint]) -> str:
    return f"upstream {route.upstream}" if route.upstream else f"the name {ends[0].host}"


def _finding(nginx: Nginx, judged: RouteVerdict, words: tuple[str, str], evidence: Iterable[Evidence],
             repair: Repair) -> Finding:
    """Return the finding. `words` are the variant and the summary."""
    return Finding(
        cause=CAUSE.id, variant=words[0], role="root", confidence="certain", summary=words[1], detail=(),
        routes=(judged.facts.route.id,), service=None, node=nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(repair,),
    )


def _marked_finding(case: Case, nginx: Nginx, judged: RouteVerdict, ends: Sequence[Endpoint],
                    events: Sequence[ErrorEvent]) -> Finding:
    """Return the finding on a group whose servers are all marked `down`: that is somebody's decision."""
    answering = [end for end in ends if is_answering(end)]
    group, one = _group_text(judged.facts.route, ends), len(ends) == 1
    does = "none of them answers" if not answering else (
        "it answers" if one else f"{len(answering)} of {len(ends)} answer") + " when asked directly"
    logged = logged_evidence(case, nginx, judged, tuple(events)) if events else judged.evidence[:1]
    summary = f"{'the only server' if one else 'every server'} of {group} is marked down; {does}"
    found = _finding(nginx, judged, ("upstream-all-marked-down", summary),
                     (*_server_lines(case, nginx, ends), *_answers(answering), *logged),
                     _guessed_port_repair(case, nginx, judged.facts.route, ends) or _remove_down_repair(
                         case, nginx, ends, answering))
    return replace(found, is_met_first=True)    # nginx asks none of them, whatever they would answer


def _server_lines(case: Case, nginx: Nginx, ends: Sequence[Endpoint]) -> Iterator[Evidence]:
    for end in ends:
        text = line_text(case.snapshot, nginx.node, end.file, end.line)
        yield Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, end.file, end.line),
                       text or f"server {end.written}")


def _answers(ends: Sequence[Endpoint]) -> Iterator[Evidence]:
    for end in ends:
        if isinstance(end.http, Known):
            yield Evidence("probe", f"{end.protocol}://{endpoint_text(end)}{end.path}",
                           f"answers {end.http.value.status} when asked directly")


def _guessed_port_repair(case: Case, nginx: Nginx, route: Route, ends: Sequence[Endpoint]) -> Repair | None:
    """Return the variable that is missing where a program that follows Docker's events wrote `down`: it did not know
    which of the container's ports was meant."""
    service = case.service(ends[0].configured_service)
    if len(ends) > 1 or service is None or service.container is None:
        return None
    port = only_port_of(case.snapshot, service)
    if not port or port in [number for _, number in service.container.port_variables]:
        return None
    return port_variable_repair(case.snapshot, nginx, ends[0], (route,), (service, port))


def _remove_down_repair(case: Case, nginx: Nginx, ends: Sequence[Endpoint], answering: Sequence[Endpoint]) -> Repair:
    names = {endpoint_text(end): end for end in answering or ends}
    why = "which server nginx may use again: who marked it down had a reason"
    need = Need(INPUT_KEY, "choice", why, tuple(names))
    title = "let nginx use a server that is marked down"
    chosen = names.get(case.inputs.get(INPUT_KEY, ""))
    if chosen is None:
        return Repair("remove-down", "safe", title, (), (need,))
    where = f"{chosen.file}:{chosen.line}"
    place = locate_editable_file(case.snapshot, nginx.node, chosen.file)
    edited = place if isinstance(place, NotEditable) else remove_argument(place.data, chosen.start, b"down")
    if isinstance(place, NotEditable) or isinstance(edited, NotEditable):
        reason = place.reason if isinstance(place, NotEditable) else edited.reason if isinstance(
            edited, NotEditable) else ""
        manual = f"remove `down` at {where}, then run nginx -t and reload nginx; fixer cannot do this: {reason}"
        return Repair("remove-down", "manual", title, (), (need,), manual)
    summary = f"remove `down` from {endpoint_text(chosen)} at {where}"
    write = WriteFile(place.node, place.path, place.data, edited, summary, in_place=place.in_place)
    return Repair("remove-down", edit_risk((place,), "safe"), summary + overwriters_text((place,)),
                  (write, *check_and_reload_steps(case.snapshot, nginx)), (need,))


def _window_finding(case: Case, nginx: Nginx, judged: RouteVerdict, live: Sequence[Endpoint],
                    events: Sequence[ErrorEvent]) -> Finding:
    """Return the finding on servers that answer again, and that nginx does not ask yet."""
    route = judged.facts.route
    seconds = max((server.fail_timeout for server in route.servers), default=10.0)
    summary = (f"all servers of {_group_text(route, live)} failed a moment ago and answer again; nginx asks none of "
               f"them for {seconds:g} s (fail_timeout) after that")
    if seconds <= _LONGEST_WAIT:
        repair = Repair("wait-for-group", "safe", f"wait until nginx asks {_group_text(route, live)} again", (),
                        waits=True)
    else:
        repair = Repair("reload-nginx", "safe", "reload nginx, which forgets that the servers failed",
                        check_and_reload_steps(case.snapshot, nginx))
    return _finding(nginx, judged, (_failed_variant(route), summary),
                    (*logged_evidence(case, nginx, judged, tuple(events)), *_answers(live)), repair)


def _failed_variant(route: Route) -> str:
    return "fail-timeout-window" if route.upstream else "multi-address-group-down"


def _dead_finding(case: Case, nginx: Nginx, judged: RouteVerdict, live: Sequence[Endpoint],
                  events: Sequence[ErrorEvent]) -> Finding:
    """Return the finding on a group that does not answer at all: what keeps it from answering explains it."""
    route = judged.facts.route
    names = ", ".join(endpoint_text(end) for end in live[:3])
    summary = (f"all {_size_of(live)} servers of {_group_text(route, live)} refuse connections, and nginx leaves them "
               "out")
    manual = (f"find out why {names} do not answer, and start what belongs there. nginx asks them again some seconds "
              "later (fail_timeout), or at once after a reload")
    closed = (Evidence("probe", endpoint_text(end), "accepts no connection") for end in live)
    found = _finding(nginx, judged, (_failed_variant(route), summary),
                     (*logged_evidence(case, nginx, judged, tuple(events)), *closed),
                     Repair("start-servers", "manual", "let a server of the group answer", (), manual=manual))
    return replace(found, confidence="likely")      # what keeps them from answering may be known as possible only


def _partial_finding(case: Case, nginx: Nginx, judged: RouteVerdict, dead: Sequence[Endpoint], size: int) -> Finding:
    """Return the finding on a dead server that nothing here belongs to, which costs requests for want of a retry."""
    route = judged.facts.route
    names = ", ".join(endpoint_text(end) for end in dead)
    summary = (f"{len(dead)} of {size} servers of upstream {route.upstream} accept no connection ({names}), and nginx "
               f"may try no other ({route.one_try})")
    closed = (Evidence("probe", endpoint_text(end), "accepts no connection") for end in dead)
    alike = [other.facts.route for other in case.failing_routes(nginx)
             if other.facts.route.upstream == route.upstream and _stops_at_dead(case, other)]
    return _finding(nginx, judged, ("partial-group-failure", summary),
                    (*_server_lines(case, nginx, dead), *closed, *judged.evidence[:1]),
                    _try_next_repair(case, nginx, alike, names))


def _try_next_repair(case: Case, nginx: Nginx, routes: Sequence[Route], names: str) -> Repair:
    """Return the repair for all locations of a group: one that is left out goes on failing."""
    wishes = [_next_server_value(route) for route in routes]
    title = f"let nginx try the next server of {routes[0].upstream}"
    edit = set_directives(case.snapshot, nginx, wishes, title)
    texts = [f"{wish.name} {wish.value}" for wish in wishes]
    if isinstance(edit, NotEditable):
        places = ", ".join(f"`{text};` into the location at {route.source.file}:{route.source.line}"
                           for text, route in zip(texts, routes, strict=True))
        manual = (f"write {places}, then run nginx -t and reload nginx; or make {names} answer. fixer cannot do this: "
                  f"{edit.reason}")
        return Repair("try-next-server", "manual", title, (), manual=manual)
    done = " and ".join(dict.fromkeys(texts))
    summary = f"{done} at {' and '.join(edit.where)}: {title}{overwriters_text((edit.file,))}"
    return Repair("try-next-server", edit_risk((edit.file,), "safe"), summary,
                  (edit.step, *check_and_reload_steps(case.snapshot, nginx)))


def _next_server_value(route: Route) -> DirectiveValue:
    name, *words = route.one_try.partition(", ")[0].split(" ")
    value = "0" if name.endswith("_tries") else " ".join(dict.fromkeys(
        ("error", "timeout", *(word for word in words if word != "off"))))
    return DirectiveValue(route, name, value)


CAUSE = Cause(
    id="no-live-upstreams",
    title="nginx takes no server of a group for alive",
    family="beyond the guide",
    variants=("upstream-all-marked-down", "fail-timeout-window", "partial-group-failure", "multi-address-group-down"),
    verdict=judge,
    page=__doc__,
)
