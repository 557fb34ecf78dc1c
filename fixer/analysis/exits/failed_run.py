"""Services that ended badly behind a failing route, with the lines their last run left."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, Trouble, is_answering
from fixer.analysis.evidence import (
    bindings_of,
    condition,
    endpoint_text,
    listeners_on,
    now_on,
    pids_of,
    ran_since,
    restarts,
    state_evidence,
)
from fixer.analysis.exits.childless import since_reload, without_program
from fixer.analysis.exits.code_error import code_fault
from fixer.analysis.exits.exit_reason import ends_repeatedly, missing_variables
from fixer.analysis.exits.fellover import fell_over
from fixer.analysis.onekill import one_kill
from fixer.analysis.owner import Owner
from fixer.analysis.ownership.configured import is_told
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import SERVES, is_passed_over, last_run, message, own_lines, was_asked_to_stop
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Binding, Listener, LogLine, Service

_JUST_STARTED = 20.0     # seconds: a service that is started again and again is "running" most of the time


@dataclass(frozen=True, slots=True)
class Crash:
    """A service that failed, the addresses that need it, and its lines since the last start."""

    owner: Owner
    troubles: tuple[Trouble, ...]
    lines: tuple[LogLine, ...]
    inside: bool = False       # its manager sees it run: what ends again and again are the workers that it starts

    @property
    def service(self) -> Service:
        """The service that failed."""
        return self.owner.service

    @property
    def routes(self) -> tuple[str, ...]:
        """All routes that need it."""
        return tuple(dict.fromkeys(route for trouble in self.troubles for route in trouble.route_ids))


@dataclass(frozen=True, slots=True)
class Crashes:
    """What failed, which facts were missing to tell, and what shows that others did not fail."""

    found: tuple[Crash, ...]
    missing: tuple[str, ...]
    sound: tuple[Evidence, ...]


def crashes(case: Case) -> Crashes:
    """Every service that failed, or fails again and again, behind an address that does not answer."""
    by_service: dict[str, tuple[Owner, list[Trouble]]] = {}
    missing: list[str] = []
    sound = [e for j in case.judged.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        if owner is None:
            if is_closed(trouble.endpoint) is not False:
                missing.append(f"which service belongs behind {endpoint_text(trouble.endpoint)}")
        elif has_failed(case, owner.service, trouble) or fails_inside(case, owner.service, trouble):
            by_service.setdefault(owner.service.id, (owner, []))[1].append(trouble)
        else:
            sound.append(state_evidence(owner.service))
    found: list[Crash] = []
    for owner, troubles in by_service.values():
        if isinstance(owner.service.log, Unknown):
            missing.append(f"log of {owner.service.name}: {owner.service.log.reason}")
        troubles.sort(key=lambda trouble: not is_told(owner.service, trouble.endpoint))    # its own address goes first
        inside = not has_failed(case, owner.service, troubles[0])
        lines = since_reload(last_run(case.snapshot, owner.service))
        found.append(Crash(owner, tuple(troubles), lines, inside))
    return Crashes(tuple(found), tuple(missing), tuple(dict.fromkeys(sound)))


def has_failed(case: Case, service: Service, trouble: Trouble | None) -> bool:
    """Failed, or in the middle of being started once more after a failure."""
    state = condition(service)
    if service.socket is not None and service.socket.active_state == "failed":
        return True
    if is_passed_over(service) or one_kill(case.snapshot, service) is not None:
        return False
    if state == "failed":
        return not was_asked_to_stop(case.snapshot, service)
    if state == "looping":
        return not has_come_up(case, service)
    if state == "stopped":
        return fell_over(case.snapshot, service) is not None or lacks_source(service)
    if state != "running" or trouble is None or restarts(service) == 0:
        return False
    if now_on(case.snapshot, service.node) - ran_since(service) >= _JUST_STARTED:
        return False
    if trouble.endpoint.node not in (None, service.node) and holds_a_socket(case, service):
        return False      # it came up meanwhile; that nobody is at the address of another says nothing of it
    # It may end between two questions: whoever connects in that moment gets no answer at all.
    if is_closed(trouble.endpoint) is not False:
        return True
    # A parent that listens first takes the connection, and ends with its workers before anybody answers.
    return not is_answering(trouble.endpoint) and says_why(service, last_run(case.snapshot, service))


def has_come_up(case: Case, service: Service) -> bool:
    """supervisord calls a program STARTING for its first seconds, and this one says by now that it serves: it opened
    its socket between two questions."""
    program = service.program
    if program is None or program.state != "STARTING" or not service.pids or holds_a_socket(case, service):
        return False
    own = own_lines(last_run(case.snapshot, service))[-1:]
    return bool(own) and SERVES.search(message(own[0])) is not None


def lacks_source(service: Service) -> bool:
    """A container that the engine would refuse to start: what it mounts from the host is gone."""
    return service.container is not None and bool(service.container.lacks)


def says_why(service: Service, lines: Sequence[LogLine]) -> bool:
    """Whether the lines name what ends the program before it serves: a variable, or a fault in its code."""
    return bool(missing_variables(lines)) or code_fault(lines, service.argv, ran_since(service)) is not None


def fails_inside(case: Case, service: Service, trouble: Trouble) -> bool:
    """It runs and holds no socket, while the program in it ends: a parent that starts its workers again and again, or
    the last moments of a first run that its manager has not seen end yet. One that opened the socket for them may keep
    it: then visitors wait, and its log must say why nobody takes them."""
    if condition(service) != "running":
        return False
    if is_closed(trouble.endpoint) is not True or holds_a_socket(case, service):
        return (not is_answering(trouble.endpoint) and bool(without_program(case, trouble, service))
                and says_why(service, since_reload(last_run(case.snapshot, service))))
    lines = last_run(case.snapshot, service)
    return ends_repeatedly(lines) or says_why(service, lines)


def holds_a_socket(case: Case, service: Service) -> bool:
    """It listens somewhere, be it where nobody asks for it."""
    ours = set(service.pids)
    return any(ours.intersection(pids_of(line)) for line in listeners_on(case.snapshot, service.node))


_ANYWHERE = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104  addresses that were read, nothing is bound


def told_port_taken(case: Case, service: Service) -> tuple[Binding, Listener] | None:
    """Where it is told to listen, and the socket of somebody else that is there already."""
    for binding in bindings_of(service):
        for line in listeners_on(case.snapshot, service.node) if binding.port else ():
            same = line.address == binding.host or bool({line.address, binding.host} & _ANYWHERE)
            held = pids_of(line)
            if line.family != "unix" and line.port == binding.port and same and held and \
                    not set(service.pids).intersection(held):
                return binding, line
    return None
