"""The files are right, but nginx still runs with what it read before.
nginx asks the old address (`111: Connection refused`, 502). Reload nginx; a replaced single-file mount needs a restart.

By hand
  nginx -t && nginx -s reload
  ps -o pid,lstart,args -C nginx                      # workers younger than the reload?
  tail -n 5 /var/log/nginx/error.log                  # no: why did the reload take no effect?
  docker exec NGINX cat FILE; docker restart NGINX    # it sees an older file than the host has: restart it

What it is
  Somebody corrected the configuration and did not reload; or the reload could not take effect (a new `listen` whose
  port is taken); or the file that nginx sees in its container is no longer the one on the host (a single-file mount,
  replaced by an editor).

Why nginx says 502
  Its memory holds the old address: `connect() failed (111: Connection refused)`, although `nginx -T`, which shows the
  disk and not the memory, looks right.

How it is told apart
  The newest configuration file is younger than the oldest worker, the address that the files name answers when asked
  directly, and the route still fails. wrong-port: there the address in the file is empty. If the address in the file
  is empty too, that is repaired first. While pages answer, an unloaded change is no fault.

The repair and its safety
  reload-nginx (safe): nginx -t, then a reload; proof is new workers and a page that answers.
  restart-nginx-container (disruptive): only a restart makes a container look at a replaced single file again.
  free-port (disruptive): a port that another process, or a container in the same network, holds is freed only when a
  person names the holder (`--set stop=NAME`); until then nginx -s reload says nothing and does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import (
    address_text,
    age_text,
    clock_of,
    config_evidence,
    container_of,
    endpoint_text,
    file_line_text,
    listeners_on,
    no_listener_evidence,
    pids_of,
    replaced_mount_file,
)
from fixer.analysis.nginx_errors import events_for, is_connect_failure, routes_text, symptom_evidence
from fixer.analysis.nginx_process import has_stale_config, holder_evidence, is_held_by_others, listen_addresses_of
from fixer.analysis.route_verdict import has_unloaded_config, is_closed
from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, Listener, Nginx, needs_tls
from fixer.repairs.file_edits import check_and_reload_steps
from fixer.repairs.start_nginx import free_port_repair
from fixer.repairs.start_service import restart_container_repair

# Starts of processes are told from a clock and an uptime read one after the other: a file and a worker that are closer
# than this, in seconds, cannot be put in order, and an edit right before its own reload is what everybody does.
_CLOCK_GRAIN = 0.5
REPAIR_ID = "reload-nginx"
_SAME_MOMENT_TEXT = "it was changed in the moment of the last reload, and nginx asks elsewhere"
RELOAD_TEXT = "check the configuration and reload nginx (what it holds in memory now cannot be brought back)"


def judge(case: Case) -> Verdict:
    """For every failing address that answers directly: are nginx's files younger than its workers?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled: list[Evidence] = []
    for trouble in case.failing_addresses:
        outcome = _judge_address(case, trouble)
        match outcome:
            case Finding():
                findings.setdefault(f"{outcome.node}/{outcome.variant}", outcome)
            case str():
                missing.append(outcome)
            case Evidence():
                ruled.append(outcome)
    for nginx in case.snapshot.nginxes:
        advice = _next_reload_finding(case, nginx) or _replaced_mount_finding(case, nginx)
        if advice is not None and not findings:
            findings[nginx.node] = advice
        ruled.append(_age_evidence(case, nginx))
    return conclude(findings.values(), missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence | None:
    nginx, endpoint = trouble.nginx, trouble.endpoint
    if nginx.master_pid is None or not any(j.state == "failing" for j in trouble.verdicts):
        return None
    if has_stale_config(case, trouble):
        return _stale_mount_finding(case, trouble)
    closed = is_closed(endpoint)
    if closed:
        return no_listener_evidence(endpoint)[0]
    if isinstance(endpoint.http, Known) and endpoint.http.value.status is None and not _is_hanging(case, trouble):
        return Evidence("probe", endpoint_text(endpoint), f"no answer when asked directly: {endpoint.http.value.error}")
    if closed is None or isinstance(endpoint.http, Unknown):
        return _failed_reload_finding(case, trouble) or f"whether {endpoint_text(endpoint)} answers when asked directly"
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown):
        return f"when nginx on {nginx.node} read its configuration"
    if _is_config_refused(nginx):
        return _age_evidence(case, nginx)
    near = _is_in_same_moment(nginx)
    if not near and not has_unloaded_config(nginx):
        return _age_evidence(case, nginx)
    failed = _port_conflict_finding(case, trouble)
    if failed is not None or not near:
        return failed or _not_reloaded_finding(case, trouble, _unseen_holder_text(case, nginx))
    return _not_reloaded_finding(case, trouble, _SAME_MOMENT_TEXT) if _is_asking_elsewhere(case,
        trouble) else _age_evidence(case, nginx)


def _failed_reload_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """A reload that a port kept away, told by nginx's log and the port: true whatever the new address does."""
    nginx = trouble.nginx
    known = isinstance(nginx.config_mtime, Known) and isinstance(nginx.loaded_at, Known) and has_unloaded_config(nginx)
    found = _port_conflict_finding(case, trouble) if known and not _is_config_refused(nginx) else None
    return None if found is None else replace(found, confidence="likely")


def _is_hanging(case: Case, trouble: FailingAddress) -> bool:
    """It accepts and gives no answer, and nginx is refused at once, elsewhere: two faults, and the older configuration
    hides the other."""
    endpoint = trouble.endpoint
    slow = isinstance(endpoint.http, Known) and endpoint.http.value.error == "slow"
    return slow and is_closed(endpoint) is False and _is_asking_elsewhere(case, trouble)


def _is_in_same_moment(nginx: Nginx) -> bool:
    """The newest file and the workers are so close that which came first cannot be told."""
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown):
        return False
    return abs(nginx.config_mtime.value - nginx.loaded_at.value) <= _CLOCK_GRAIN


def _is_asking_elsewhere(case: Case, trouble: FailingAddress) -> bool:
    """The last that nginx was refused in that second or since (or all of just now, where it says nothing since) was at
    a port that its files do not name for these routes. A visitor may have written that line; all that follows from it
    is that the files are read once more."""
    named = [*trouble.routes, *(facts for facts in case.snapshot.routes if facts.route.asked_first)]
    ours = [e for e in case.snapshot.endpoints if any(e.id in facts.endpoints for facts in named)]
    events = events_for(case, trouble, is_connect_failure)
    known = (trouble.nginx.config_mtime, trouble.nginx.loaded_at)
    moment = max((fact.value for fact in known if isinstance(fact, Known)), default=0.0)
    since = [e for e in events if e.at > moment - 1.0]     # its clock cuts the second that has begun
    asked = {_asked_port(event.upstream) for event in since[-1:] or events}
    return bool(asked) and "" not in asked and not asked.intersection(e.unix or str(e.port) for e in ours)


def _asked_port(upstream: str) -> str:
    """The port of `http://HOST:PORT/PATH`, or the socket of `http://unix:SOCKET:/PATH`; empty where it is neither."""
    place = upstream.partition("://")[2]
    if place.startswith("unix:"):
        return place.removeprefix("unix:").partition(":")[0]
    port = place.partition("/")[0].rpartition(":")[2]
    return port if is_number(port) else ""


def _is_config_refused(nginx: Nginx) -> bool:
    return isinstance(nginx.test, Known) and nginx.test.value[0] != 0


def _age_evidence(case: Case, nginx: Nginx) -> Evidence:
    """How old the files and the loaded configuration are."""
    where = file_line_text(case.snapshot, nginx.node, nginx.conf_path)
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown):
        return Evidence("nginx-process", where, "the age of files or workers is not known")
    now = clock_of(case.snapshot, nginx.node)
    files, workers = (age_text(max(0.0, now - t)) for t in (nginx.config_mtime.value, nginx.loaded_at.value))
    return Evidence("nginx-process", where, f"newest file changed {files} ago, loaded {workers} ago")


def _not_reloaded_finding(case: Case, trouble: FailingAddress, doubt: str = "") -> Finding:
    nginx, endpoint = trouble.nginx, trouble.endpoint
    direct = endpoint.http.or_else(None)
    answer = "" if direct is None else f"answers {direct.status} when asked directly"
    answers = "answers"
    if direct is not None and direct.status is None:
        answers, answer = "accepts connections", f"connects, and gives no answer: {direct.error}"
    return Finding(
        cause=CAUSE.id, variant="config-edited-not-reloaded", role="root", confidence="likely" if doubt else "certain",
        summary=(
            f"nginx still runs with an older configuration: the file hands {routes_text(trouble)} to "
            f"{endpoint_text(endpoint)}, which {answers}"
            f"{'; ' if doubt else ''}{doubt}"
        ),
        detail=(), routes=_failing_routes(case, trouble), service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            _age_evidence(case, nginx), config_evidence(case.snapshot, nginx, endpoint),
            Evidence("probe", endpoint_text(endpoint), answer), *symptom_evidence(case, trouble, lambda event: True),
        ))),
        repairs=(Repair(REPAIR_ID, "safe", RELOAD_TEXT, check_and_reload_steps(case.snapshot, nginx)),),
    )


def _failing_routes(case: Case, trouble: FailingAddress) -> tuple[str, ...]:
    """All failing routes of that nginx whose address answers: one reload is for all of them."""
    return tuple(dict.fromkeys(
        route for other in case.failing_addresses
        if other.nginx is trouble.nginx and is_closed(other.endpoint) is False for route in other.route_ids
    ))


def _bind_errors(nginx: Nginx) -> list[ErrorEvent]:
    """What nginx said since its files changed of addresses that it could not have."""
    changed = nginx.config_mtime.or_else(0.0)
    # the log knows whole seconds only
    return [e for e in _error_events(nginx) if e.level == "emerg" and "bind()" in e.message and e.at > changed - 1.0]


def _wanted_listeners(case: Case, nginx: Nginx) -> list[Listener]:
    """Sockets on ports that its files name."""
    wanted = {listen.port for listen in listen_addresses_of(nginx) if listen.port}
    return [line for line in listeners_on(case.snapshot, nginx.node) if line.port in wanted]


def _unseen_holder_text(case: Case, nginx: Nginx) -> str:
    """The reload was tried since, and whether it would fail again depends on who holds a port: nobody could see."""
    events = _bind_errors(nginx)
    line = next((x for x in _wanted_listeners(case, nginx) if not pids_of(x) and _bind_error_for(x, events)), None)
    return "" if line is None else f"but since then it could not have {address_text(line.address, line.port)}"


def _port_conflict_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """A reload was tried and could not take effect, since a port that the new files want is taken."""
    nginx = trouble.nginx
    events = _bind_errors(nginx)
    mine = set(nginx.worker_pids) | {nginx.master_pid}
    holders = [line for line in _wanted_listeners(case, nginx)
               if (pids_of(line) or _bind_error_for(line, events)) and is_held_by_others(case.snapshot, line, mine)]
    if not events or not holders:
        return None
    said = _bind_error_for(holders[0], events) or events[-1]
    held = holder_evidence(case.snapshot, holders[0])
    where = address_text(holders[0].address, holders[0].port)
    return Finding(
        cause=CAUSE.id, variant="reload-bind-failed", role="root", confidence="certain",
        summary=f"nginx could not take its new configuration: another process holds {where}", detail=(),
        routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=(held, Evidence("nginx-log", said.where, said.raw[:300]), _age_evidence(case, nginx)),
        repairs=(free_port_repair(case, holders[0], check_and_reload_steps(case.snapshot, nginx), "then reload nginx"),
                 ),
    )


def _bind_error_for(line: Listener, events: Sequence[ErrorEvent]) -> ErrorEvent | None:
    """The last line in which nginx named that port as one that it could not have."""
    return next((e for e in reversed(events) if f":{line.port} failed (98: " in e.message), None)


def _error_events(nginx: Nginx) -> tuple[ErrorEvent, ...]:
    return nginx.errors.or_else(())


def _stale_mount_finding(case: Case, trouble: FailingAddress) -> Finding:
    """The mounted file was replaced on the host; the container holds on to the old one."""
    nginx, endpoint = trouble.nginx, trouble.endpoint
    box = container_of(case.snapshot, nginx.node)
    where = file_line_text(case.snapshot, nginx.node, endpoint.file)
    if box is None or box.is_machine:
        repair = Repair("restart-nginx-container", "manual", "mount the file again", (),
                        manual=f"{endpoint.file} was replaced below its mount: mount it again, then reload nginx")
    else:
        repair = restart_container_repair(box)
    file = case.snapshot.file(nginx.node, endpoint.file)
    present = None if file is None or file.stat.nlink == 0 else replaced_mount_file(case.snapshot, file)
    what, shown = ("file", Evidence("file", where, "link count 0: this file is in no folder any more"))
    if present is not None:
        what = "folder that holds it"
        shown = Evidence("file", present.path, f"another file by now, which does not name {endpoint.written}")
    return Finding(
        cause=CAUSE.id, variant="bind-mount-stale-inode", role="root",
        confidence="certain" if present is None else "likely",
        summary=f"nginx reads an old copy of {endpoint.file}: the {what} on the host was replaced below its mount",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=(
            shown,
            config_evidence(case.snapshot, nginx, endpoint), *symptom_evidence(case, trouble, lambda event: True),
        ),
        repairs=(repair,),
    )


def _next_reload_finding(case: Case, nginx: Nginx) -> Finding | None:
    """Pages answer, but at the address that the files on disk name nobody would: the next reload would break them."""
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown) or nginx.master_pid is None:
        return None
    if not has_unloaded_config(nginx):
        return None
    empty: list[tuple[str, Endpoint, str]] = []
    for judged in case.verdicts.values():
        if judged.state != "ok" or not nginx.serves(judged.facts) or len(judged.facts.endpoints) != 1:
            continue
        endpoint = next((e for e in case.snapshot.endpoints if e.id == judged.facts.endpoints[0]), None)
        if endpoint is not None and not endpoint.down and (words := _failure_text(endpoint)):
            empty.append((judged.facts.route.id, endpoint, words))
    if not empty:
        return None
    _, endpoint, words = empty[0]
    return Finding(
        cause=CAUSE.id, variant="config-edited-not-reloaded", role="advice", confidence="likely",
        summary=f"the files name {endpoint_text(endpoint)}, {words}: the next reload would break pages",
        detail=(), routes=tuple(route for route, _, _ in empty), service=None, node=nginx.node,
        evidence=(_age_evidence(case, nginx), config_evidence(case.snapshot, nginx, endpoint),
                  *no_listener_evidence(endpoint)),
    )


def _replaced_mount_finding(case: Case, nginx: Nginx) -> Finding | None:
    if nginx.service is None or nginx.service.container is None:
        return None
    from fixer.causes.nginx_not_reloaded.stale_mount import stale_mounts_finding  # only where nginx is in a container

    return stale_mounts_finding(case, nginx)


def _failure_text(endpoint: Endpoint) -> str:
    """How nginx would be let down there, empty where that is not seen."""
    if is_closed(endpoint) is True:
        return "where nothing listens"
    heard = endpoint.http.or_else(None)
    if heard is not None and heard.error == "tls":
        return "where they speak TLS and nobody takes it"
    return "which takes TLS only, and they speak plainly" if heard is not None and needs_tls(heard) else ""


CAUSE = Cause(
    id="nginx-not-reloaded",
    title="nginx still runs with an older configuration",
    family="nginx configuration",
    variants=("config-edited-not-reloaded", "reload-bind-failed", "bind-mount-stale-inode"),
    verdict=judge,
    order=38,
    page=__doc__,
)
