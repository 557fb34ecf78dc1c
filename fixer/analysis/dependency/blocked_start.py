"""A backend that runs and listens nowhere, because it waits for a system that does not answer."""

from __future__ import annotations

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.dependency.complaint import Complaint, engine_at
from fixer.analysis.dependency.locate import Needed, providers_on
from fixer.analysis.evidence import (
    address_text,
    describe_process,
    find_node,
    listeners_on,
    now_on,
    pids_of,
    processes_of,
    say_age,
)
from fixer.analysis.exits.failed_run import fails_inside, holds_a_socket
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import lines_of, message
from fixer.analysis.service_state import condition, ran_since, required_by, state_evidence
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import Connection, LogLine, Service

_PATIENCE = 1.5          # seconds in which any other machine answers a connect
_READING = 3.0           # seconds after which what was sent at a start has been read by whoever is well
_AT_ONCE = 0.2           # seconds in which this one does, however busy


@dataclass(frozen=True, slots=True)
class Blocked:
    """Who waits for whom, since when, and how that was seen."""

    owner: Owner
    trouble: Trouble
    line: Connection
    needed: Needed
    said: Complaint

    @property
    def service(self) -> Service:
        """The service that waits."""
        return self.owner.service


def blocked(case: Case) -> tuple[Blocked, ...]:
    """Every service behind an empty address that waits for another one."""
    found: dict[str, Blocked] = {}
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        if owner is None or is_closed(trouble.endpoint) is not True or owner.service.id in found:
            continue
        one = _blocked(case, trouble, owner)
        if one is not None:
            found[owner.service.id] = one
    return tuple(found.values())


def _blocked(case: Case, trouble: Trouble, owner: Owner) -> Blocked | None:
    service = owner.service
    if condition(service) not in ("running", "starting") or holds_a_socket(case, service):
        return None
    if fails_inside(case, service, trouble):
        return None
    age = now_on(case.snapshot, service.node) - ran_since(service)
    young = age < _PATIENCE
    node = find_node(case.snapshot, service.node)
    for line in node.connections if node is not None else ():
        if not is_its(case, service, line):
            continue
        needed, said = other_side(case, service, line)
        unanswered = line.state == "dialing" and (not young or (needed.node is not None and line.waited >= _AT_ONCE))
        unanswered |= line.state == "unread" and age >= _READING
        if unanswered or (needed.provider is not None and stands_still(case, needed.provider)):
            return Blocked(owner, trouble, line, needed, said)
    return None


def is_its(case: Case, service: Service, line: Connection) -> bool:
    """By the process that holds the socket; where that is not known, by its user and the container that it is in."""
    if line.pids:
        return bool(set(line.pids) & set(service.pids))
    uids = {p.uid for p in processes_of(case.snapshot, service.node, service.pids)}
    return bool(service.pids) and uids == {line.uid} and (service.container is not None or line.uid != 0)


def other_side(case: Case, service: Service, line: Connection) -> tuple[Needed, Complaint]:
    """Who is asked over a connection, as far as that is seen."""
    engine = engine_at(line.port)
    nothing = LogLine(None, "", "")
    said = Complaint("refused", nothing, "", line.address, line.address, line.port, "", "", engine)
    box = next((s for s in case.snapshot.services if s.container is not None and s.id != service.id
                and line.address in {ip for _, ip, _ in s.container.networks if ip}), None)
    if box is not None:
        return Needed(box.node, None, (box,), ()), said
    node = find_node(case.snapshot, service.node)
    here = line.address.startswith("127.") or line.address == "::1" or (
        node is not None and line.address in node.addresses)
    if not here:
        return Needed(None, None, (), ()), said
    providers = providers_on(case.snapshot, service.node, said) or _listens_at(case, service, line)
    return Needed(service.node, None, providers, ()), said


def _listens_at(case: Case, service: Service, line: Connection) -> tuple[Service, ...]:
    """Whoever holds that port, where nothing tells what kind of system it is."""
    held = {pid for one in listeners_on(case.snapshot, service.node) if one.port == line.port for pid in pids_of(one)}
    return tuple(s for s in case.snapshot.services if s.node == service.node and held & set(s.pids))[:1]


def stands_still(case: Case, provider: Service) -> bool:
    """Paused by the engine, or all its processes stopped: it accepts connections and never speaks."""
    if condition(provider) == "paused":
        return True
    own = processes_of(case.snapshot, provider.node, provider.pids)
    return bool(own) and all(p.state == "T" for p in own)


def blocked_evidence(case: Case, one: Blocked) -> tuple[Evidence, ...]:
    """The connection that waits, who holds it, and the state of the other side."""
    service, line = one.service, one.line
    holders = processes_of(case.snapshot, service.node, line.pids[:1] or service.pids[:1])
    said = {"dialing": "SYN sent, no answer", "open": "connected, no word came back",
            "unread": "connected, and what was sent is not taken"}[line.state]
    who = f"; {describe_process(case.snapshot, service.node, holders[0])}" if holders else ""
    where = f"connection to {address_text(line.address, line.port)}"
    still = [
        Evidence("process", f"pid {p.pid}", f"state T (stopped): {describe_process(case.snapshot, provider.node, p)}")
        for provider in one.needed.providers for p in processes_of(case.snapshot, provider.node, provider.pids)[:1]
        if p.state == "T"
    ]
    return (Evidence("socket", where, said + who), *(state_evidence(p) for p in one.needed.providers), *still,
            state_evidence(service))


def waits_since(case: Case, one: Blocked) -> str:
    """For how long it has been starting, for people."""
    return say_age(max(0.0, now_on(case.snapshot, one.service.node) - ran_since(one.service)))


# A backend that systemd did not start, because a unit that it requires failed.
_FAILED = regex(r"^Dependency failed for |failed with result 'dependency'")
_BEGUN = regex(r"^Started \S")


@dataclass(frozen=True, slots=True)
class Required:
    """Who was not started, the line that says so, and what of that which it requires does not run."""

    owner: Owner
    trouble: Trouble
    line: LogLine
    lacking: tuple[Service, ...]
    why: tuple[Evidence, ...]

    @property
    def service(self) -> Service:
        """The service that was not started."""
        return self.owner.service


def not_started(case: Case) -> tuple[Required, ...]:
    """Every stopped unit behind a failing route whose last start ended with `Dependency failed`."""
    found: dict[str, Required] = {}
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        if owner is None or owner.service.unit is None or condition(owner.service) not in ("stopped", "failed"):
            continue
        line = _last_word(owner.service)
        if line is None:
            continue
        wanted = required_by(case.snapshot, owner.service)
        lacking = tuple(s for s in case.snapshot.services if s.node == owner.service.node and s.name in wanted
                        and condition(s) != "running")
        why = tuple(dict.fromkeys(wanted[s.name] for s in lacking))
        found.setdefault(owner.service.id, Required(owner, trouble, line, lacking, why))
    return tuple(found.values())


def _last_word(service: Service) -> LogLine | None:
    """systemd's line, where nothing was started after it."""
    for line in reversed(lines_of(service)):
        text = message(line)
        if _FAILED.search(text):
            return line
        if _BEGUN.search(text):
            return None
    return None
