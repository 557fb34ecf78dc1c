"""nginx's configuration itself gives the error: on purpose (`return 503`, a limit), or by a check that cannot work.
A status on purpose is advice only. A password file that nginx cannot read, or a broken `auth_request`, is a fault.

By hand
  nginx -T 2>/dev/null | grep -nE 'return 5|limit_(req|conn) |auth_request |auth_basic_user_file|error_page'
  grep -E 'limiting|auth request unexpected|Permission denied' /var/log/nginx/error.log
  ls -l /etc/nginx/htpasswd    # may nginx's workers (www-data) read it, and enter its folder?
  chgrp www-data /etc/nginx/htpasswd; chmod 640 /etc/nginx/htpasswd    # no reload is needed
  curl -si http://127.0.0.1:8000/auth | head -n 1    # auth_request wants 2xx, 401 or 403
  nginx -t && nginx -s reload    # after a line was changed

What it is
  Not every 5xx is an accident. `return 503` closes a site for maintenance, limit_req and limit_conn turn visitors away,
  and error_page shows another status than the one that happened. These stay as they are: an operator wrote them.
  Two checks break by themselves: nginx reads the password file of auth_basic at each request, and auth_request asks
  another location first, which has to answer 2xx, 401 or 403.

Why nginx says 500 or 503
  `return` and limits give their status without a word of the backend. A password file that the workers cannot read, or
  an auth_request that is answered by any other status, is 500 for everybody.

How it is told apart
  The configuration names the status, the limit or the file; nginx's log names the file, or `auth request unexpected
  status`. Where the backend of auth_request is down, its own cause is named instead.

The repair and its safety
  There is none for what is on purpose: the line is shown as advice, and the host stays healthy.
  let-workers-read (manual): which file, which account, and the commands; who else may read it is for a person.
  correct-auth-request (manual): which location is asked, and what it has to answer.

Variants
  gateway-error-from-config  `return` gives the error, such as in a maintenance page
  error-page-masks-status    error_page shows another status than the one that happened
  rate-limit-503             limit_req or limit_conn turns visitors away
  auth-subrequest-broken     the location of auth_request answers what it must not
  auth-basic-file-unreadable  nginx's workers cannot read the password file
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import file_line_text, line_text
from fixer.analysis.hidden_failures import is_marked_as_probe, lines_of_visitors
from fixer.analysis.nginx_errors import (
    for_each_logged_route,
    is_failing,
    locations_text,
    logged_evidence,
    recent_lines_by_route,
)
from fixer.analysis.route_verdict import RouteVerdict, is_answered_by_config, is_closed
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import ErrorKind, Span, StaticLocation
from fixer.model.snapshot import ErrorEvent, Nginx

with lazy_imports():  # not needed in most looks
    from fixer.analysis.directives_in_effect import PlacedDirective, directives_for

_FILE: frozenset[ErrorKind] = frozenset({"temp-file-failed"})       # `open()` of any file at the level crit
_AUTH: frozenset[ErrorKind] = frozenset({"auth-request-failed"})
_LIMITS: frozenset[ErrorKind] = frozenset({"limit-requests", "limit-connections"})
_MISSING = 2        # errno: a missing password file is a 403, which is an answer
_BAD_STATUS = 500
_MOST_SHOWN = 3     # locations whose log lines are shown


@dataclass(frozen=True, slots=True)
class _FailedCheck:
    """A check of a route's configuration that fails: `subject` is the file or location that it needs."""

    nginx: Nginx
    judged: RouteVerdict
    placed: PlacedDirective
    events: tuple[ErrorEvent, ...]
    subject: str
    key: tuple[object, ...]     # equal for the same mistake
    shown: bool                 # by our own request, not only by those of visitors


def judge(case: Case) -> Verdict:
    """Judge each route: does a check of its configuration fail, or does the configuration give the error on purpose?
    A mistake that several locations meet is one finding."""
    locked, missing, ruled = for_each_logged_route(case, _FILE, partial(_password_file, case))
    broken, _, seen = for_each_logged_route(case, _AUTH, partial(_auth_request, case))
    findings = [*(_password_finding(case, checks) for checks in _by_mistake(locked)),
                *(_auth_finding(case, checks) for checks in _by_mistake(broken))]
    return conclude([*findings, *_advice(case)], missing, [*ruled, *seen])


def _by_mistake(checks: Iterable[_FailedCheck]) -> Iterable[list[_FailedCheck]]:
    found: dict[tuple[object, ...], list[_FailedCheck]] = {}
    for check in sorted(checks, key=lambda one: (one.placed.path, one.placed.line)):
        found.setdefault((check.nginx.node, check.nginx.conf_path, *check.key), []).append(check)
    return found.values()


def _nearest(case: Case, nginx: Nginx, judged: RouteVerdict, *names: str) -> PlacedDirective | None:
    near = directives_for(case.snapshot, nginx, judged.facts.route)
    return next((d for d in near if d.words[0] in names and len(d.words) > 1), None)


def _place(case: Case, nginx: Nginx, placed: PlacedDirective) -> Evidence:
    return Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, placed.path, placed.line), placed.text)


def _is_refused_now(judged: RouteVerdict) -> bool:
    """Return whether nginx itself answered our request with 500: such a check holds for every page of the location,
    and the line of our own request may come after the log was read."""
    probes = judged.facts.probes.or_else(())
    return is_failing(judged) and any(probe.status == _BAD_STATUS for probe in probes)


def _is_unheard(judged: RouteVerdict) -> bool:
    """Return whether no answer to our requests reached us: on a machine whose loopback is down, visitors still get one,
    and nginx logs why."""
    probes = judged.facts.probes.or_else(())
    return bool(probes) and all(probe.status is None for probe in probes)


def _password_file(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                   asked: bool) -> _FailedCheck | None:
    """Return the check if the workers cannot read the file of auth_basic."""
    placed = _nearest(case, nginx, judged, "auth_basic_user_file")
    shown = asked or _is_refused_now(judged)
    if placed is None or not (shown or _is_unheard(judged)) or not isinstance(nginx.config, Known):
        return None
    if events[-1].errno in (None, _MISSING):
        return None
    path = posixpath.join(posixpath.dirname(nginx.conf_path), placed.words[1])
    if f'"{path}"' not in events[-1].message:
        return None
    return _FailedCheck(nginx, judged, placed, events, path, (path,), shown)


def _password_finding(case: Case, checks: Sequence[_FailedCheck]) -> Finding:
    nginx, path = checks[0].nginx, checks[0].subject
    user = (nginx.config.value.user if isinstance(nginx.config, Known) else "") or "nobody"
    manual = (f"let {user}, the account of nginx's workers, read {path} and enter its folders: chgrp {user} {path}; "
              f"chmod 640 {path}. No reload is needed")
    summary = f"nginx's workers ({user}) cannot read the password file {path} of {_locations(checks)}"
    return _fault(case, checks, ("auth-basic-file-unreadable", summary), (),
                  Repair("let-workers-read", "manual", f"let nginx read {path}", (), manual=manual))


def _auth_request(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                  asked: bool) -> _FailedCheck | None:
    """Return the check if auth_request gets an answer that it cannot use; None if its backend is at fault."""
    placed, status = _nearest(case, nginx, judged, "auth_request"), _status_of(events)
    shown = asked or _is_refused_now(judged)
    if placed is None or not (shown or _is_unheard(judged)) or status >= str(_BAD_STATUS) or placed.words[1] == "off":
        return None
    check = _FailedCheck(nginx, judged, placed, events, placed.words[1],
                         (judged.facts.route.server_index, placed.words[1], status), shown)
    closed = any(is_closed(case.endpoints[name]) for guard in _guards(case, check) for name in guard.facts.endpoints)
    return None if closed else check


def _status_of(events: Sequence[ErrorEvent]) -> str:
    """Return the status that auth_request got last."""
    return events[-1].message.rpartition(" ")[2]


def _guards(case: Case, check: _FailedCheck) -> list[RouteVerdict]:
    """Return the routes of the location that auth_request asks."""
    return [other for other in case.verdicts.values()
            if check.nginx.serves(other.facts) and other.facts.route.asked_first
            and other.facts.route.server_index == check.judged.facts.route.server_index
            and other.facts.route.location in _own_labels(check.subject)]


def _auth_finding(case: Case, checks: Sequence[_FailedCheck]) -> Finding:
    subject = checks[0].subject
    asked, line = _asked(case, checks[0])
    places = " and ".join(dict.fromkeys(place.where for place in _places(case, checks)))
    let = f"{asked}. Let it" if asked else f"let {subject}"
    manual = (f"{let} answer 2xx to let visitors in, 401 or 403 to keep them out, or correct "
              f"`{checks[0].placed.text}` at {places}. Then run nginx -t and reload nginx")
    summary = (f"nginx asks {subject} before {_locations(checks)}, and gets {_status_of(checks[0].events)}: it rejects "
               "every visitor with 500")
    correct = f"correct what {subject} answers{f' ({line.where})' if line else ''}"
    return _fault(case, checks, ("auth-subrequest-broken", summary), (line,) if line else (),
                  Repair("correct-auth-request", "manual", correct, (), manual=manual))


def _asked(case: Case, check: _FailedCheck) -> tuple[str, Evidence | None]:
    """Return what the location that auth_request asks does, as a sentence, and its line."""
    answer = _answer_of(case, check, _own_labels(check.subject))
    if answer is not None:
        text, line = answer
        return f"{check.subject} {text}", line
    around = _location_around(case, check)
    answer = _answer_of(case, check, (around,)) if around else None
    if answer is None:
        return "", None
    text, line = answer
    return f"{check.subject} has no location of its own: `location {around}` takes it, and {text}", line


def _own_labels(path: str) -> tuple[str, ...]:
    return tuple(f"{mark}{path}" for mark in ("= ", "=", "^~ ", "^~", ""))


def _answer_of(case: Case, check: _FailedCheck, labels: Sequence[str]) -> tuple[str, Evidence] | None:
    """Return what a location of the check's server does, and where: a `return`, a pass, or neither."""
    nginx, number = check.nginx, check.judged.facts.route.server_index
    statics = [one for one in _statics(nginx) if one.server_index == number and one.location in labels]
    passes = [facts.route for facts in case.snapshot.routes
              if nginx.serves(facts) and facts.route.server_index == number and facts.route.location in labels]
    given = [one for one in statics if one.returns is not None and (
        not one.conditional or str(one.returns) == _status_of(check.events))]
    if given:
        line = _line_of(case, nginx, given[0].source, f"return {given[0].returns};")
        return f"answers with `{line.text}` ({line.where})", line
    if passes:
        line = Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, passes[0].source.file,
                                                       passes[0].source.line), passes[0].pass_text)
        return f"asks {line.text} ({line.where})", line
    bare = [one for one in statics if one.returns is None]
    if bare:
        line = _line_of(case, nginx, bare[0].source, f"location {bare[0].location}")
        return f"looks for a file: it has neither a pass nor a return ({line.where})", line
    return None


def _location_around(case: Case, check: _FailedCheck) -> str:
    """Return the longest prefix location that takes the asked path; empty where a regex may take it before."""
    number = check.judged.facts.route.server_index
    labels = {one.location for one in _statics(check.nginx) if one.server_index == number} | {
        facts.route.location for facts in case.snapshot.routes
        if check.nginx.serves(facts) and facts.route.server_index == number}
    if any(label.startswith("~") for label in labels):
        return ""
    fitting = [label for label in labels
               if (path := label.removeprefix("^~").lstrip()).startswith("/") and check.subject.startswith(path)]
    return max(fitting, key=len, default="")


def _statics(nginx: Nginx) -> tuple[StaticLocation, ...]:
    return nginx.config.value.statics if isinstance(nginx.config, Known) else ()


def _line_of(case: Case, nginx: Nginx, span: Span, otherwise: str) -> Evidence:
    text = line_text(case.snapshot, nginx.node, span.file, span.line) or otherwise
    return Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, span.file, span.line), text)


def _locations(checks: Sequence[_FailedCheck]) -> str:
    return locations_text([check.judged.facts for check in checks])


def _places(case: Case, checks: Sequence[_FailedCheck]) -> list[Evidence]:
    return [_place(case, check.nginx, check.placed) for check in checks]


def _fault(case: Case, checks: Sequence[_FailedCheck], names: tuple[str, str], lines: tuple[Evidence, ...],
           repair: Repair) -> Finding:
    """Return the finding. `names` are its variant and summary, `lines` further lines of the configuration."""
    nginx = checks[0].nginx
    logged = (line for check in checks[:_MOST_SHOWN]
              for line in logged_evidence(case, nginx, check.judged, check.events))
    sure = any(check.shown for check in checks)
    return Finding(cause=CAUSE.id, variant=names[0], role="root", confidence="certain" if sure else "likely",
                   summary=names[1], detail=(),
                   routes=tuple(dict.fromkeys(check.judged.facts.route.id for check in checks)), service=None,
                   node=nginx.node, evidence=tuple(dict.fromkeys((*_places(case, checks), *lines, *logged))),
                   repairs=(repair,))


def _advice(case: Case) -> Iterator[Finding]:
    """Yield what the configuration does on purpose. Its evidence quotes no line of the log: it explains no failure."""
    for nginx in case.snapshot.nginxes:
        for judged in case.verdicts.values():
            if nginx.serves(judged.facts):
                yield from _on_purpose(case, nginx, judged)
        for judged, events in recent_lines_by_route(case, nginx, _LIMITS).values():
            placed = _nearest(case, nginx, judged, "limit_req", "limit_conn")
            lines = lines_of_visitors(events)
            if placed is not None and not all(map(is_marked_as_probe, lines)):
                yield _told(nginx, judged, "rate-limit-503", _place(case, nginx, placed),
                            f"`{placed.text}` turned {len(lines)} requests for {judged.facts.route.location} away "
                            "within a minute, on purpose")


def _on_purpose(case: Case, nginx: Nginx, judged: RouteVerdict) -> Iterator[Finding]:
    route, probes = judged.facts.route, judged.facts.probes.or_else(())
    ends = [case.endpoints[name] for name in judged.facts.endpoints]
    statuses = {probe.status or 0 for probe in probes}
    sleeps = all(is_closed(end) for end in ends)        # then backend-down says both
    if len(statuses) == 1 and min(statuses) >= _BAD_STATUS and isinstance(nginx.config, Known) and (
            judged.state == "ok" and not sleeps and is_answered_by_config(judged, ends, nginx)):
        for static in _statics(nginx):
            if static.returns in statuses and static.server_index == route.server_index:
                shown = _line_of(case, nginx, static.source, f"return {static.returns};")
                yield _told(nginx, judged, "gateway-error-from-config", shown,
                            f"the configuration answers {route.location} with {static.returns} on purpose")
                return
    if judged.state == "degraded" and route.masked_by and statuses and max(statuses) < _BAD_STATUS and (
            not judged.skipped_members):
        placed = _nearest(case, nginx, judged, "error_page")
        if placed is not None:
            yield _told(nginx, judged, "error-page-masks-status", _place(case, nginx, placed),
                        f"`{placed.text}` shows visitors of {route.location} another status than nginx got")


def _told(nginx: Nginx, judged: RouteVerdict, variant: str, shown: Evidence, summary: str) -> Finding:
    return Finding(cause=CAUSE.id, variant=variant, role="advice", confidence="certain", summary=summary, detail=(),
                   routes=(judged.facts.route.id,), service=None, node=nginx.node,
                   evidence=(shown, *judged.evidence[:1]))


CAUSE = Cause(
    id="error-from-config",
    title="nginx's configuration gives the error: on purpose, or by a check that fails",
    family="beyond the guide",
    variants=("gateway-error-from-config", "error-page-masks-status", "rate-limit-503", "auth-subrequest-broken",
              "auth-basic-file-unreadable"),
    verdict=judge,
    page=__doc__,
)
