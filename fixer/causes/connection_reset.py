"""The backend takes a connection and closes it without an answer, or answers an upload before it has read it.
nginx logs `104: Connection reset by peer`, or `prematurely closed connection` (502). Its log or its code says why.

By hand
  curl -iv http://127.0.0.1:PORT/health        # asked directly: "Empty reply", "Connection reset by peer"?
  journalctl -u UNIT -n 50                     # or: docker logs CONTAINER; does it log the request, or a 413?
  client_max_body_size 10m;                    # uploads only: in the location, the most that the backend takes
  nginx -t && nginx -s reload

What it is
  A program accepts a connection and ends it: a list of addresses that it does not know nginx by, a limit, an error
  before its server has read the request. Or it answers a long upload at once (413, 401, 403) and closes, while nginx is
  still sending the rest. Or it begins an answer and closes before its end: an error within a stream, a limit.

Why nginx says 502
  A connection that is closed with unread data is reset: `recv() failed (104: Connection reset by peer) while reading
  response header from upstream`; closed after the request was read, it is `upstream prematurely closed connection`.
  While nginx sends an upload: `writev() failed (104: Connection reset by peer) while sending request to upstream`, also
  `sendfile()` and `32: Broken pipe`. The answer that the backend had sent is lost with the connection. An answer that
  ends early has its status, often 200: only the log says `prematurely closed connection while reading upstream`.

How it is told apart
  The same process has run all along, and asked directly, without nginx, it hangs up as well. For uploads, pages are
  well, nginx was sending, and the backend's own log shows its answer to them.
  answer-cut-off: fixer reads pages of up to 64 KiB to their end and compares that with their length. Of longer ones,
  and of pages that it does not ask for, nginx's log tells.
  crash-killed, worker-recycled: a process ended. wrong-protocol, upstream-expects-tls: it answers in another protocol.
  timeout-too-short: the upload was not read in time. keepalive-race: only on a connection that was kept.

The repair and its safety
  restart-service (disruptive): the folder that the backend runs in was removed (a release that was pruned): it cannot
  open its files any more. A restart begins in the folder that is there now.
  mend-backend (manual): the message names the log and what it says; why it hangs up is known there only.
  limit-uploads (disruptive, since only uploads show it): `--set max_body=10m` writes the most that the backend takes as
  `client_max_body_size` of the location. nginx then answers 413 itself, which visitors see. Uploads that the backend
  should take are for its code: it must read the body before it answers.

Variants
  connection-reset-before-reply  each connection is closed without an answer
  early-response-upload          an upload is answered before it was read
  answer-cut-off                 an answer begins, and its connection is closed before its end
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress, is_dropping
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import (
    config_evidence,
    endpoint_text,
    listener_at,
    listener_evidence,
    log_evidence,
    processes_of,
)
from fixer.analysis.exits.exec_step import program_text
from fixer.analysis.exits.kills import worker_deaths
from fixer.analysis.logged_failures import LoggedFailure, is_of_run, logged_failures, refusals_before, started_at
from fixer.analysis.nginx_errors import (
    Kinds,
    early_end_evidence,
    logged_evidence,
    routes_text,
    service_of_route,
    symptom_evidence,
    was_logged_since,
)
from fixer.analysis.route_verdict import LOGGED_SECONDS, RouteVerdict
from fixer.analysis.run_log import is_restarting, lines_of, message_of, program_lines
from fixer.analysis.service_state import removed_folder_evidence, state_evidence
from fixer.formats.run_output import is_request_line
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import ErrorEvent, LogLine, Service
from fixer.repairs.file_edits import NotEditable, check_and_reload_steps, edit_risk, overwriters_text

with lazy_imports():  # only for what hangs up
    from fixer.analysis.ownership.configured import holding_service
    from fixer.repairs.nginx_directives import DirectiveValue, is_held_by_stranger, set_directives
    from fixer.repairs.start_service import restart_steps

CLOSED_KINDS: Kinds = frozenset({
    "closed-before-answer", "reset-before-answer", "closed-elsewhere", "reset-while-sending", "read-failed",
    "connect-reset"})
CUT_KINDS: Kinds = frozenset({"closed-in-body", "reset-in-body"})
UPLOAD_KINDS: Kinds = frozenset({"reset-while-sending"})
INPUT_KEY = "max_body"
_UPLOADS = ("POST", "PUT", "PATCH")
_ANSWER = regex(r'"(?:POST|PUT|PATCH) [^"]*" (?P<status>4\d\d)\b')
_SAME_MOMENT = 3.0      # seconds between nginx's line and the server's: a large upload takes its time
_MAX_TEXT = 200
_STATUS_FIRST = "The status was sent before, often 200: visitors get pages that end early."


def judge(case: Case) -> Verdict:
    """Judge each address that hangs up on our own connection, and each route whose uploads were reset."""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    found = {route for finding in findings for route in finding.routes}
    for failure in logged_failures(case):
        events = tuple(e for e in failure.events if e.kind in UPLOAD_KINDS and e.request.startswith(_UPLOADS))
        for judged in failure.routes if events and not failure.over else ():
            if judged.facts.route.id in found:
                continue
            match _judge_uploads(case, failure, judged, events):
                case Finding() as finding:
                    findings.append(finding)
                case str() as lacking:
                    missing.append(lacking)
                case shown:
                    ruled.append(shown)
    found |= {route for finding in findings for route in finding.routes}
    findings += [made for failure in logged_failures(case) if not failure.over
                 for judged in failure.routes if judged.facts.route.id not in found
                 if (made := _judge_cuts(case, failure, judged)) is not None]
    findings += _early_ends(case, {route for finding in findings for route in finding.routes},
                            {finding.service for finding in findings if finding.variant == "answer-cut-off"})
    return conclude(findings, missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    """Return a finding if a running program hangs up on us as on nginx."""
    endpoint = trouble.endpoint
    held, holder = listener_at(endpoint), holding_service(case, endpoint)
    shown = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if held is None or not is_dropping(endpoint):
        return shown
    if isinstance(endpoint.other_scheme_probe, Known) and endpoint.other_scheme_probe.value.status is not None:
        return shown        # it answers in TLS, or without
    if holder is None:
        return f"which program hangs up at {endpoint_text(endpoint)}"
    if endpoint.configured_service not in (None, holder.id) or is_held_by_stranger(case, trouble):
        return state_evidence(holder)       # not the program that belongs there
    if holder.gateway or not holder.running or is_restarting(holder) or any(
            died.service.id == holder.id for died in worker_deaths(case)):
        return state_evidence(holder)       # it only forwards, or a process that ends takes its connections with it
    error = endpoint.http.value.error if isinstance(endpoint.http, Known) else ""
    direct = Evidence("probe", f"{endpoint.protocol}://{endpoint_text(endpoint)}{endpoint.path}",
                      f"accepts the connection, then: {error}, asked directly, without nginx")
    symptoms = symptom_evidence(case, trouble, CLOSED_KINDS)
    logged = any(shown.source == "nginx-log" for shown in symptoms)
    gone, told = _removed_folder(case, holder)
    return Finding(
        cause=CAUSE.id, variant="connection-reset-before-reply", role="root",
        confidence="certain" if logged and all(j.state == "failing" for j in trouble.verdicts) else "likely",
        summary=(f"{holder.name} accepts connections at {endpoint_text(endpoint)} and closes them without an answer, "
                 f"also without nginx: {routes_text(trouble)} gets 502"),
        detail=told, routes=trouble.route_ids, service=holder.name, node=holder.node,
        evidence=(direct, *gone, listener_evidence(case.snapshot, held, holder), *symptoms, state_evidence(holder)),
        repairs=(_mend_repair(case, holder),),
    )


def _removed_folder(case: Case, service: Service) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """Return the folder that was removed below the running service, as evidence and as text; nothing if it is there."""
    gone = removed_folder_evidence(case.snapshot, service)
    if gone is None:
        return (), ()
    folder = gone.text.removesuffix(" (deleted)")
    return (gone,), (f"it runs in {folder}, which was removed after its start: no file of it can be opened any more",)


def _mend_repair(case: Case, service: Service) -> Repair:
    """Return a restart where the folder that it runs in was removed, else the manual step with the last thing that the
    program itself said."""
    steps = restart_steps(case.snapshot, service, None) if _removed_folder(case, service)[0] else ()
    if steps:
        return Repair("restart-service", "disruptive", f"restart {service.name} in the folder that is there now", steps)
    own = [line for line in program_lines(lines_of(service)) if not is_request_line(line.text)]
    said = (f"; its last line is: {message_of(own[-1]).strip()[:_MAX_TEXT]} ({own[-1].where})" if own else
            f"; its log could not be read: {service.log.reason}" if isinstance(service.log, Unknown) else "")
    manual = (f"find out why {service.name}{program_text(service)} closes connections before its answer is complete: "
              "its log, then what its code or its settings do with a connection (a list of allowed addresses, a limit, "
              f"a stream){said}. Then restart it")
    return Repair("mend-backend", "manual", f"let {service.name} answer", (), manual=manual)


def _judge_uploads(case: Case, failure: LoggedFailure, judged: RouteVerdict,
                   events: tuple[ErrorEvent, ...]) -> Finding | str | Evidence:
    """Return a finding if the backend ran all along and logged its own answer to such an upload."""
    shown = Evidence("nginx-log", events[-1].where, events[-1].raw)
    service = service_of_route(case, judged)
    if service is None or judged.has_failures:
        return shown
    events = tuple(event for event in events if was_logged_since(event, started_at(case, service)))
    if not events or not service.running or is_restarting(service):
        return shown
    if isinstance(service.log, Unknown):
        return f"whether {service.name} answered the uploads of {judged.facts.route.location}: {service.log.reason}"
    answered = _answer_line(service, events)
    if answered is None:
        return f"why {service.name} closed the connection during uploads of {judged.facts.route.location}: its log " \
               "shows no answer to them"
    line, status = answered
    route = judged.facts.route
    times = "an upload" if len(events) == 1 else f"{len(events)} uploads"
    return Finding(
        cause=CAUSE.id, variant="early-response-upload", role="root", confidence="certain",
        summary=(f"{service.name} answers {status} to {times} of {route.location} without reading them, and closes: "
                 f"nginx is still sending, and visitors get 502 (within {LOGGED_SECONDS / 60:.0f} minutes)"),
        detail=(), routes=(route.id,), service=service.name, node=service.node,
        evidence=(*logged_evidence(case, failure.nginx, judged, events), log_evidence(line.text, line.where),
                  state_evidence(service)),
        repairs=(_limit_repair(case, failure, judged, service, status),), effects=("looks-killed",),
    )


def _judge_cuts(case: Case, failure: LoggedFailure, judged: RouteVerdict) -> Finding | None:
    """Return the finding about answers that a backend began and did not end, though all of its processes have run on;
    None if one of them is newer than the line, if it only forwards, or if its log, which may say why, was not read."""
    service, route = service_of_route(case, judged), judged.facts.route
    if service is None or service.gateway or not service.running or is_restarting(service) or isinstance(
            service.log, Unknown) or any(died.service.id == service.id for died in worker_deaths(case)):
        return None
    newest = max((process.started_at for process in processes_of(case.snapshot, service.node, service.pids)),
                 default=math.inf)
    events = _events_of_present_run(failure, newest)
    if not events:
        return None
    count = f"{len(events)} answer{'s'[:len(events) != 1]}"
    gone, told = _removed_folder(case, service)
    return Finding(
        cause=CAUSE.id, variant="answer-cut-off", role="root", confidence="likely",
        summary=(f"{service.name} closed the connection in the middle of {count} to {route.location} (within "
                 f"{LOGGED_SECONDS / 60:.0f} minutes), and none of its processes has ended"),
        detail=(_STATUS_FIRST, *told), routes=(route.id,),
        service=service.name, node=service.node,
        evidence=(*logged_evidence(case, failure.nginx, judged, events), *gone, state_evidence(service)),
        repairs=(_mend_repair(case, service),),
    )


def _early_ends(case: Case, found: set[str], cut_off: set[str | None]) -> Iterator[Finding]:
    """Yield the finding on each other route whose page ends early for us through nginx, and asked directly, too. What
    another page has shown of its server (`cut_off`) needs no direct answer."""
    early = {judged.facts.route.id: (judged, early_end_evidence(case, judged)) for judged in case.verdicts.values()
             if judged.facts.route.id not in found and judged.facts.ends_early}
    for judged, direct in sorted(early.values(), key=lambda pair: pair[1] is None):
        service, route = service_of_route(case, judged), judged.facts.route
        if service is None or service.gateway or not service.running or (
                direct is None and service.name not in cut_off):
            continue
        cut_off.add(service.name)
        gone, told = _removed_folder(case, service)
        yield Finding(
            cause=CAUSE.id, variant="answer-cut-off", role="root", confidence="likely",
            summary=(f"{service.name} closes connections in the middle of its answers to {route.location}"
                     f"{', also without nginx' if direct else ''}"),
            detail=(_STATUS_FIRST, *told), routes=(route.id,), service=service.name, node=service.node,
            evidence=(*filter(None, (direct,)), *judged.evidence[:1], *gone, state_evidence(service)),
            repairs=(_mend_repair(case, service),),
        )


def _events_of_present_run(failure: LoggedFailure, newest: float) -> tuple[ErrorEvent, ...]:
    """Return its cut answers by processes of which the newest started then. nginx's log tells whole seconds: in that
    very one, what follows a refused connection is of the new run, since nothing listened between both."""
    refusals = refusals_before(failure.nginx)
    return tuple(event for event in failure.events if event.kind in CUT_KINDS and (
        event.at > newest or is_of_run(event, refusals, newest)))


def _answer_line(service: Service, events: tuple[ErrorEvent, ...]) -> tuple[LogLine, str] | None:
    """Return the server's newest line about a rejected upload at the time of one of these lines, and its status."""
    for line in reversed(lines_of(service)):
        match = _ANSWER.search(message_of(line))
        if match is None or line.at is None:
            continue
        if any(abs(event.at - line.at) <= _SAME_MOMENT for event in events):
            return line, match["status"]
    return None


def _limit_repair(case: Case, failure: LoggedFailure, judged: RouteVerdict, service: Service, status: str) -> Repair:
    route = judged.facts.route
    need = Need(INPUT_KEY, "value", f"the largest upload of {route.location} that {service.name} takes, such as 10m",
                pattern="[1-9][0-9]{0,8}[kmg]?")
    title = f"let nginx answer 413 to larger uploads of {route.location}"
    chosen = case.inputs.get(INPUT_KEY)
    if chosen is None:
        return Repair("limit-uploads", "safe", title, (), (need,))
    edit = set_directives(case.snapshot, failure.nginx, [DirectiveValue(route, "client_max_body_size", chosen)], title)
    if isinstance(edit, NotEditable):
        manual = (f"set client_max_body_size {chosen} in the location at {route.source.file}:{route.source.line}; "
                  f"fixer cannot do this: {edit.reason}")
        return Repair("limit-uploads", "manual", title, (), (need,), manual)
    summary = f"client_max_body_size {chosen} at {edit.where[0]}: {title}{overwriters_text((edit.file,))}"
    return Repair("limit-uploads", edit_risk((edit.file,), "safe"), summary,
                  (edit.step, *check_and_reload_steps(case.snapshot, failure.nginx)), (need,),
                  doubt=f"whether {service.name} answers {status} to smaller uploads, too")


CAUSE = Cause(
    id="connection-reset",
    title="the backend closes connections without an answer",
    family="beyond the guide",
    variants=("connection-reset-before-reply", "early-response-upload", "answer-cut-off"),
    verdict=judge,
    page=__doc__,
)
