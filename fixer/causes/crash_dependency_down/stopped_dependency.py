"""A backend that fails, hangs or rests without a word about another system, while one that it is told to use is
stopped on its own host: its variables name it, or its unit's Requires= and Wants=."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from fixer.analysis.case import Case, Trouble
from fixer.analysis.dependency.complaint import complaint, usual_port
from fixer.analysis.dependency.locate import Needed, umbrella_of
from fixer.analysis.dependency.startup_script import held_up_at, needed_by
from fixer.analysis.engines import engine_of
from fixer.analysis.evidence import condition, is_queued, now_on, ran_since
from fixer.analysis.exits.code_error import code_fault
from fixer.analysis.exits.exec_step import fails_before_start
from fixer.analysis.exits.exit_reason import dependency_error, last_words, missing_variables, port_in_use
from fixer.analysis.exits.failed_run import Crash, fails_inside, has_failed, holds_a_socket
from fixer.analysis.owner import Owner
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run, message, own_lines, was_asked_to_stop
from fixer.analysis.service_state import required_by
from fixer.causes.crash_dependency_down.speaking import SPEAKS
from fixer.causes.crash_killed import last_signal
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.reliance import Reliance
from fixer.model.snapshot import LogLine, Service
from fixer.repairs.boot_enablement import is_off_at_boot
from fixer.repairs.resource_limits import space_refused, task_refused

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
