"""A backend that something besides the managers should have started: where that stands, and why it may not have run."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import (
    absent_evidence,
    config_evidence,
    endpoint_text,
    listeners_on,
    log_evidence,
    now_on,
    pids_of,
    place,
    processes_of,
    say_age,
)
from fixer.analysis.exits.last_output import how_it_ended, is_an_end_like_any, last_words
from fixer.analysis.nginx_errors import is_refused, say_routes, symptom_evidence
from fixer.analysis.ownership.configured import starters_at
from fixer.analysis.run_log import SERVES, is_known, last_run, message, own_lines
from fixer.model.deployment import Starter
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service
from fixer.repairs.start_service import restart_steps

_WATCHED = frozenset({"runit", "s6", "daemontools"})
_IDLE = "does not run"
_YOUNG = 15.0      # seconds that a program may take to open its socket, longer than the pause of any of them
_WORDS = {
    "cron": "an @reboot line of {user}'s crontab",
    "rc.local": "rc.local",
    "user-unit": "a unit of {user}'s own systemd",
    "runit": "runit's service {name}", "s6": "the service {name} of s6",
    "daemontools": "the service {name} of daemontools",
    "monit": "monit's check {name}",
    "entrypoint": "the container {name}, before it becomes nginx,",
}


def begun_again(case: Case, trouble: Trouble, service: Service) -> Finding | None:
    """A program that runit or its like watches, started a moment ago, that has opened no socket: seen between two of
    its ends it counts as running, and nothing else would be told of it."""
    if service.manager != "none" or not any(
            s.kind in _WATCHED and s.command and not s.idle for s in starters_at(case, trouble)):
        return None
    ours = processes_of(case.snapshot, service.node, service.pids)
    age = max((now_on(case.snapshot, service.node) - p.started_at for p in ours), default=_YOUNG)
    if age >= _YOUNG or any(set(pids_of(x)) & set(service.pids) for x in listeners_on(case.snapshot, service.node)):
        return None
    return not_started(case, trouble, f"was started {say_age(max(0.0, age))} ago and does not listen")


def not_started(case: Case, trouble: Trouble, state: str = _IDLE) -> Finding | None:
    """The finding, with the line that starts it; nothing is started by us, since nobody would watch it."""
    found = starters_at(case, trouble)
    if not found:
        return None

    first, endpoint = found[0], trouble.endpoint
    where = place(case.snapshot, first.node, first.file, first.line)
    who = _WORDS[first.kind].format(user=first.user or "a user", name=first.name)
    why = f"; {first.idle}" if first.idle else ""
    box = its_container(case, first)
    said, heard = last_words(case, first.node) if box is None else logged(case, box)
    log = "the newest log of an application server" if box is None else "the container's log"
    ended = f"{log} ends with: {said}"
    shown = tuple(Evidence("file", place(case.snapshot, s.node, s.file, s.line), s.text)
                  for s in found[:3])
    idle = (Evidence("file", first.file, first.idle),) if first.idle else ()
    return Finding(
        cause="backend-down", variant="backend-not-running", role="root", confidence="likely",
        summary=f"what {who} starts at {endpoint_text(endpoint)} {state}{why}",
        detail=(f"needed by {say_routes(trouble)}", *((ended,) if said else ())),
        routes=trouble.route_ids, service=None, node=first.node,
        evidence=(*shown, *idle, config_evidence(case.snapshot, trouble.nginx, endpoint), *absent_evidence(endpoint),
                  *heard, *symptom_evidence(case, trouble, is_refused)),
        repairs=(all_again(case, trouble, box, said) if box is not None else Repair(
            "start-service", "manual", "start the backend", (), manual=_by_hand(first, where, why, state != _IDLE)),),
        explains=("nginx-not-reloaded",),
    )


def _by_hand(starter: Starter, where: str, why: str, again: bool) -> str:
    if starter.kind == "monit":
        first = "start monit, also at boot: it starts what it watches" if starter.idle else starter.command
        return (f"{first}; where it ends again its own log says why, and `monit summary` says whether it is still "
                "watched")
    if starter.command and starter.idle:
        return f"start it: {starter.command}{why}"
    if starter.command and starter.kind == "s6" and not again:      # what it keeps of the state is not read
        return f"start it: {starter.command}; where it ends again and again its log says why"
    if starter.command:      # watched, and no sign that it should be down
        return (f"it is watched, so it ends as often as it is started: its log says why; mend that, then "
                f"{starter.command}")
    if starter.name:
        return f"let the scanner watch the folder of {where} again{why}"
    user = f", as user {starter.user}" if starter.user and starter.kind != "rc.local" else ""
    return f"start it as {where} does{user}, and give it a unit of systemd, which comes back by itself{why}"


# A backend that a container's own script puts into the background beside nginx: how it ended, what runs it again.


def its_container(case: Case, starter: Starter) -> Service | None:
    """The container whose own script starts it."""
    if starter.kind != "entrypoint":
        return None
    boxes = (s for s in case.snapshot.services if s.container is not None and s.container.name == starter.name)
    return next(boxes, None)


def logged(case: Case, box: Service) -> tuple[str, tuple[Evidence, ...]]:
    """How it ended, as what the container wrote since it was started tells."""
    said = how_it_ended(message(line) for line in own_lines(last_run(case.snapshot, box)))
    return said, (log_evidence(said, f"docker logs {box.container.name if box.container is not None else box.name}"),) \
        if said else ()


def all_again(case: Case, trouble: Trouble, box: Service, said: str) -> Repair:
    """A restart of the container runs its script again: only where its log shows that the program had begun to serve,
    and no fault of its own since."""
    lines = last_run(case.snapshot, box)
    if (not said or is_an_end_like_any(said)) and any(SERVES.search(line.text) for line in lines):
        summary = f"restart {box.name}, nginx and what is beside it: requests under way are lost"
        return Repair("restart-service", "disruptive", summary, restart_steps(case.snapshot, box, trouble.endpoint))
    reason = "its log could not be read" if not is_known(box) else (
        f"its log has an error ({said})" if said and not is_an_end_like_any(said) else "its log does not tell")
    manual = f"see why it ended, then docker restart {box.name}: {reason}, and nobody in the container starts it again"
    return Repair("start-service", "manual", "start the backend", (), manual=manual)
