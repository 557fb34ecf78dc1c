"""Starts that a dependency blocks: the backend waits for its answer, or systemd did not start the backend."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import (
    address_text,
    age_text,
    clock_of,
    find_node,
    listeners_on,
    pids_of,
    process_text,
    processes_of,
)
from fixer.analysis.exits.failed_run import has_accepted_none, has_failing_workers, has_listening_socket
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import has_kind, lines_of
from fixer.analysis.service_state import requirements_of, run_state_of, start_time_of, state_evidence
from fixer.formats.addresses import is_loopback
from fixer.formats.dependency_systems import system_at_port
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence
from fixer.model.snapshot import Connection, LogLine, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.complaint import DependencyComplaint
    from fixer.analysis.dependency.locate import LocatedDependency, providers_on
    from fixer.analysis.ownership.resolve import only_owner

_MAX_CONNECT_TIME = 1.5          # seconds in which any other machine answers a connect
_MAX_READ_TIME = 3.0           # seconds in which a healthy peer has read what was sent at a start
_MAX_LOCAL_CONNECT_TIME = 0.2           # seconds in which this machine does, however busy


@dataclass(frozen=True, slots=True)
class BlockedStart:
    """A service that waits for a dependency, and the connection that shows it."""

    owner: PortOwner
    failing_address: FailingAddress
    connection: Connection
    dependency: LocatedDependency
    complaint: DependencyComplaint

    @property
    def service(self) -> Service:
        """The service that waits."""
        return self.owner.service


def blocked_starts(case: Case) -> tuple[BlockedStart, ...]:
    """Return every service that has not come to serve its address, and waits for another one."""
    found: dict[str, BlockedStart] = {}
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        if owner is None or owner.service.id in found:
            continue
        one = _blocked_start(case, trouble, owner)
        if one is not None:
            found[owner.service.id] = one
    return tuple(found.values())


def _blocked_start(case: Case, trouble: FailingAddress, owner: PortOwner) -> BlockedStart | None:
    service = owner.service
    unheard = is_closed(trouble.endpoint) is True and not has_listening_socket(case, service)
    if run_state_of(service) not in ("running", "starting") or not (
            unheard or has_accepted_none(case, trouble, service)):
        return None
    if has_failing_workers(case, service, trouble):
        return None
    age = clock_of(case.snapshot, service.node) - start_time_of(service)
    young = age < _MAX_CONNECT_TIME
    node = find_node(case.snapshot, service.node)
    for line in node.connections if node is not None else ():
        if not is_connection_of(case, service, line):
            continue
        needed, said = locate_peer(case, service, line)
        unanswered = line.state == "dialing" and (not young or (needed.node is not None
                                                                and line.seconds_waited >= _MAX_LOCAL_CONNECT_TIME))
        unanswered |= line.state == "unread" and age >= _MAX_READ_TIME
        if unanswered or (needed.provider is not None and is_suspended(case, needed.provider)):
            return BlockedStart(owner, trouble, line, needed, said)
    return None


def is_connection_of(case: Case, service: Service, line: Connection) -> bool:
    """Return whether the connection is the service's: by the process that holds it, else by its user and container."""
    if line.pids:
        return bool(set(line.pids) & set(service.pids))
    uids = {p.uid for p in processes_of(case.snapshot, service.node, service.pids)}
    return bool(service.pids) and uids == {line.uid} and (service.container is not None or line.uid != 0)


def locate_peer(case: Case, service: Service, line: Connection) -> tuple[LocatedDependency, DependencyComplaint]:
    """Return the peer of a connection, as far as it is known."""
    engine = system_at_port(line.port)
    nothing = LogLine(None, "", "")
    said = DependencyComplaint("refused", nothing, "", line.address, line.address, line.port, "", "", engine)
    box = next((s for s in case.snapshot.services if s.container is not None and s.id != service.id
                and line.address in {ip for _, ip, _ in s.container.networks if ip}), None)
    if box is not None:
        return LocatedDependency(box.node, None, (box,), ()), said
    node = find_node(case.snapshot, service.node)
    here = is_loopback(line.address) or (node is not None and line.address in node.addresses)
    if not here:
        return LocatedDependency(None, None, (), ()), said
    providers = providers_on(case.snapshot, service.node, said) or _services_on_port(case, service, line)
    return LocatedDependency(service.node, None, providers, ()), said


def _services_on_port(case: Case, service: Service, line: Connection) -> tuple[Service, ...]:
    """Return the service that holds that port, if the kind of system is unknown."""
    held = {pid for one in listeners_on(case.snapshot, service.node) if one.port == line.port for pid in pids_of(one)}
    return tuple(s for s in case.snapshot.services if s.node == service.node and held & set(s.pids))[:1]


def is_suspended(case: Case, provider: Service) -> bool:
    """Return whether it accepts connections and never answers: paused by the engine, or all its processes stopped."""
    if run_state_of(provider) == "paused":
        return True
    own = processes_of(case.snapshot, provider.node, provider.pids)
    return bool(own) and all(p.state == "T" for p in own)


def blocked_start_evidence(case: Case, one: BlockedStart) -> tuple[Evidence, ...]:
    """Return the waiting connection, its holder, and the state of the peer as evidence."""
    service, line = one.service, one.connection
    holders = processes_of(case.snapshot, service.node, line.pids[:1] or service.pids[:1])
    text = {"dialing": "SYN sent, no answer", "open": "connected, no answer",
            "unread": "connected, and the peer does not read what was sent"}[line.state]
    who = f"; {process_text(case.snapshot, service.node, holders[0])}" if holders else ""
    where = f"connection to {address_text(line.address, line.port)}"
    still = [
        Evidence("process", f"pid {p.pid}", f"state T (stopped): {process_text(case.snapshot, provider.node, p)}")
        for provider in one.dependency.providers for p in processes_of(case.snapshot, provider.node, provider.pids)[:1]
        if p.state == "T"
    ]
    return (Evidence("socket", where, text + who), *(state_evidence(p) for p in one.dependency.providers), *still,
            state_evidence(service))


def starting_time_text(case: Case, one: BlockedStart) -> str:
    """Return how long it has been starting, as text."""
    return age_text(max(0.0, clock_of(case.snapshot, one.service.node) - start_time_of(one.service)))


# Backends that systemd did not start because a unit that they require failed.


@dataclass(frozen=True, slots=True)
class UnstartedUnit:
    """A service that was not started, the line that says so, and the units that it requires and that do not run."""

    owner: PortOwner
    failing_address: FailingAddress
    line: LogLine
    missing_units: tuple[Service, ...]
    evidence: tuple[Evidence, ...]

    @property
    def service(self) -> Service:
        """The service that was not started."""
        return self.owner.service


def unstarted_units(case: Case) -> tuple[UnstartedUnit, ...]:
    """Return every stopped unit of a failing address whose last start ended with `Dependency failed`."""
    found: dict[str, UnstartedUnit] = {}
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        if owner is None or owner.service.unit is None or run_state_of(owner.service) not in ("stopped", "failed"):
            continue
        line = _dependency_failed_line(owner.service)
        if line is None:
            continue
        wanted = requirements_of(case.snapshot, owner.service)
        lacking = tuple(s for s in case.snapshot.services if s.node == owner.service.node and s.name in wanted
                        and run_state_of(s) != "running")
        why = tuple(dict.fromkeys(wanted[s.name] for s in lacking))
        found.setdefault(owner.service.id, UnstartedUnit(owner, trouble, line, lacking, why))
    return tuple(found.values())


def _dependency_failed_line(service: Service) -> LogLine | None:
    """Return systemd's line, if nothing was started after it."""
    for line in reversed(lines_of(service)):
        if has_kind(line, "dependency-failed"):
            return line
        if has_kind(line, "started"):
            return None
    return None
