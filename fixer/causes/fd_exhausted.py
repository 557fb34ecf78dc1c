"""A process has as many files and sockets open as it may: the backend, or nginx's own worker.
nginx logs `24: Too many open files` (500), or the backend accepts no connection (504, 502). Raise that limit.

By hand
  ls /proc/PID/fd | wc -l; grep 'open files' /proc/PID/limits    # open now; soft and hard limit
  ss -tnp | grep pid=PID,                        # which connections does it hold?
  systemctl edit UNIT; systemctl restart UNIT    # [Service] LimitNOFILE=65536
  docker compose up -d SERVICE                   # after ulimits: {nofile: 65536} in the compose file
  nginx -t && nginx -s reload                    # after worker_rlimit_nofile 65536; at the top of nginx.conf

What it is
  Every connection is a file descriptor, and each process may have so many (LimitNOFILE, ulimit -n,
  worker_rlimit_nofile). Idle connections that nobody closes, or a limit that is too low for the visitors, use them
  up.

Why nginx says 502, 504 or 500
  A backend at its limit accepts nobody: connections wait in its queue until nginx gives up (504), or are reset (502).
  A worker of nginx at its limit cannot open a connection to the backend (`socket() failed (24: Too many open files)`,
  500), or takes no visitor at all (`accept4() failed (24: …)`). A limit that is smaller still lets a backend not even
  start.

How it is told apart
  The process says so: errno 24 in the service's own log since it started, or in nginx's. Where a server logs nothing
  of it, its connections are as many as its limit and others wait. overload-saturated has neither.

The repair and its safety
  raise-open-files (disruptive): LimitNOFILE in a drop-in of the unit, or ulimits in the compose file; then a restart.
  raise-worker-files (safe): worker_rlimit_nofile in nginx's main file, nginx -t, a reload. Where it is its container
  that was given so few (ulimits), that is raised instead (disruptive): no worker gets more by itself.
  Whoever keeps the connections open is worth a look: a higher limit only gives more time to one that leaks.
"""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble, is_answering
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import config_evidence, listener_at, log_evidence, now_on, place
from fixer.analysis.exits.failed_run import Crash, crashes
from fixer.analysis.nginx_errors import fresh_lines, symptom_evidence
from fixer.analysis.nginx_process import routes_of
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import BEGAN_TO_SERVE, lines_of, message
from fixer.analysis.service_state import ran_since, state_evidence
from fixer.errors import StepFailed
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import WriteFile
from fixer.model.snapshot import ErrorEvent, LogLine, Nginx, Service
from fixer.nginx.effective_config import word_span
from fixer.nginx.span_edit import insert_after, replace_span
from fixer.nginx.tree import parse
from fixer.repairs.file_edits import NoPlace, nginx_steps, overwriters, risk_of, writable_place
from fixer.repairs.resource_limits import Ceiling, raise_ceiling
from fixer.repairs.start_nginx import wait_for_nginx

PLENTY = "65536"
IN_A_BOX = 8192     # an engine can give a container no more than it may open itself
_LATELY = 60.0
_NEAR = 0.6         # of the limit: connections alone; the rest are its own files
_FILES = Ceiling("raise-open-files", "limit of open files", "LimitNOFILE",
                 ("ulimits.nofile", "ulimits.nofile.soft", "ulimits.nofile.hard"))
_SAID = regex(r"Too many open files|out of system resource|\bEMFILE\b")
_LAST = 120         # lines of a run's end that are read
_REQUEST = regex(r"\"[A-Z]+ .*HTTP/\d")
_WORKER = regex(r"^(?:socket|accept4?|open|epoll_create|eventfd)\(\) .*\(24: |^socket\(\) failed \(24: ")


def judge(case: Case) -> Verdict:
    """For every failing address: does its service say that it may open no more? And for every nginx the same."""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled: list[Evidence] = [e for j in case.judged.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    for nginx in case.snapshot.nginxes:
        lines = fresh_lines(case, nginx, _is_worker)
        if lines:
            findings[nginx.node] = _worker(case, nginx, lines)
    for crash in crashes(case).found:
        said = _said_at_start(crash)
        if said:
            findings[crash.service.id] = _backend(case, crash.troubles[0], crash.service, said)
    for trouble in case.troubles:
        service = case.service(trouble.endpoint.holder or trouble.endpoint.service)
        if service is None or not service.running or is_closed(trouble.endpoint) or is_answering(trouble.endpoint):
            continue
        said = _said(case, service)
        if said or _is_full(trouble, service):
            findings.setdefault(service.id, _backend(case, trouble, service, said))
        elif isinstance(service.log, Unknown):
            missing.append(f"log of {service.name}: {service.log.reason}")
        else:
            ruled.append(state_evidence(service))
    return conclude(findings.values(), missing, ruled)


def _is_worker(event: ErrorEvent) -> bool:
    return event.level in ("alert", "crit", "emerg") and _WORKER.match(event.message) is not None


def _said(case: Case, service: Service) -> tuple[LogLine, ...]:
    """Its own lines of the last minute, of this run."""
    since = max(now_on(case.snapshot, service.node) - _LATELY, ran_since(service))
    if case.snapshot.quiet:
        since = max(since, now_on(case.snapshot, service.node) - case.snapshot.quiet)
    return tuple(line for line in lines_of(service) if line.at is not None and line.at >= since
                 and _SAID.search(message(line)) and not _REQUEST.search(message(line)))


def _said_at_start(crash: Crash) -> tuple[LogLine, ...]:
    """Its lines at the end of a run that never came to serve."""
    if any(BEGAN_TO_SERVE.search(message(line)) for line in crash.lines):
        return ()
    return tuple(line for line in crash.lines[-_LAST:]
                 if _SAID.search(message(line)) and not _REQUEST.search(message(line)))


def limit_of(service: Service) -> int:
    """How many files its manager lets it open, 0 where that is not known."""
    if service.unit is not None:
        return service.unit.nofile_limit
    return service.container.nofile_limit if service.container is not None else 0


def _is_full(trouble: Trouble, service: Service) -> bool:
    """Nearly as many connections as it may have files; others wait or are reset, and we get no answer."""
    held, limit, http = listener_at(trouble.endpoint), limit_of(service), trouble.endpoint.http
    silent = isinstance(http, Known) and http.value.status is None
    reset = isinstance(http, Known) and http.value.error in ("reset", "closed")
    return held is not None and 0 < limit * _NEAR <= held.established and (held.queued > 0 or reset) and silent


def _backend(case: Case, trouble: Trouble, service: Service, said: tuple[LogLine, ...]) -> Finding:
    held, limit = listener_at(trouble.endpoint), limit_of(service)
    shown = [log_evidence(said[-1].text, said[-1].where)] if said else []
    if held is not None:
        text = f"{held.established} connections are open, {held.queued} wait to be accepted"
        shown.append(Evidence("socket", f"socket {held.address}:{held.port}", text))
    if limit:
        shown.append(Evidence("unit" if service.unit is not None else "container", service.name,
                              f"may open {limit} files"))
    may = f" ({limit})" if limit else ""
    enough = int(PLENTY) if service.container is None else IN_A_BOX
    need = Need("open_files", "value", f"how many files {service.name} may open{f', now {limit}' if limit else ''}",
                default=str(enough if limit < enough else limit * 4), pattern="[1-9][0-9]{1,6}")
    return Finding(
        cause=CAUSE.id, variant="backend-fd-limit", role="root", confidence="certain" if said else "likely",
        summary=f"{service.name} has as many files open as it may{may}, so it "
                f"{'takes no connection more' if service.running else 'cannot even start'}", detail=(),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *shown, state_evidence(service), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, lambda event: True),
        ))),
        repairs=(raise_ceiling(case, service, trouble.endpoint, _FILES, need),),
        explains=("backend-hung", "overload-saturated", "nginx-not-reloaded", "connection-reset", "backlog-full",
            "crash-killed", "wrong-port", "crash-loop-gave-up", "backend-down", "slow-start"),
    )


def _worker(case: Case, nginx: Nginx, lines: list[ErrorEvent]) -> Finding:
    last = lines[-1]
    return Finding(
        cause=CAUSE.id, variant="worker-fd-limit", role="root", confidence="certain",
        summary=f"nginx's workers have as many files open as they may ({len(lines)} times within a minute)", detail=(),
        routes=routes_of(case, nginx), service=None if nginx.service is None else nginx.service.name, node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, f"{len(lines)} times: {last.raw[:300]}"),
                  *(e for j in case.failing(nginx)[:2] for e in j.evidence[:1])),
        repairs=(_raise_worker(case, nginx),),
        explains=("backend-hung", "overload-saturated", "nginx-not-reloaded", "worker-connections-exhausted"),
    )


def _boxed_limit(case: Case, nginx: Nginx) -> int:
    """What nginx's container was given, where its own files do not ask for less: without a privilege that containers do
    not have its workers get no more than that, whatever worker_rlimit_nofile says. Else 0."""
    service = nginx.service
    if service is None or service.container is None or service.container.is_machine:
        return 0
    main = case.snapshot.file(nginx.node, nginx.conf_path)
    own = _limit_of(main.data) if main is not None else 0
    return service.container.nofile_limit if not own or own >= service.container.nofile_limit else 0


def _limit_of(data: bytes) -> int:
    said = next((d for d in parse(data).directives if d.name == b"worker_rlimit_nofile" and len(d.args) == 1), None)
    return int(said.args[0]) if said is not None and said.args[0].isdigit() else 0


def _raise_box(case: Case, nginx: Nginx, service: Service, limit: int) -> Repair:
    """Its container is made anew with more."""
    need = Need("open_files", "value", f"how many files {service.name} may open, now {limit}",
                default=str(max(IN_A_BOX, limit * 4)), pattern="[1-9][0-9]{1,6}")
    return raise_ceiling(case, service, wait_for_nginx(nginx), _FILES, need)


def _raise_worker(case: Case, nginx: Nginx) -> Repair:
    boxed = _boxed_limit(case, nginx)
    if boxed and nginx.service is not None:
        return _raise_box(case, nginx, nginx.service, boxed)
    box = nginx.service.container if nginx.service is not None else None
    plenty = str(min(int(PLENTY), box.nofile_limit)) if box is not None and box.nofile_limit else PLENTY
    need = Need("worker_files", "value", "how many files a worker of nginx may open", default=plenty,
                pattern="[1-9][0-9]{1,6}")
    chosen = case.inputs.get(need.key, plenty)
    summary = f"worker_rlimit_nofile {chosen}"
    where = place(case.snapshot, nginx.node, nginx.conf_path)
    here = writable_place(case.snapshot, nginx.node, nginx.conf_path)
    made: bytes | NoPlace = here if isinstance(here, NoPlace) else _with_limit(here.data, chosen)
    if isinstance(here, NoPlace) or isinstance(made, NoPlace):
        why = made.why if isinstance(made, NoPlace) else ""
        return Repair("raise-worker-files", "manual", summary, (), (need,), f"set {summary} in {where}: {why}")
    step = WriteFile(here.node, here.path, here.data, made, summary, in_place=here.in_place)
    return Repair("raise-worker-files", risk_of((here,), "safe"), f"{summary} in {where}{overwriters((here,))}",
                  (step, *nginx_steps(case.snapshot, nginx)), (need,))


def _with_limit(data: bytes, value: str) -> bytes | NoPlace:
    """The main file with another limit: where it stands, else after the first directive of the file."""
    top = parse(data).directives
    old = next((d for d in top if d.name == b"worker_rlimit_nofile" and len(d.args) == 1), None)
    first = next((d for d in top if d.name in (b"worker_processes", b"user", b"pid")), None)
    try:
        if old is not None:
            span = word_span(old, 1)
            return replace_span(data, span.start, span.end, value.encode())
        if first is not None:
            return insert_after(data, first.stop + 1, f"worker_rlimit_nofile {value};".encode())
    except StepFailed as error:
        return NoPlace(error.message)
    return NoPlace("it begins with nothing beside which it could stand")


CAUSE = Cause(
    id="fd-exhausted",
    title="a process may open no more files or sockets",
    family="overload, comes and goes",
    variants=("backend-fd-limit", "worker-fd-limit"),
    verdict=judge,
    order=22,
    page=__doc__,
)
