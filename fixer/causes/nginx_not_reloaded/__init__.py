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
  is empty too, that is repaired first, unless the page waits while that address refuses at once: nginx is then not
  connecting to it. While pages answer, an unloaded change is no fault.

The repair and its safety
  reload-nginx (safe): nginx -t, then a reload; proof is new workers and a page that answers.
  restart-nginx-container (disruptive): only a restart makes a container look at a replaced single file again.
  free-port (disruptive): a port that another process, or a container in the same network, holds is freed only when a
  person names the holder (`--set stop=NAME`); until then nginx -s reload says nothing and does nothing.

Variants
  config-edited-not-reloaded  a file was edited after nginx read it
  reload-bind-failed          nginx was reloaded and could not take the change: a new port is in use
  bind-mount-stale-inode      the container sees the older file: an editor replaced a file that is mounted alone
"""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude, join_by, sort_outcomes
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
from fixer.analysis.nginx_errors import events_for, routes_text, symptom_evidence
from fixer.analysis.nginx_process import has_stale_config, holder_evidence, is_held_by_others, listen_addresses_of
from fixer.analysis.route_verdict import CLOCK_GRAIN, has_unloaded_config, is_closed, is_confirmed_closed
from fixer.causes.nginx_not_reloaded.unwritten_places import (
    asked_port,
    connects_there,
    unwritten_address,
    unwritten_place,
)
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, Listener, Nginx, needs_tls
from fixer.nginx.error_kinds import CONNECT_FAILED

with lazy_imports():  # only for what is found
    from fixer.causes.nginx_not_reloaded.stale_mount import stale_mounts_finding
    from fixer.repairs.file_edits import check_and_reload_steps
    from fixer.repairs.start_nginx import free_port_repair
    from fixer.repairs.start_service import restart_container_repair

REPAIR_ID = "reload-nginx"
_SAME_MOMENT_TEXT = "the file changed at the moment of the last reload, and nginx connects elsewhere"
_WAITING_TEXT = "its page waits, while that address refuses at once"
RELOAD_TEXT = "check the configuration and reload nginx (the configuration in its memory cannot be restored)"


def judge(case: Case) -> Verdict:
    """Judge each failing address that answers directly: are nginx's files younger than its workers?"""
    found, missing, ruled = sort_outcomes((_judge_address(case, trouble) for trouble in case.failing_addresses), ())
    findings = join_by(found, lambda one: f"{one.node}/{one.variant}")
    for nginx in case.snapshot.nginxes:
        if not findings and not _is_config_refused(nginx) and (seen := unwritten_address(case, nginx)) is not None:
            findings.append(_not_reloaded_finding(case, seen[0], f"since its last load it connects to {seen[1]}, which "
                                                                 "no file has"))
        advice = _next_reload_finding(case, nginx) or stale_mounts_finding(case, nginx)
        if advice is not None and not findings:
            findings.append(advice)
        ruled.append(_age_evidence(case, nginx))
    return conclude(findings, missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence | None:
    nginx, endpoint = trouble.nginx, trouble.endpoint
    waits = _is_waiting_elsewhere(case, trouble)
    if nginx.master_pid is None or not (waits or any(j.state == "failing" for j in trouble.verdicts)):
        return None
    if has_stale_config(case, trouble):
        return _stale_mount_finding(case, trouble)
    closed, near = is_closed(endpoint), _is_in_same_moment(nginx)
    old = unwritten_place(case, trouble) if near or has_unloaded_config(nginx) else ""
    if closed and not old and not waits:
        return no_listener_evidence(endpoint)[0]
    silent = isinstance(endpoint.http, Known) and endpoint.http.value.status is None
    if silent and not old and not waits and not _is_hidden(case, trouble):
        error = endpoint.http.value.error if isinstance(endpoint.http, Known) else ""
        return Evidence("probe", endpoint_text(endpoint), f"no answer when asked directly: {error}")
    if closed is None or (isinstance(endpoint.http, Unknown) and not waits and not _is_asking_elsewhere(case, trouble)):
        return _failed_reload_finding(case, trouble) or f"whether {endpoint_text(endpoint)} answers when asked directly"
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown):
        return f"when nginx on {nginx.node} loaded its configuration"
    if _is_config_refused(nginx):
        where = file_line_text(case.snapshot, nginx.node, nginx.conf_path)
        return Evidence("nginx-config", where, "nginx -t refuses the files: no reload takes effect")
    if not near and not has_unloaded_config(nginx):
        return _age_evidence(case, nginx)
    if not old and not waits and connects_there(case, trouble):
        return Evidence("nginx-log", endpoint_text(endpoint), "what nginx has loaded leads there, too: it failed there")
    failed = _port_conflict_finding(case, trouble)
    if failed is not None or not near:
        doubt = _unseen_holder_text(case, nginx) or (_WAITING_TEXT if waits else "")
        return replace(failed or _not_reloaded_finding(case, trouble, doubt), is_met_first=bool(old) or waits)
    if old:
        proven = _not_reloaded_finding(case, trouble, f"since its last load it connects to {old}, which no file has")
        return replace(proven, confidence="certain", is_met_first=True)
    return _not_reloaded_finding(case, trouble, _SAME_MOMENT_TEXT) if _is_asking_elsewhere(case,
        trouble) else _age_evidence(case, nginx)


def _failed_reload_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding on a reload that failed at a port. The log and the port prove it, whatever the new address
    does."""
    nginx = trouble.nginx
    known = isinstance(nginx.config_mtime, Known) and isinstance(nginx.loaded_at, Known) and (
        has_unloaded_config(nginx) or _is_in_same_moment(nginx))
    found = _port_conflict_finding(case, trouble) if known and not _is_config_refused(nginx) else None
    return None if found is None else replace(found, confidence="likely")


def _is_hidden(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the endpoint accepts connections while nginx's are refused elsewhere: that it gives no answer is a
    second fault, which the old configuration hides."""
    return is_closed(trouble.endpoint) is False and _is_asking_elsewhere(case, trouble)


def _is_waiting_elsewhere(case: Case, trouble: FailingAddress) -> bool:
    """Return whether a page waits although each of its addresses refuses at once: nginx does not connect to these."""
    return has_unloaded_config(trouble.nginx) and any(
        facts.probes.or_else(()) and all(probe.error == "slow" for probe in facts.probes.or_else(()))
        and all(is_confirmed_closed(endpoint) for endpoint in case.reached(facts)) for facts in trouble.routes)


def _is_in_same_moment(nginx: Nginx) -> bool:
    """Return whether the newest file and the workers are too close in time to be ordered."""
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown):
        return False
    return abs(nginx.config_mtime.value - nginx.loaded_at.value) <= CLOCK_GRAIN


def _is_asking_elsewhere(case: Case, trouble: FailingAddress) -> bool:
    """Return whether nginx's last refused connect, since the reload or edit if any, went to a port that its files do
    not name for these routes. A client may have forged that line; the only result is one more reload."""
    named = [*trouble.routes, *(facts for facts in case.snapshot.routes if facts.route.asked_first)]
    ours = [e for facts in named for e in case.reached(facts)]
    events = events_for(case, trouble, CONNECT_FAILED)
    known = (trouble.nginx.config_mtime, trouble.nginx.loaded_at)
    moment = max((fact.value for fact in known if isinstance(fact, Known)), default=0.0)
    since = [e for e in events if e.at > moment - 1.0]     # log times are whole seconds
    asked = {asked_port(event.upstream) for event in since[-1:] or events}
    return bool(asked) and "" not in asked and not asked.intersection(e.unix or str(e.port) for e in ours)


def _is_config_refused(nginx: Nginx) -> bool:
    return isinstance(nginx.test, Known) and nginx.test.value[0] != 0


def _age_evidence(case: Case, nginx: Nginx) -> Evidence:
    """Return evidence of the age of the files and of the loaded configuration."""
    where = file_line_text(case.snapshot, nginx.node, nginx.conf_path)
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown):
        return Evidence("nginx-process", where, "the age of the files or workers is unknown")
    now = clock_of(case.snapshot, nginx.node)
    files, workers = (age_text(max(0.0, now - t)) for t in (nginx.config_mtime.value, nginx.loaded_at.value))
    return Evidence("nginx-process", where, f"newest file changed {files} ago, configuration loaded {workers} ago")


def _not_reloaded_finding(case: Case, trouble: FailingAddress, doubt: str = "") -> Finding:
    nginx, endpoint = trouble.nginx, trouble.endpoint
    direct = endpoint.http.or_else(None)
    there, answer = "which accepts connections", "accepts the connection"      # of another protocol than HTTP
    if is_closed(endpoint):
        there, answer = "where nothing listens now", "nothing listens there"
    elif direct is not None and direct.status is not None:
        there, answer = "which answers", f"answers {direct.status} when asked directly"
    elif direct is not None:
        there, answer = "which accepts connections", f"accepts the connection but does not answer: {direct.error}"
    return Finding(
        cause=CAUSE.id, variant="config-edited-not-reloaded", role="root", confidence="likely" if doubt else "certain",
        summary=(
            f"nginx still runs with an older configuration: the file hands {routes_text(trouble)} to "
            f"{endpoint_text(endpoint)}, {there}"
            f"{'; ' if doubt else ''}{doubt}"
        ),
        detail=(), routes=_failing_routes(case, trouble), service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            _age_evidence(case, nginx), config_evidence(case.snapshot, nginx, endpoint),
            Evidence("probe", endpoint_text(endpoint), answer), *symptom_evidence(case, trouble),
        ))),
        repairs=(Repair(REPAIR_ID, "safe", RELOAD_TEXT, check_and_reload_steps(case.snapshot, nginx)),),
    )


def _failing_routes(case: Case, trouble: FailingAddress) -> tuple[str, ...]:
    """Return its failing routes, and those of that nginx whose address answers: one reload serves all of them."""
    return tuple(dict.fromkeys((*trouble.route_ids, *(
        route for other in case.failing_addresses
        if other.nginx is trouble.nginx and is_closed(other.endpoint) is False for route in other.route_ids
    ))))


def _bind_errors(nginx: Nginx) -> list[ErrorEvent]:
    """Return nginx's bind errors since its files changed."""
    changed = nginx.config_mtime.or_else(0.0)
    # log times are whole seconds
    return [e for e in _error_events(nginx) if e.kind == "emerg-bind" and e.at > changed - 1.0]


def _wanted_listeners(case: Case, nginx: Nginx) -> list[Listener]:
    """Return listeners on ports that nginx's files name."""
    wanted = {listen.port for listen in listen_addresses_of(nginx) if listen.port}
    return [line for line in listeners_on(case.snapshot, nginx.node) if line.port in wanted]


def _unseen_holder_text(case: Case, nginx: Nginx) -> str:
    """Explain a failed reload that may fail again: the owner of the port could not be read."""
    events = _bind_errors(nginx)
    line = next((x for x in _wanted_listeners(case, nginx) if not pids_of(x) and _bind_error_for(x, events)), None)
    return "" if line is None else f"but since that change nginx could not bind {address_text(line.address, line.port)}"


def _port_conflict_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding on a reload that failed because a new listen port is in use."""
    nginx = trouble.nginx
    events = _bind_errors(nginx)
    mine = set(nginx.worker_pids) | {nginx.master_pid}
    holders = [line for line in _wanted_listeners(case, nginx)
               if (pids_of(line) or _bind_error_for(line, events)) and is_held_by_others(case.snapshot, line, mine)]
    if not events or not holders:
        return None
    event = _bind_error_for(holders[0], events) or events[-1]
    held = holder_evidence(case.snapshot, holders[0])
    where = address_text(holders[0].address, holders[0].port)
    return Finding(
        cause=CAUSE.id, variant="reload-bind-failed", role="root", confidence="certain",
        summary=f"nginx could not load its new configuration: another process holds {where}", detail=(),
        routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=(held, Evidence("nginx-log", event.where, event.raw), _age_evidence(case, nginx)),
        repairs=(free_port_repair(case, holders[0], check_and_reload_steps(case.snapshot, nginx), "then reload nginx"),
                 ),
    )


def _bind_error_for(line: Listener, events: Sequence[ErrorEvent]) -> ErrorEvent | None:
    """Return nginx's last bind error for that port."""
    return next((e for e in reversed(events) if f":{line.port} failed (98: " in e.message), None)


def _error_events(nginx: Nginx) -> tuple[ErrorEvent, ...]:
    return nginx.errors.or_else(())


def _stale_mount_finding(case: Case, trouble: FailingAddress) -> Finding:
    """Return the finding: the mounted file was replaced on the host, and the container keeps the old one."""
    nginx, endpoint = trouble.nginx, trouble.endpoint
    box = container_of(case.snapshot, nginx.node)
    where = file_line_text(case.snapshot, nginx.node, endpoint.file)
    if box is None or box.is_machine:
        target = case.snapshot.target      # the Docker host mounts a file of a machine that is a container
        again = (f"docker restart {target.address} on the Docker host mounts the new one (everything in it restarts)"
                 if target.kind == "docker" else "mount it again, then reload nginx")
        repair = Repair("restart-nginx-container", "manual", "mount the file again", (),
                        manual=f"{endpoint.file} was replaced while it was mounted: {again}")
    else:
        repair = restart_container_repair(box)
    file = case.snapshot.file(nginx.node, endpoint.file)
    present = None if file is None or file.stat.nlink == 0 else replaced_mount_file(case.snapshot, file)
    what, shown = ("file", Evidence("file", where, "link count 0: no folder contains this file any more"))
    if present is not None:
        what = "folder that holds it"
        shown = Evidence("file", present.path, f"a different file now, which does not name {endpoint.written}")
    return Finding(
        cause=CAUSE.id, variant="bind-mount-stale-inode", role="root",
        confidence="certain" if present is None else "likely",
        summary=f"nginx reads an old copy of {endpoint.file}: the {what} on the host was replaced while it was mounted",
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=(
            shown,
            config_evidence(case.snapshot, nginx, endpoint), *symptom_evidence(case, trouble),
        ),
        repairs=(repair,),
    )


def _next_reload_finding(case: Case, nginx: Nginx) -> Finding | None:
    """Return advice: routes answer, but on-disk files name an address where the next reload would fail."""
    if isinstance(nginx.config_mtime, Unknown) or isinstance(nginx.loaded_at, Unknown) or nginx.master_pid is None:
        return None
    if not has_unloaded_config(nginx):
        return None
    empty: list[tuple[str, Endpoint, str]] = []
    for judged in case.verdicts.values():
        if judged.state != "ok" or not nginx.serves(judged.facts) or len(judged.facts.endpoints) != 1:
            continue
        endpoint = next(iter(case.reached(judged.facts)), None)
        if endpoint is not None and not endpoint.down and (failure := _failure_text(endpoint)):
            empty.append((judged.facts.route.id, endpoint, failure))
    if not empty:
        return None
    _, endpoint, failure = empty[0]
    return Finding(
        cause=CAUSE.id, variant="config-edited-not-reloaded", role="advice", confidence="likely",
        summary=f"the files name {endpoint_text(endpoint)}, {failure}: the next reload would break pages",
        detail=(), routes=tuple(route for route, _, _ in empty), service=None, node=nginx.node,
        evidence=(_age_evidence(case, nginx), config_evidence(case.snapshot, nginx, endpoint),
                  *no_listener_evidence(endpoint)),
    )


def _failure_text(endpoint: Endpoint) -> str:
    """Return how requests to the endpoint would fail, or an empty text if that is not observed."""
    if is_closed(endpoint) is True:
        return "where nothing listens"
    heard = endpoint.http.or_else(None)
    if heard is not None and heard.error == "tls":
        return "with TLS, which the server there does not accept"
    return "without TLS, which the server there requires" if heard is not None and needs_tls(heard) else ""


CAUSE = Cause(
    id="nginx-not-reloaded",
    title="nginx still runs with an older configuration",
    family="nginx configuration",
    variants=("config-edited-not-reloaded", "reload-bind-failed", "bind-mount-stale-inode"),
    verdict=judge,
    page=__doc__,
)
