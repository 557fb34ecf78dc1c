"""The load and progress of a backend: they distinguish an overloaded backend from a hung one."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import address_text, clock_of, listener_at, no_listener_evidence, processes_of
from fixer.analysis.exits.failed_run import has_failed, has_failing_workers, is_loading
from fixer.analysis.exits.parent_process import parent_without_workers
from fixer.analysis.nginx_errors import events_for
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import lines_of, message_of
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.formats.application_servers import server_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, ErrorEvent, Listener, Process, Service
from fixer.nginx.error_kinds import ANSWER_TIMEOUT

with lazy_imports():
    from fixer.analysis.ownership.resolve import only_owner

_ANSWERED_LINE = regex(r"HTTP/\d(?:\.\d)?\"?,? +[1-5]\d\d\b|\"? [1-5]\d\d [A-Z][A-Za-z ]+$")
RECENT_REQUEST = 15.0       # seconds; a request that finished within them shows progress
_QUIET_TIME = 5.0        # seconds without a finished request since visitors timed out


@dataclass(frozen=True, slots=True)
class Pressure:
    """A running service that accepts connections and does not answer in time.

    `is_working` tells whether it made progress recently; None if nothing shows it.
    """

    failing_address: FailingAddress
    service: Service
    processes: tuple[Process, ...]
    queued: int
    established: int
    timeouts: tuple[ErrorEvent, ...]
    is_working: bool | None
    proof: tuple[Evidence, ...]

    @property
    def waiting(self) -> int:
        """The number of requests in progress or waiting, by the kernel's counters."""
        return max(self.established, self.queued)


def pressures(case: Case) -> tuple[tuple[Pressure, ...], tuple[str, ...], tuple[Evidence, ...]]:
    """Return every such service, the missing facts, and the evidence that rules the others out."""
    found: list[Pressure] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for trouble in case.failing_addresses:
        closed = is_closed(trouble.endpoint)
        owner = only_owner(case, trouble)
        if owner is not None and is_paused(owner.service):
            found.append(_measure_pressure(case, trouble, owner.service))
        elif closed is None:
            missing.append(f"whether anything accepts at {trouble.endpoint.written}")
        elif closed or owner is None or not _has_live_process(case, trouble, owner.service) or _is_held_by_other(
                trouble, owner.service):
            ruled += [e for j in trouble.verdicts[:1] for e in j.evidence[:1]]
        elif _is_connect_dropped(trouble):
            ruled += no_listener_evidence(trouble.endpoint)
        elif is_loading(case, trouble, owner.service):
            ruled.append(state_evidence(owner.service))     # it has not come to accept anything
        elif owner.service.running and (has_failed(case, owner.service, trouble)
                                        or has_failing_workers(case, owner.service, trouble)):
            ruled.append(state_evidence(owner.service))     # it ends at its start, whoever accepts there
        elif _has_timeouts(case,
                           trouble) and not has_partial_answer(trouble.endpoint) and (keeper := parent_without_workers(
                case, trouble, owner.service)):
            missing.append(f"whether {owner.service.name} has a lasting process: {keeper} holds the socket, and "
                           "what it starts ends at once")
        elif _has_timeouts(case, trouble) and not has_partial_answer(trouble.endpoint):
            found.append(_measure_pressure(case, trouble, owner.service))
        else:
            ruled += [e for j in trouble.verdicts[:1] for e in j.evidence[:1]]
    return tuple(found), tuple(missing), tuple(dict.fromkeys(ruled))


def _is_connect_dropped(trouble: FailingAddress) -> bool:
    """Return whether a connect gets no answer although the queue is empty: it never reached the service's kernel."""
    tcp, held = trouble.endpoint.tcp, listener_at(trouble.endpoint)
    return isinstance(tcp, Known) and tcp.value.error == "slow" and held is not None and held.queued == 0


def has_partial_answer(endpoint: Endpoint) -> bool:
    """Return whether an answer started and its header did not end: the service neither hangs nor queues our request."""
    return isinstance(endpoint.http, Known) and endpoint.http.value.arrived > 0


def is_paused(service: Service) -> bool:
    """Return whether it is a paused container: its processes are frozen."""
    return manager_of(service).is_paused()


def _has_live_process(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether it runs, or suspended processes of an earlier run hold its socket."""
    return service.running or (trouble.endpoint.listening_service == service.id and any(
        p.state == "T" for p in processes_of(case.snapshot, service.node, service.pids)))


def _is_held_by_other(trouble: FailingAddress, service: Service) -> bool:
    """Return whether another service holds the socket: then that one hangs."""
    return trouble.endpoint.listening_service not in (None, service.id)


def _has_timeouts(case: Case, trouble: FailingAddress) -> bool:
    """Return whether an answer does not come in time, seen now."""
    if any(p.error == "slow" or p.status == 504 for j in trouble.verdicts if isinstance(j.facts.probes, Known)
           for p in j.facts.probes.value):
        return True
    http, ids = trouble.endpoint.http, {endpoint.id for endpoint in trouble.endpoints}
    if isinstance(http, Known) and http.value.error == "slow" and any(ids.intersection(j.skipped_members)
                                                                      for j in trouble.verdicts):
        return True
    return bool(events_for(case, trouble, ANSWER_TIMEOUT))


def _measure_pressure(case: Case, trouble: FailingAddress, service: Service) -> Pressure:
    held = listener_at(trouble.endpoint)
    since = start_time_of(service)     # timeouts of an earlier run say nothing about this one
    timeouts = tuple(event for event in events_for(case, trouble, ANSWER_TIMEOUT) if event.at >= since)
    works, proof = _judge_progress(case, trouble, service, timeouts)
    return Pressure(
        trouble, service, processes_of(case.snapshot, service.node, service.pids),
        0 if held is None else held.queued, 0 if held is None else held.established, timeouts, works, proof,
    )


def _judge_progress(
    case: Case, trouble: FailingAddress, service: Service, timeouts: tuple[ErrorEvent, ...],
) -> tuple[bool | None, tuple[Evidence, ...]]:
    """Return whether it answered any probe, or its log shows a request that finished just now."""
    http = trouble.endpoint.http
    if isinstance(http, Known) and http.value.status is not None:
        said = Evidence("probe", trouble.endpoint.written, f"answers {http.value.status} when asked directly")
        return True, http.evidence or (said,)
    for judged in trouble.verdicts:
        # a skipped member did not answer: another one did
        if judged.some_answered and trouble.endpoint.id not in judged.skipped_members:
            return True, judged.evidence[:1]
    finished = [line for line in lines_of(service) if _ANSWERED_LINE.search(message_of(line))]
    last = finished[-1] if finished else None
    if last is None or last.at is None:
        held = listener_at(trouble.endpoint)
        stands = held is not None and _is_loop_standing(service, held)
        return (False if stands else None), ()
    return _is_recent(case, service, last.at, timeouts), (Evidence("service-log", last.where, last.text),)


def _is_loop_standing(service: Service, held: Listener) -> bool:
    """Return whether connections wait to be accepted by an event loop that serves one at most: it takes each at once
    while it runs. A worker that serves one after the other may be busy with one that its visitor has given up."""
    served = held.established - held.queued     # the kernel calls those that wait established, too
    return server_of(service.runtime).accepts_at_once and held.queued > 0 and served <= 1


def _is_recent(case: Case, service: Service, finished: float, timeouts: tuple[ErrorEvent, ...]) -> bool | None:
    """Return whether it finishes requests: an overloaded service does while others wait, a hung one does not."""
    age = clock_of(case.snapshot, service.node) - finished
    if age > RECENT_REQUEST:
        return False
    if timeouts and finished < min(event.at for event in timeouts):
        return False if age >= _QUIET_TIME else None
    return True


def pressure_evidence(pressure: Pressure) -> tuple[Evidence, ...]:
    """Return the kernel's counters of the listening socket as evidence."""
    held = listener_at(pressure.failing_address.endpoint)
    if held is None:
        return ()
    text = f"{pressure.queued} connections wait to be accepted, {pressure.established} are open"
    at = address_text(held.address, held.port, held.address if held.family == "unix" else None)
    return (Evidence("socket", f"socket {at}", text),)


# Thrashing: the kernel evicts memory that the service needs again at once, so it waits for its disk.
MIN_REFAULTS = 5_000         # pages that a start in little memory may need again
MIN_REFAULT_RATE = 100.0         # pages a second since its start, on average: a slow disk gives no more


def refault_rate(case: Case, service: Service, pages: int) -> float:
    """Return the refaulted pages a second since the service started."""
    return pages / max(1.0, clock_of(case.snapshot, service.node) - start_time_of(service))


def is_thrashing(case: Case, service: Service) -> bool:
    """Return whether the service thrashes now; False if its refaults are unknown."""
    pages = service.refaults.or_else(0)
    return pages >= MIN_REFAULTS and refault_rate(case, service, pages) >= MIN_REFAULT_RATE


def stopped_processes(pressure: Pressure) -> tuple[Process, ...]:
    """Return the processes of the service that a signal stopped, children first.

    A parent that continues before its workers takes them for hung and kills them.
    """
    stopped = {p.pid: p for p in pressure.processes if p.state == "T"}
    return tuple(sorted(stopped.values(), key=lambda p: (-_depth(p, stopped), p.pid)))


def _depth(process: Process, among: Mapping[int, Process]) -> int:
    depth, seen = 0, {process.pid}
    while (parent := among.get(process.ppid)) is not None and parent.pid not in seen:
        depth, process = depth + 1, parent
        seen.add(parent.pid)
    return depth
