"""nginx sends a request on an idle connection at the moment when the backend closes it.
nginx logs `prematurely closed connection` or `104: Connection reset by peer` now and then (502). Let nginx close first.

By hand
  grep -E 'prematurely closed|reset by peer' /var/log/nginx/error.log    # nearly all of them POST?
  nginx -T 2>/dev/null | grep -nE 'keepalive|http_version|Connection'    # 60 s where no keepalive_timeout is written
  ps -o args= -C uvicorn,gunicorn,hypercorn                              # 5 s, 2 s, 5 s without an option
  keepalive_timeout 4s;          # in the upstream block: less than the backend's time
  nginx -t && nginx -s reload    # or start the backend with --timeout-keep-alive 75

What it is
  nginx keeps connections to the servers of an `upstream` block open (`keepalive`; from 1.29.7 on by default) and sends
  later requests on them. The backend closes a connection that had no request for some seconds. If its time is shorter
  than nginx's, each idle connection ends by the backend's hand, and a request can be on its way just then.

Why nginx says 502
  The backend has closed the connection and never reads the request: `upstream prematurely closed connection while
  reading response header from upstream`, or `recv() failed (104: Connection reset by peer)`. nginx tries a GET again on
  another connection, and visitors notice nothing. It does not repeat a POST, which may have been carried out: 502 after
  0 s.

How it is told apart
  Few requests fail, nearly all of them POST, at once, while the backend runs, was not restarted and answers. Its time
  for idle connections (its option, else its default) is not longer than nginx's.
  crash-killed, crash-oom, worker-recycled: a process of the backend ended at that moment. connection-reset: it happens
  on new connections, too.

The repair and its safety
  end-idle-first (disruptive, since too few requests fail to count them): `keepalive_timeout` of the upstream block, a
  second below the backend's own time, then nginx -t and a reload. Raising the backend's time does the same.
  `proxy_next_upstream … non_idempotent` only hides it, and may carry out a POST twice.

Variants
  keepalive-race  the backend closes idle connections before nginx does
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case, is_answering
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import endpoint_text, file_line_text, line_text, processes_of
from fixer.analysis.exits.exec_step import working_directory_of
from fixer.analysis.logged_failures import LoggedFailure, logged_failures
from fixer.analysis.nginx_errors import reuses_connections
from fixer.analysis.route_verdict import LOGGED_SECONDS, RouteVerdict
from fixer.analysis.service_state import state_evidence
from fixer.formats.application_servers import IdleLimit, server_of
from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.nginx_config import KeptConnections
from fixer.model.snapshot import Endpoint, ErrorEvent, FileContent, Nginx, Service
from fixer.nginx.error_kinds import RACE_KINDS
from fixer.repairs.file_edits import NotEditable, check_and_reload_steps, edit_risk, overwriters_text

with lazy_imports():  # only for what is found
    from fixer.repairs.nginx_directives import DirectiveValue, set_directives

REPAIR_ID = "end-idle-first"
_NOT_REPEATED = frozenset({"POST", "LOCK", "PATCH"})      # nginx does not send these twice
_DEFAULT_NUMBER = 32            # from nginx 1.29.7 on
_RESPAWN_SECONDS = 2.0          # a parent replaces a worker at once
_MIN_SECONDS = 0.5              # a shorter time for idle connections is none
_VARIABLES = {"uvicorn": "UVICORN_TIMEOUT_KEEP_ALIVE", "gunicorn": "GUNICORN_CMD_ARGS"}
_WORKER_CLASS, _THREADS = "--worker-class", "--threads"


@dataclass(frozen=True, slots=True)
class _IdleTime:
    """How many seconds a service keeps an idle connection, and what says so."""

    service: Service
    seconds: float
    source: Evidence


def judge(case: Case) -> Verdict:
    """Judge each route whose requests ended on a connection that the backend closed: does nginx use idle ones again,
    and does the backend close them earlier than nginx?"""
    findings: dict[object, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        if isinstance(nginx.errors, Unknown) and nginx.master_pid is not None and any(
                j.facts.route.kept is not None for j in case.verdicts.values() if nginx.serves(j.facts)):
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
    for failure in logged_failures(case):
        events = tuple(event for event in failure.events if event.kind in RACE_KINDS)
        for judged in failure.routes if events and not failure.over else ():
            match _judge_route(case, failure, judged, events):
                case Finding() as found:
                    key = (found.node, found.service, judged.facts.route.kept)
                    findings[key] = findings[key].joined_with(found) if key in findings else found
                case str() as lacking:
                    missing.append(lacking)
                case shown:
                    ruled.append(shown)
    return conclude(findings.values(), missing, ruled)


def _judge_route(case: Case, failure: LoggedFailure, judged: RouteVerdict,
                 events: Sequence[ErrorEvent]) -> Finding | str | Evidence:
    """Return the finding; else the missing fact, else evidence that it is another fault."""
    shown = Evidence("nginx-log", events[-1].where, events[-1].raw)
    kept = judged.facts.route.kept
    ends = [end for name in judged.facts.endpoints if not (end := case.endpoints[name]).down]
    if kept is None or judged.has_failures or not ends or not all(map(_takes_requests, ends)):
        return shown        # no connection is used again, or new ones fail, too
    reused = reuses_connections(judged)
    if not reused:
        return shown if reused is False else (
            f"whether nginx keeps connections to {judged.facts.route.upstream} open: its version is unknown")
    shortest: _IdleTime | None = None
    for end in ends:
        service = case.service(end.listening_service or end.configured_service)
        if service is None:
            return f"what listens at {endpoint_text(end)}, and how long it keeps an idle connection"
        events = [event for event in events if not _has_replaced_process(case, service, event)]
        match _idle_time(case, service):
            case Unknown(reason=reason):
                return f"how long {service.name} keeps an idle connection: {reason}"
            case Known(value=found) if found is not None and (shortest is None or found.seconds < shortest.seconds):
                shortest = found
    if not events or shortest is None or kept.seconds < shortest.seconds:
        return shown
    return _finding(case, failure.nginx, judged, events, shortest)


def _takes_requests(endpoint: Endpoint) -> bool:
    """Return whether it answered our own connection, or was only late."""
    return is_answering(endpoint) or (isinstance(endpoint.http, Known) and endpoint.http.value.error == "slow")


def _has_replaced_process(case: Case, service: Service, event: ErrorEvent) -> bool:
    """Return whether a process of the service started after the line, or right before: one that ended took its
    requests with it."""
    return any(process.started_at > event.at - _RESPAWN_SECONDS
               for process in processes_of(case.snapshot, service.node, service.pids))


def _idle_time(case: Case, service: Service) -> Fact[_IdleTime | None]:
    """Return how long the server keeps an idle connection; Known(None) if it closes each after its answer."""
    limit = server_of(service.runtime).idle
    if limit is None:
        return Unknown(f"{service.runtime or 'its program'} does not say so")
    settings = _settings_lines(case, service)
    if settings is None:
        return Unknown("its settings file could not be read")
    if service.runtime == "gunicorn" and _is_synchronous(service, settings):
        return Known(None)
    command = Evidence("process", f"command of {service.name}", f"its default: {limit.seconds:g} s")
    if (given := _option(service, limit.option)) is not None:
        if not is_number(given):
            return Unknown(f"{limit.option} {given}")
        return Known(_IdleTime(service, float(given), replace(command, text=f"{limit.option} {given}")))
    if any(variable.name == _VARIABLES.get(service.runtime) for variable in service.env):
        return Unknown(f"the variable {_VARIABLES[service.runtime]} may set it")
    return _idle_time_in_settings(service, limit, settings) or Known(_IdleTime(service, limit.seconds, command))


def _idle_time_in_settings(service: Service, limit: IdleLimit,
                           settings: Sequence[tuple[str, str]]) -> Fact[_IdleTime | None] | None:
    found = [(where, text) for where, text in settings if limit.setting and regex(rf"{limit.setting}\s*=").match(text)]
    if not found:
        return None
    where, text = found[-1]
    value = text.partition("=")[2].partition("#")[0].strip()
    return Known(_IdleTime(service, float(value), Evidence("file", where, text))) if is_number(value) else Unknown(text)


def _is_synchronous(service: Service, settings: Sequence[tuple[str, str]]) -> bool:
    """Return whether gunicorn's workers are of the class `sync`, which answers with `Connection: close`."""
    written = {name: _setting(settings, name) for name in ("worker_class", "threads")}
    kind = _option(service, _WORKER_CLASS, "-k") or written["worker_class"].strip("\"'") or "sync"
    threads = _option(service, _THREADS) or written["threads"] or "1"
    return kind.rpartition(".")[2] in ("sync", "SyncWorker") and threads == "1"


def _setting(settings: Sequence[tuple[str, str]], name: str) -> str:
    given = [text.partition("=")[2].partition("#")[0].strip() for _, text in settings
             if text.partition("=")[0].strip() == name]
    return given[-1] if given else ""


def _option(service: Service, *names: str) -> str | None:
    """Return the value of an option of the running command; None without it."""
    words = service.argv
    for index, word in enumerate(words):
        if word in names and word:
            return words[index + 1] if index + 1 < len(words) else None
        name, mark, value = word.partition("=")
        if mark and name in names and name:
            return value
    return None


def _settings_lines(case: Case, service: Service) -> tuple[tuple[str, str], ...] | None:
    """Return the (file:line, text) of the server's own settings file, empty if it has none; None if one is named and
    was not read."""
    named = _option(service, "-c", "--config")
    if service.runtime != "gunicorn":
        return None if named is not None and service.runtime == "hypercorn" else ()
    name = (named or "gunicorn.conf.py").removeprefix("file:")
    path = posixpath.normpath(posixpath.join(working_directory_of(service) or "/", name))
    file: FileContent | None = case.snapshot.file(service.files_node or service.node, path)
    if file is None:
        return None if named is not None else ()
    lines = file.data.decode(errors="replace").splitlines()
    return tuple((f"{path}:{number}", text) for number, text in enumerate(lines, 1))


def _finding(case: Case, nginx: Nginx, judged: RouteVerdict, events: Sequence[ErrorEvent], idle: _IdleTime) -> Finding:
    route, service = judged.facts.route, idle.service
    assert route.kept is not None
    # nginx repeats other requests on a new connection, unless it may not: no visitor saw those fail
    seen = [event for event in events if _is_not_repeated(event, judged)]
    times = "1 request" if len(events) == 1 else f"{len(events)} requests"
    last = (seen or list(events))[-1]
    return Finding(
        cause=CAUSE.id, variant=CAUSE.id, role="root" if seen else "contributing",
        confidence="likely" if seen else "possible",
        summary=(f"nginx keeps idle connections to {service.name} for {route.kept.seconds:g} s, and {service.name} "
                 f"closes them after {idle.seconds:g} s: {times} of {route.location} met a closing one within "
                 f"{LOGGED_SECONDS / 60:.0f} minutes"),
        detail=(*(() if route.kept.number is not None else (
                    f"keepalive {_DEFAULT_NUMBER} is the default of this nginx: its files need not name it",)),
                *(() if seen else ("nginx repeats such requests (GET), so visitors may have noticed nothing",))),
        routes=(route.id,), service=service.name, node=service.node,
        evidence=(*_kept_evidence(case, nginx, route.kept), idle.source,
                  Evidence("nginx-log", last.where, f"{times}, the last: {last.raw}"),
                  state_evidence(service), *judged.evidence[:1]),
        repairs=(_repair(case, nginx, judged, route.kept, idle, is_seen=bool(seen)),),
    )


def _is_not_repeated(event: ErrorEvent, judged: RouteVerdict) -> bool:
    stops = judged.facts.route.one_try
    return event.request.partition(" ")[0] in _NOT_REPEATED or bool(stops and "_tries " not in stops)


def _kept_evidence(case: Case, nginx: Nginx, kept: KeptConnections) -> Iterator[Evidence]:
    where = file_line_text(case.snapshot, nginx.node, kept.source.file, kept.source.line)
    text = line_text(case.snapshot, nginx.node, kept.source.file, kept.source.line) or "upstream"
    yield Evidence("nginx-config", where, text)


def _repair(case: Case, nginx: Nginx, judged: RouteVerdict, kept: KeptConnections, idle: _IdleTime, *,
            is_seen: bool) -> Repair:
    seconds = idle.seconds - 1 if idle.seconds >= 2 else idle.seconds / 2
    value = f"{seconds:g}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"
    title = f"let nginx close idle connections to {idle.service.name} first"
    option = server_of(idle.service.runtime).idle
    raised = f"{option.option} {max(75, int(kept.seconds) + 15)}" if option is not None and option.option else ""
    by_hand = f"write `keepalive_timeout {value};` into the upstream block at {kept.source.file}:{kept.source.line}"
    other = f", or start {idle.service.name} with {raised}" if raised else ""
    edit = NotEditable("visitors may not have noticed it") if not is_seen else NotEditable(
        f"{idle.seconds:g} s are too short") if idle.seconds < _MIN_SECONDS else set_directives(
        case.snapshot, nginx, [DirectiveValue(replace(judged.facts.route, source=kept.source), "keepalive_timeout",
                                              value)], title)
    if isinstance(edit, NotEditable):
        manual = f"{by_hand}, then run nginx -t and reload nginx{other}; fixer does not do this: {edit.reason}"
        return Repair(REPAIR_ID, "manual", title, (), manual=manual)
    summary = (f"keepalive_timeout {value} instead of {kept.seconds:g} s in the upstream block at {edit.where[0]}: "
               f"{title}{overwriters_text((edit.file,))}")
    return Repair(REPAIR_ID, edit_risk((edit.file,), "safe"), summary,
                  (edit.step, *check_and_reload_steps(case.snapshot, nginx)))


CAUSE = Cause(
    id="keepalive-race",
    title="the backend closes idle connections before nginx does",
    family="beyond the guide",
    variants=("keepalive-race",),
    verdict=judge,
    page=__doc__,
)
