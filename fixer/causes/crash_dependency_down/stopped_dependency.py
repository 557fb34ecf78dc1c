"""A backend that fails, hangs or rests without a word about another system, while one that it is told to use is
stopped on its own host: its variables name it, or its unit's Requires= and Wants=."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, TypeAlias

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.dependency.complaint import Complaint, complaint, engine_at, usual_port
from fixer.analysis.dependency.locate import Needed, umbrella_of
from fixer.analysis.dependency.start_order import conditions
from fixer.analysis.dependency.startup_script import held_up_at, needed_by
from fixer.analysis.evidence import absent_evidence, config_evidence, log_evidence, now_on, say_age
from fixer.analysis.exits.code_error import code_fault
from fixer.analysis.exits.exec_step import fails_before_start
from fixer.analysis.exits.exit_reason import dependency_error, last_words, missing_variables, port_in_use
from fixer.analysis.exits.failed_run import Crash, fails_inside, has_failed, holds_a_socket
from fixer.analysis.exits.kills import last_signal
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run, message, own_lines, was_asked_to_stop
from fixer.analysis.service_names import engine_of
from fixer.analysis.service_state import condition, is_queued, ran_since, required_by, state_evidence
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID, EXPLAINS
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.deployment import Reliance
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.model.snapshot import Container, LogLine, Service
from fixer.repairs.boot_enablement import is_off_at_boot
from fixer.repairs.resource_limits import space_refused, task_refused
from fixer.repairs.restore_code import again_steps
from fixer.repairs.start_dependency import provider_steps, why_not
from fixer.repairs.start_service import waiting

Manner: TypeAlias = Literal["ends", "waits", "rests"]

# Errors that name nothing of their own.
_GENERIC = regex(r"^(?:[A-Za-z_]\w*\.)*(?:RuntimeError|Exception|SystemExit|OSError|"
                 r"\w*(?:Connect|Database|Operational|Interface|Unavailable|Startup|Broker|Timeout)\w*)\b")
_ENDS = regex(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Configured)\b")
_USUAL = regex(r"Started (?:server|parent|reloader) process|Waiting for application startup|Will watch for changes|"
               r"Uvicorn running on|Starting gunicorn|Booting worker|Listening at|Using worker|Child process|"
               r"Waiting for child process|Stopping parent process|Stopping reloader")
_BY_ITSELF = frozenset({"exit-code", "success", "timeout", "protocol", "start-limit-hit"})
_AWHILE = 3.0        # seconds after its start in which nothing is said of a program that does not listen yet
_YOUNG = 60.0        # one that says nothing may only be slow


@dataclass(frozen=True, slots=True)
class Relied:
    """Who fails how, and what it is told to use that is stopped; `said` is its last word, None where it has none.
    `is_sure` is false where that word may be about something else."""

    owner: Owner
    trouble: Trouble
    manner: Manner
    stopped: tuple[tuple[Reliance, Needed, Service], ...]
    said: LogLine | None
    is_sure: bool

    @property
    def service(self) -> Service:
        """The backend."""
        return self.owner.service


def relied(case: Case, found: tuple[Crash, ...]) -> Iterator[Relied]:
    """One for each service behind an empty address that nothing of its own explains."""
    crashed = {crash.service.id: crash for crash in found}
    done: set[str] = set()
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        if owner is None or owner.service.container is not None or owner.service.id in done:
            continue
        if is_closed(trouble.endpoint) is not True or not _may_rely(case, owner.service):
            continue
        stopped = tuple(_stopped(case, owner.service))
        one = _judged(case, trouble, owner, crashed.get(owner.service.id), stopped) if stopped else None
        if one is not None:
            done.add(owner.service.id)
            yield one


def _may_rely(case: Case, service: Service) -> bool:
    return bool(service.relies) or any(engine_of(s) for s in case.snapshot.services if s.node == service.node)


def _judged(case: Case, trouble: Trouble, owner: Owner, crash: Crash | None,
            stopped: tuple[tuple[Reliance, Needed, Service], ...]) -> Relied | None:
    service, state = owner.service, condition(owner.service)
    if crash is not None:
        sure, said = _untold(crash)
        return None if sure is None else Relied(owner, trouble, "ends", stopped, said, sure)
    if is_queued(service) or (state == "stopped" and service.unit is not None and not service.unit.condition_result):
        return None        # what keeps it from being started is known, and is no other system
    if state == "stopped":
        meant = tuple(entry for entry in stopped if _is_meant(case, entry[2]))
        return Relied(owner, trouble, "rests", meant, None, is_sure=True) if meant else None
    if state not in ("running", "starting") or holds_a_socket(case, service):
        return None
    if has_failed(case, service, trouble) or fails_inside(case, service, trouble):
        return None
    if held_up_at(case, trouble, owner) is not None:
        return None
    lines = own_lines(last_run(case.snapshot, service))
    if complaint(lines, ran_since(service)) is not None:
        return None
    sure, said = _said_of(lines)
    age = now_on(case.snapshot, service.node) - ran_since(service)
    if sure is None or age < (_YOUNG if said is None else _AWHILE):
        return None
    return Relied(owner, trouble, "waits", stopped, said, sure)


def _untold(crash: Crash) -> tuple[bool | None, LogLine | None]:
    """Whether its end is one that another system may explain: None where it is explained by something of its own."""
    service, lines, unit = crash.service, crash.lines, crash.service.unit
    since = ran_since(service)
    own = complaint(lines, since) is not None or missing_variables(lines) or port_in_use(lines) is not None
    if own or code_fault(lines, service.argv, since) is not None or space_refused(lines) or task_refused(lines) or (
            last_signal(crash) is not None):
        return None, None
    if unit is not None and (fails_before_start(service) or unit.result not in _BY_ITSELF):
        return None, None
    program = service.program
    if program is not None and (program.signal or program.ended.startswith(("can't", "couldn't"))):
        return None, None
    return _said_of(own_lines(lines))


def _said_of(lines: tuple[LogLine, ...]) -> tuple[bool | None, LogLine | None]:
    """Sure where it says nothing, or speaks of another system; not where its word may be about anything; None where
    that names something else."""
    refused = dependency_error(lines)
    if refused is not None:
        return True, refused
    last = [line for line in last_words(lines) if message(line).strip() and not _USUAL.search(message(line))]
    if not last:
        return True, None
    spoken = next((line for line in reversed(last) if SPEAKS.search(message(line))), None)
    if spoken is not None:
        return True, spoken
    text = message(last[-1]).strip()
    if _ENDS.match(text) and not _GENERIC.match(text):
        return None, None
    return False, last[-1]


def _stopped(case: Case, service: Service) -> Iterator[tuple[Reliance, Needed, Service]]:
    """What it is told to use, at an address of its own host where nobody is, while one unit that should be is down."""
    seen: set[str] = set()
    for one in (*service.relies, *_pulled(case, service)):
        needed = needed_by(case, service, one)
        provider = needed.provider
        if provider is None or needed.up is not False or provider.id in seen or provider.id == service.id:
            continue
        down = condition(provider) in ("stopped", "failed")
        if down and (condition(provider) == "stopped" or was_asked_to_stop(case.snapshot, provider) or provider.unit):
            seen.add(provider.id)
            yield one, needed, provider


def _pulled(case: Case, service: Service) -> Iterator[Reliance]:
    """The databases and caches that its unit requires or wants: systemd starts them along with it."""
    for name, said in required_by(case.snapshot, service, wanted=True).items():
        other = next((s for s in case.snapshot.services if s.node == service.node and s.name == name), None)
        engine = engine_of(other) if other is not None else ""
        if engine:
            yield Reliance(said, host="127.0.0.1", port=usual_port(engine), engine=engine)


def _is_meant(case: Case, provider: Service) -> bool:
    """It should run: a boot starts it."""
    above = umbrella_of(case.snapshot, provider)
    return not is_off_at_boot(above or provider)


# What is told of a backend beside which a system that it is told to use is stopped, without its log naming that.


def relied_findings(case: Case, found: tuple[Crash, ...], told: Collection[tuple[str, str | None]]) -> list[Finding]:
    """For the services of which nothing else was told."""
    crashed = {crash.service.id: crash for crash in found}
    return [_found(case, one, crashed.get(one.service.id)) for one in relied(case, found)
            if (one.service.node, one.service.name) not in told]


def _found(case: Case, one: Relied, crash: Crash | None) -> Finding:
    service, trouble = one.service, one.trouble
    names = ", ".join(p.name for _, _, p in one.stopped)
    where = ", ".join(f"{r.source.text} ({r.source.where})" for r, _, _ in one.stopped[:2])
    verb = "is" if len(one.stopped) == 1 else "are"
    age = say_age(max(0.0, now_on(case.snapshot, service.node) - ran_since(service)))
    how = {"ends": f"{service.name} ends" + ("" if one.said is not None else " without a word"),
           "waits": f"{service.name} has been starting for {age} and listens nowhere",
           "rests": f"{service.name} is stopped"}[one.manner]
    confidence: Confidence = "likely" if one.is_sure else "possible"
    summary = f"{how}, and {names}, which it is told to use, {verb} stopped" if one.manner != "rests" else (
        f"{how}, and so {verb} {names}, which it is told to use")
    detail = f"it is told to use what is stopped: {where}; its own log does not name it"
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency" if one.manner == "waits" else "start-db-refused",
        role="root" if one.is_sure else "contributing", confidence=confidence, summary=summary,
        detail=(detail,), routes=trouble.route_ids, service=one.stopped[0][2].name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *(r.source for r, _, _ in one.stopped), *(state_evidence(p) for _, _, p in one.stopped),
            *(e for _, n, _ in one.stopped for e in n.why),
            *((log_evidence(one.said.text, one.said.where),) if one.said is not None else ()), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(_repair(case, one, crash),), explains=EXPLAINS if one.manner != "rests" and one.is_sure else (),
    )


def _repair(case: Case, one: Relied, crash: Crash | None) -> Repair:
    """Start what is stopped, then the backend; of one that rests its own finding tells the start."""
    service, names = one.service, ", ".join(p.name for _, _, p in one.stopped)
    reasons = [why for _, _, p in one.stopped if (why := why_not(case, p))]
    begun = tuple(step for r, _, p in one.stopped for step in provider_steps(case, r, p)) if not reasons else ()
    title = "a person must bring back what it needs"
    if not begun:
        manual = f"{'; '.join(reasons) or f'start {names}'}; then start {service.name}"
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if not one.is_sure:
        last = one.said.text.strip()[:160] if one.said is not None else ""
        manual = (f"where {service.name} needs it ({one.stopped[0][0].source.where}): start {names}, then "
                  f"{service.name}; what it says itself may be about something else: {last}")
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if one.manner == "rests":
        return Repair("start-dependency", "safe", f"start {names}, before {service.name}", begun)
    after = again_steps(case, crash) if crash is not None else waiting(case.snapshot, service, one.trouble.endpoint)
    also = " and enable at boot what is not" if any(getattr(step, "verb", "") == "enable" for step in begun) else ""
    then = f"then start {service.name}" if crash is not None else f"{service.name} then goes on by itself"
    return Repair("start-dependency", "safe", f"start {names}{also}, {then}", tuple(dict.fromkeys((*begun, *after))))


# What programs say of another system in words of their own, without its name.
SPEAKS = regex(
    r"(?i)\bconnect(?:ed|ing|ions?)?\b|\breach(?:ed|able|ing)?\b|unreachable|unavailable|not available|\brefused\b|"
    r"time[ds]? ?out|\b(?:database|db|broker|cache|queue|storage) (?:is|was|did|does|seems|not|gone|down|lost)\b|"
    r"\b(?:no|wait(?:ed|ing) for|lost) (?:the |a )?(?:database|db|broker|cache|queue|storage)\b")

# A program that ends over a system which its log does not name, while a service that it is made after does not run.
_LONG = 60.0        # seconds: a job that is done once is done sooner


def unnamed(case: Case, crash: Crash) -> Complaint | None:
    """Its last words are about some other system, and of those that its compose file makes it wait for one is stopped.

    None where several are: which of them it asked for stands nowhere.
    """
    lines = [line for line in last_words(crash.lines) if line.text.strip()]
    stopped = list(_stopped_depends_on(case, crash.service))
    if len(stopped) != 1 or not lines:
        return None
    name = stopped[0].container.service if stopped[0].container is not None else None
    said = next((line for line in reversed(lines) if name and _is_about(line, name)), None)
    if name is None or said is None:
        return None
    box = stopped[0].container
    port = box.exposes[0] if box is not None and len(box.exposes) == 1 else usual_port(engine_of(stopped[0]))
    return Complaint("refused", said, message(said).rstrip(), host=name, port=port,
                     engine=engine_of(stopped[0]) or engine_at(port))


def _is_about(line: LogLine, name: str) -> bool:
    text = message(line)
    return SPEAKS.search(text) is not None or name in text


def _stopped_depends_on(case: Case, service: Service) -> Iterator[Service]:
    """Services of `depends_on` that serve for as long as they run, and do not run now: jobs end, and are well."""
    box = service.container
    wanted = dict(conditions(box)) if box is not None and box.project else {}
    for other in case.snapshot.services:
        its = other.container
        if its is None or box is None or its.project != box.project or its.service not in wanted:
            continue
        if wanted[its.service] == "service_completed_successfully" or its.status not in ("exited", "dead", "created"):
            continue
        if condition(other) != "running" and _is_lasting(box, its, engine_of(other)):
            yield other


def _is_lasting(asking: Container, box: Container, engine: str) -> bool:
    """It is meant to go on: it is told to be started again, its health is asked, it is a known kind of system, or its
    image names a port. A job of the application is of the same image."""
    kept = box.restart_policy.partition(":")[0] in ("always", "unless-stopped")
    ran = box.finished_at - box.started_at if box.finished_at > box.started_at > 0 else 0.0
    serves = bool(box.exposes) and box.image != asking.image
    return kept or serves or box.health is not None or bool(engine) or ran > _LONG
