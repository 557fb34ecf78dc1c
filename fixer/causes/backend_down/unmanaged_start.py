"""Backends started by cron, rc.local, runit and the like: what should have started one, and why it may not have run."""

from __future__ import annotations

import math
import posixpath

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import (
    age_text,
    clock_of,
    config_evidence,
    endpoint_text,
    file_line_text,
    listeners_on,
    log_evidence,
    no_listener_evidence,
    pids_of,
    processes_of,
)
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.ownership.configured import boot_entries_at
from fixer.analysis.run_log import has_log, last_run_lines, message_of, program_lines
from fixer.formats.run_output import says_ready
from fixer.formats.server_bindings import bindings_of
from fixer.formats.shell_words import literal_word
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, Process, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.last_output import find_exit_line, is_clean_shutdown, last_server_output
    from fixer.repairs.boot_line_start import start_as_at_boot_repair
    from fixer.repairs.start_service import restart_steps

_RESTARTING_MANAGERS = frozenset({"runit", "s6", "daemontools"})
_NOT_RUNNING_TEXT = "does not run"
_REQUESTS_TO_END = (" signal 2", " signal 3", " signal 15")      # interrupt, quit, terminate
_START_SECONDS = 15.0      # time to open a socket; longer than the restart delay of any of these managers
_STARTER_TEXTS = {
    "cron": "an @reboot line of {user}'s crontab",
    "rc.local": "rc.local",
    "user-unit": "a unit of {user}'s systemd user instance",
    "runit": "the runit service {name}", "s6": "the s6 service {name}",
    "daemontools": "the daemontools service {name}",
    "monit": "the monit check {name}",
    "entrypoint": "the entrypoint script of container {name}",
    "by-hand": "the script {file}",
}


def restarting_program_finding(case: Case, trouble: FailingAddress, service: Service) -> Finding | None:
    """Return the finding for a program that runit or the like has just restarted and that has no socket yet. Between
    two failures it counts as running, so no other cause reports it."""
    if service.manager != "none" or not any(
            s.kind in _RESTARTING_MANAGERS and s.command and not s.not_run_reason
            for s in boot_entries_at(case, trouble)):
        return None
    ours = processes_of(case.snapshot, service.node, service.pids)
    age = max((clock_of(case.snapshot, service.node) - p.started_at for p in ours), default=_START_SECONDS)
    if age >= _START_SECONDS or any(set(pids_of(x)) & set(service.pids)
                                    for x in listeners_on(case.snapshot, service.node)):
        return None
    return boot_entry_finding(case, trouble, f"was started {age_text(max(0.0, age))} ago and does not listen")


def boot_entry_finding(case: Case, trouble: FailingAddress, state: str = _NOT_RUNNING_TEXT) -> Finding | None:
    """Return the finding with the line that starts the program. Nothing would supervise it: an operator may do better
    than to start it again."""
    found = boot_entries_at(case, trouble)
    if not found:
        return None

    first, endpoint = found[0], trouble.endpoint
    who = _STARTER_TEXTS[first.kind].format(user=first.user or "a user", name=first.name, file=first.file)
    why = f"; {first.not_run_reason}" if first.not_run_reason else ""
    box = entrypoint_container(case, first)
    said, heard = last_server_output(case, first.node) if box is None else read_exit_reason(case, box, trouble.nginx)
    log = "the newest log of an application server" if box is None else "the container's log"
    ended = f"{log} ends with: {said}"
    shown = tuple(Evidence("file", file_line_text(case.snapshot, s.node, s.file, s.line), s.text)
                  for s in found[:3])
    idle = (Evidence("file", first.file, first.not_run_reason),) if first.not_run_reason else ()
    return Finding(
        cause="backend-down", variant="backend-not-running", role="root", confidence="likely",
        summary=f"the backend that {who} starts at {endpoint_text(endpoint)} {state}{why}",
        detail=(f"needed by {routes_text(trouble)}", *((ended,) if said else ())),
        routes=trouble.route_ids, service=None, node=first.node,
        evidence=(*shown, *idle, config_evidence(case.snapshot, trouble.nginx, endpoint),
                  *no_listener_evidence(endpoint),
                  *heard, *connect_symptoms(case, trouble)),
        repairs=_repairs(case, trouble, first, state) if box is None else (
            restart_container_repair(case, trouble, box, said),),
    )


def ended_in_background(case: Case, trouble: FailingAddress, service: Service) -> Finding | None:
    """Return the finding if the container runs, and the server that its script put into the background does not."""
    box, starters = service.container, boot_entries_at(case, trouble)
    if box is None or not starters or starters[0].kind != "entrypoint" or starters[0].name != box.name:
        return None
    ours = processes_of(case.snapshot, service.node, service.pids)
    if any(_listens_at(process, trouble.endpoint) for process in ours):
        return None     # it has started, and does not listen yet
    return boot_entry_finding(case, trouble)


def _listens_at(process: Process, endpoint: Endpoint) -> bool:
    """Return whether its own arguments name the address."""
    said = Evidence("process", f"pid {process.pid}", "")
    told = bindings_of([literal_word(word) for word in process.argv], {}, said)
    return any(b.unix == endpoint.unix if endpoint.unix is not None else b.port == endpoint.port for b in told)


def _repairs(case: Case, trouble: FailingAddress, starter: BootEntry, state: str) -> tuple[Repair, ...]:
    """Return the start that the line itself would do, if that is possible, and what an operator does."""
    where = file_line_text(case.snapshot, starter.node, starter.file, starter.line)
    why = f"; {starter.not_run_reason}" if starter.not_run_reason else ""
    begun = start_as_at_boot_repair(case.snapshot, trouble.endpoint, starter) if state == _NOT_RUNNING_TEXT else None
    by_hand = Repair("start-service", "manual", "start the backend", (),
                     manual=_manual_text(starter, where, why, state != _NOT_RUNNING_TEXT))
    return (*((begun,) if begun is not None else ()), by_hand)


def _manual_text(starter: BootEntry, where: str, why: str, again: bool) -> str:
    if starter.kind == "monit":
        first = "start monit (also at boot): it starts what it monitors" if starter.not_run_reason else starter.command
        return (f"{first}. If the backend ends again, read its log; `monit summary` shows whether monit still monitors "
                "it")
    if starter.command and starter.not_run_reason:
        return f"start it: {starter.command}{why}"
    if starter.command and starter.kind == "s6" and not again:      # fixer does not read the state that s6 records
        return f"start it: {starter.command}. If it ends again and again, read its log"
    if starter.command:      # supervised, and nothing shows that it should be down
        return (f"it is supervised, so it ends after every start. Read its log, correct the error, then run "
                f"{starter.command}")
    if starter.name:
        return f"let the scanner supervise the folder of {where} again{why}"
    if starter.kind == "by-hand":
        return (f"run {starter.file} again as it was run before ({where} is its server), and create a systemd unit for "
                f"it, which also starts it at boot")
    if starter.kind == "user-unit":
        unit = posixpath.basename(starter.file)
        linger = f"loginctl enable-linger {starter.user}, then " if starter.not_run_reason else ""
        return f"{linger}systemctl --user -M {starter.user}@ enable --now {unit}{why}"
    user = f", as user {starter.user}" if starter.user and starter.kind != "rc.local" else ""
    return f"start it as {where} does{user}, and create a systemd unit for it, which restarts it automatically{why}"


def entrypoint_container(case: Case, starter: BootEntry) -> Service | None:
    """Return the container whose entrypoint script starts the backend in the background."""
    if starter.kind != "entrypoint":
        return None
    boxes = (s for s in case.snapshot.services if s.container is not None and s.container.name == starter.name)
    return next(boxes, None)


def read_exit_reason(case: Case, box: Service, nginx: Nginx) -> tuple[str, tuple[Evidence, ...]]:
    """Return why the backend ended, and the evidence, from the container's log since its last start."""
    said = find_exit_line(message_of(line) for line in program_lines(last_run_lines(case.snapshot, box)))
    if said:
        where = f"docker logs {box.container.name if box.container is not None else box.name}"
        return said, (log_evidence(said, where),)
    ended = _last_killed_child(box, nginx)
    return ("", ()) if ended is None else (ended.message, (Evidence("nginx-log", ended.where, ended.raw),))


def _last_killed_child(box: Service, nginx: Nginx) -> ErrorEvent | None:
    """Return nginx's line on the last program that a signal ended, where it is the first process of the container."""
    since = math.floor(box.container.started_at) if box.container is not None else 0
    lines = [event for event in nginx.errors.or_else(()) if event.kind == "child-killed" and event.at >= since]
    return lines[-1] if lines and nginx.master_pid == 1 else None


def restart_container_repair(case: Case, trouble: FailingAddress, box: Service, said: str) -> Repair:
    """Return a restart of the container, which runs its script again, if the server did not fail: its log shows that it
    came up, or nginx that a request to end has ended it. Else return a manual repair."""
    lines, killed = last_run_lines(case.snapshot, box), _last_killed_child(box, trouble.nginx)
    asked = killed is not None and killed.message.endswith(_REQUESTS_TO_END)
    is_well = not said or is_clean_shutdown(said) or (killed is not None and said == killed.message and asked)
    if is_well and (asked or any(says_ready(line.text) for line in lines)):
        summary = f"restart {box.name}, with nginx and its other programs: requests under way are lost"
        return Repair("restart-service", "disruptive", summary, restart_steps(case.snapshot, box, trouble.endpoint))
    reason = "its log could not be read" if not has_log(box) else (
        f"its log has an error ({said})" if said and not is_clean_shutdown(said) else "its log does not show it")
    manual = f"find out why it ended, then docker restart {box.name}: {reason}, and nothing in it restarts the server"
    return Repair("start-service", "manual", "start the backend", (), manual=manual)
