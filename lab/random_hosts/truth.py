"""Physical truth of a host: well before, failing with each fault, well again when that fault alone is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.errors import LabError, UnexpectedState
from lab.random_hosts.create_host import running_host
from lab.random_hosts.host_spec import Fault, HostSpec
from lab.random_hosts.running_host import RunningHost
from lab.random_hosts.visits import Signature, Visitors


@dataclass(frozen=True, slots=True)
class Truth:
    """What a rehearsal proved about a host. `problem` says why the host is no fair question: the generator failed.
    `showing` are the faults whose undoing changes how the host fails; the others are masked. `logs` are those of a host
    that is no fair question, for whoever mends the generator."""

    showing: tuple[str, ...] = ()
    signatures: dict[str, str] = field(default_factory=dict)    # fault → how the host fails with it alone
    problem: str = ""
    logs: str = ""
    ways: dict[str, Signature] = field(default_factory=dict)    # the same, not as text


def rehearse(spec: HostSpec, image: str, *, reboot: bool = True) -> Truth:
    """Prove the host's truth on a container of its own, which is removed: the judged one holds no trace of it."""
    ways: dict[str, Signature] = {}
    try:
        with running_host(spec, image) as host:
            return _prove_all(host, ways, reboot=reboot)
    except LabError as error:       # the host could not be made
        return Truth(signatures=_texts(ways), problem=_problem(error))


def _prove_all(host: RunningHost, ways: dict[str, Signature], *, reboot: bool) -> Truth:
    """Return what the host proved; `ways` gets each fault that was proven."""
    try:
        visitors = Visitors(host)
        _begin(host, visitors, reboot=reboot)
        for fault in host.spec.faults:
            ways[fault.name] = _prove(host, visitors, fault)
        alone = tuple(fault.name for fault in host.spec.faults)
        showing = _showing(host, visitors) if len(alone) > 1 else alone
        return Truth(showing, _texts(ways), ways=ways)
    except LabError as error:
        return Truth(signatures=_texts(ways), problem=_problem(error), logs=host.logs())


def _texts(ways: Mapping[str, Signature]) -> dict[str, str]:
    return {name: way.text for name, way in ways.items()}


def _problem(error: LabError) -> str:
    return error.message.splitlines()[0]


def _begin(host: RunningHost, visitors: Visitors, *, reboot: bool) -> None:
    """Raise UnexpectedState unless the host is well, and well again after a restart of the machine."""
    try:
        visitors.record()
    except UnexpectedState as error:
        raise UnexpectedState(f"not well before: {error.message}") from error
    if reboot:
        host.reboot()
        if failing := visitors.becomes_well():
            raise UnexpectedState(f"not well after a restart of the machine: {failing[0]}")


def _prove(host: RunningHost, visitors: Visitors, fault: Fault) -> Signature:
    """Inject one fault and undo it; raise UnexpectedState unless the host fails in between and is well after. What
    fails only while something restarts is not the fault's doing."""
    host.inject(fault)
    seen = _settled(host, visitors)
    if seen is None:
        raise UnexpectedState(f"does not fail with {fault.name}")
    host.undo(fault)
    if failing := visitors.becomes_well():
        raise UnexpectedState(f"not well again when {fault.name} is undone: {failing[0]}")
    return seen


def _showing(host: RunningHost, visitors: Visitors) -> tuple[str, ...]:
    """Inject all faults, then undo each alone: a fault shows if the host then fails in another way, or not at all."""
    faults = host.spec.faults
    for fault in faults:
        host.inject(fault)
    together = _settled(host, visitors)
    if together is None:
        raise UnexpectedState("does not fail with all faults together")
    found = []
    for fault in faults:
        host.undo(fault)
        without = _settled(host, visitors)
        if without != together:
            found.append(fault.name)
        host.inject(fault)
        if visitors.begins_to_fail() is None:
            raise UnexpectedState(f"does not fail when {fault.name} is injected again")
    return showing_or_all(found, [fault.name for fault in faults])


def _settled(host: RunningHost, visitors: Visitors) -> Signature | None:
    """Return how the host fails once nothing starts any more: until then a server that is mended fails as before."""
    host.settle()
    return visitors.begins_to_fail()


def showing_or_all(found: list[str], names: list[str]) -> tuple[str, ...]:
    """Return the showing faults. If no single undoing changes anything, each fault alone explains what is seen."""
    return tuple(found or names)
