"""Failed runs of services at failing addresses, with their last log lines."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress, PortOwner, is_answering, is_dropping
from fixer.analysis.evidence import (
    bindings_of,
    clock_of,
    endpoint_text,
    listener_at,
    listeners_on,
    pids_of,
    processes_of,
)
from fixer.analysis.exits.parent_process import lines_since_reload, parent_without_workers
from fixer.analysis.nginx_errors import refused_evidence
from fixer.analysis.ownership.configured import binding_evidence, is_configured_at
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import (
    NO_OUTPUT,
    RunEnd,
    has_exited_by_itself,
    has_just_restarted,
    has_kind,
    last_run_lines,
    message_of,
    program_lines,
    read_run_end,
    single_external_kill,
    skipped_by_condition,
    was_asked_to_stop,
)
from fixer.analysis.service_state import (
    is_held_by_systemd,
    is_unwatched,
    run_state_of,
    start_time_of,
    state_evidence,
)
from fixer.formats.addresses import is_wildcard
from fixer.formats.application_servers import server_of
from fixer.formats.run_output import (
    ends_run,
    ends_run_at,
    is_request_line,
    is_traceback_start,
    says_ready,
    says_server_starting,
    says_start_failed,
    says_starting,
)
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Binding, Endpoint, Listener, LogLine, Service, Snapshot
from fixer.model.unit_event import UnitEventKind

with lazy_imports():
    from fixer.analysis.exits.code_error import find_code_fault
    from fixer.analysis.exits.exit_reason import (
        has_repeated_exception,
        lacks_socket,
        missing_variables,
        port_in_use_line,
    )
    from fixer.analysis.ownership.resolve import only_owner


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A service that failed, the addresses that need it, and its lines since the last start."""

    owner: PortOwner
    failing_addresses: tuple[FailingAddress, ...]
    lines: tuple[LogLine, ...]
    # its service manager reports it as running: the workers that it starts end repeatedly
    has_running_parent: bool = False
    end: RunEnd = NO_OUTPUT
    # only a log that any user may have written shows the run: nothing may be changed because of it
    is_hearsay: bool = False
    uid: int = -1       # of that log's owner
    program: str = ""   # the file of the program that ended, of several that the service starts
    front_routes: tuple[str, ...] = ()      # of the nginx that its start script should start; no address is known then

    @property
    def service(self) -> Service:
        """The service that failed."""
        return self.owner.service

    @property
    def ended_name(self) -> str:
        """The name of what ended: the program if the service starts several, else the service."""
        return f"{self.program} of {self.service.name}" if self.program else self.service.name

    @property
    def ends_text(self) -> str:
        """What ended, and that it ends at once; of a service that runs, that its workers do."""
        if self.has_running_parent and not self.program:
            return f"{self.service.name} runs, and its workers end at once"
        return f"{self.ended_name} ends at once"

    @property
    def routes(self) -> tuple[str, ...]:
        """All routes that need it."""
        needed = (route for trouble in self.failing_addresses for route in trouble.route_ids)
        return tuple(dict.fromkeys((*needed, *self.front_routes)))

    @property
    def endpoint(self) -> Endpoint | None:
        """Return the first address that needs it, None for a container that ended before its nginx."""
        return self.failing_addresses[0].endpoint if self.failing_addresses else None

    def manager_line(self, kind: UnitEventKind) -> LogLine | None:
        """Return the last line by which its service manager says that."""
        return next((line for line in reversed(self.lines) if has_kind(line, kind)), None)

    def symptoms(self, case: Case) -> tuple[Evidence, ...]:
        """Return the state of the service, and what shows that nothing answers at its first address."""
        return state_evidence(self.service), *(e for one in self.failing_addresses[:1]
                                               for e in refused_evidence(case, one))


@dataclass(frozen=True, slots=True)
class FailedRuns:
    """The failed runs, the missing facts, and the evidence that other services did not fail."""

    found: tuple[FailedRun, ...]
    missing: tuple[str, ...]
    ruled_out: tuple[Evidence, ...]


def failed_runs(case: Case) -> FailedRuns:
    """Return every service of a failing address that failed, or fails repeatedly."""
    by_service: dict[str, tuple[PortOwner, list[FailingAddress]]] = {}
    missing: list[str] = []
    sound = list(case.observed)
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        if owner is None:
            owner = case.named_owners.get(id(trouble))
            if is_closed(trouble.endpoint) is not False:
                missing.append(_unknown_owner_text(trouble, owner))
        if owner is None:
            continue
        if has_failed(case, owner.service, trouble) or has_failing_workers(case, owner.service, trouble):
            by_service.setdefault(owner.service.id, (owner, []))[1].append(trouble)
        else:
            sound.append(state_evidence(owner.service))
    found: list[FailedRun] = []
    for owner, troubles in by_service.values():
        if isinstance(owner.service.log, Unknown):
            missing.append(f"log of {owner.service.name}: {owner.service.log.reason}")
        # its own address first
        troubles.sort(key=lambda trouble: not is_configured_at(owner.service, trouble.endpoint))
        inside = not has_failed(case, owner.service, troubles[0])
        lines = lines_since_reload(last_run_lines(case.snapshot, owner.service))
        files = _files_of_binding(owner.service, troubles[0]) if inside else frozenset()
        lines = (inside and _lines_of_last_start(lines, files)) or lines
        end = read_run_end(lines, start_time_of(owner.service))
        program = next(iter(files)) if len(files) == 1 else ""
        found.append(FailedRun(owner, tuple(troubles), lines, inside, end, program=program))
    return FailedRuns(tuple(found), tuple(missing), tuple(dict.fromkeys(sound)))


def _unknown_owner_text(trouble: FailingAddress, owner: PortOwner | None) -> str:
    which = "which service belongs" if owner is None else f"whether {owner.service.name} belongs"
    return f"{which} behind {endpoint_text(trouble.endpoint)}"


def has_failed(case: Case, service: Service, trouble: FailingAddress | None) -> bool:
    """Return whether it failed, or restarts after a failure."""
    state = run_state_of(service)
    if service.socket is not None and service.socket.active_state == "failed":
        return True
    if skipped_by_condition(service) or single_external_kill(case.snapshot, service) is not None:
        return False
    if state == "failed":
        return not was_asked_to_stop(case.snapshot, service)
    if state == "looping":
        return not reached_serving(case, service)
    if state == "stopped":
        return (exited_zero_on_error(case.snapshot, service) is not None or has_missing_mount_source(service)
                or has_failed_unmanaged(case.snapshot, service))
    if state == "running" and has_failed_unmanaged(case.snapshot, service):
        return trouble is None or is_closed(trouble.endpoint) is not False
    if trouble is None or not has_just_restarted(case.snapshot, service):
        return False
    lines = last_run_lines(case.snapshot, service)
    if trouble.endpoint.node not in (None, service.node) and has_listening_socket(case, service):
        # it has started since, and the address is another node's: only its log shows whether its workers end again
        return has_known_exit_reason(service, lines)
    # It may end between two queries: a connect at that moment gets no answer.
    if is_closed(trouble.endpoint) is not False:
        return True
    # A parent that listens first accepts the connection and ends with its workers before any answer. Behind a socket
    # unit, it is accepted in every state of the service.
    return not is_answering(trouble.endpoint) and (has_known_exit_reason(service, lines) or (
        (is_dropping(trouble.endpoint) or is_held_by_systemd(service, listener_at(trouble.endpoint)))
        and _ends_in_exception(lines)))


def _ends_in_exception(lines: Sequence[LogLine]) -> bool:
    """Return whether an exception follows the line that says that the program came up, or there is no such line."""
    end = read_run_end(lines)
    return any(ends_run_at(end.texts, index) for index in end.newest_first())


def reached_serving(case: Case, service: Service) -> bool:
    """Return whether the program serves although supervisord still reports STARTING. Its own last line says so: it
    opened its socket between two queries."""
    program = service.program
    if program is None or program.state != "STARTING" or not service.pids or has_listening_socket(case, service):
        return False
    own = program_lines(last_run_lines(case.snapshot, service))[-1:]
    return bool(own) and says_ready(message_of(own[0]))


def has_only_begun(snapshot: Snapshot, service: Service) -> bool:
    """Return whether the program has written since its last start, and nothing of serving or of a failure."""
    texts = [message_of(line) for line in program_lines(last_run_lines(snapshot, service))]
    return bool(texts) and not any(
        says_ready(text) or is_request_line(text) or is_traceback_start(text) or says_start_failed(text)
        or ends_run(text) for text in texts)


START_SECONDS = 60.0      # seconds: a longer wait is no start any more


def is_loading(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether it was started just now behind an open socket and has not come to accept anything."""
    age = clock_of(case.snapshot, service.node) - start_time_of(service)
    return 0.0 <= age < START_SECONDS and has_accepted_none(case, trouble, service)


def has_accepted_none(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether it runs behind an open socket and has not come to accept: a parent (gunicorn, uWSGI, systemd)
    opens it before the workers load the application. Connections wait, none was ever accepted, and nothing in its log
    since its last start says that it serves, or has failed."""
    held = listener_at(trouble.endpoint)
    if held is None or held.queued == 0 or held.established > held.queued or not (
            set(service.pids).intersection(pids_of(held)) or is_held_by_systemd(service, held)):
        return False
    stopped = any(p.state == "T" for p in processes_of(case.snapshot, service.node, service.pids))
    if not service.running or stopped or not server_of(service.runtime).log.ready:
        return False
    texts = [message_of(line) for line in program_lines(last_run_lines(case.snapshot, service))]
    begun = max((number for number, text in enumerate(texts) if says_starting(text)), default=0)
    return isinstance(service.log, Known) and not any(
        says_ready(text) or is_request_line(text) or is_traceback_start(text) or says_start_failed(text)
        for text in texts[begun:])


def has_missing_mount_source(service: Service) -> bool:
    """Return whether the engine would refuse to start the container: what it mounts from the host is missing."""
    return service.container is not None and bool(service.container.missing_sources)


def has_known_exit_reason(service: Service, lines: Sequence[LogLine]) -> bool:
    """Return whether the lines name what ends the program first: a variable, a fault in its code, its own socket."""
    end = read_run_end(lines, start_time_of(service))
    return bool(missing_variables(end)) or find_code_fault(end, service.argv) is not None or lacks_socket(end, service)


def has_failing_workers(case: Case, service: Service, trouble: FailingAddress) -> bool:
    """Return whether the service runs without a socket while its program ends. Its workers restart repeatedly, or a
    first run ends just now. A parent may keep the workers' socket open: visitors then wait, and its log must say
    why. So they do at a socket that only systemd holds: the parent has closed its own (gunicorn, while it still waits
    for its last worker)."""
    if run_state_of(service) != "running":
        return False
    unserved = is_closed(trouble.endpoint) is True or (
        is_held_by_systemd(service, listener_at(trouble.endpoint)) and not is_answering(trouble.endpoint))
    if unserved and has_listening_socket(case, service) and (files := _files_of_binding(service, trouble)):
        return bool(_lines_of_last_start(last_run_lines(case.snapshot, service), files))
    if not unserved or has_listening_socket(case, service):
        return (not is_answering(trouble.endpoint) and bool(parent_without_workers(case, trouble, service))
                and has_known_exit_reason(service, lines_since_reload(last_run_lines(case.snapshot, service))))
    lines = last_run_lines(case.snapshot, service)
    end = read_run_end(lines)
    return has_repeated_exception(end) or has_known_exit_reason(service, lines) or any(
        says_start_failed(end.texts[index]) for index in end.newest_first())


def _files_of_binding(service: Service, trouble: FailingAddress) -> frozenset[str]:
    """Return the names of the files that say that it listens at that address, if it has one for each of several."""
    here, every = ({posixpath.basename(said.where.rpartition(":")[0]) for said in told} for told in (
        binding_evidence(service, trouble.endpoint), [binding.source for binding in bindings_of(service)]))
    return frozenset(here if len(every) > 1 else ())


def has_listening_socket(case: Case, service: Service) -> bool:
    """Return whether it listens at any address, even one that no route uses."""
    ours = set(service.pids)
    return any(ours.intersection(pids_of(line)) for line in listeners_on(case.snapshot, service.node))


def reported_port_conflict(case: Case, service: Service) -> tuple[Binding, Listener] | None:
    """Return where it is configured to listen, and the socket of another process that is there already."""
    for binding in bindings_of(service):
        for line in listeners_on(case.snapshot, service.node) if binding.port else ():
            same = line.address == binding.host or is_wildcard(line.address) or is_wildcard(binding.host)
            held = pids_of(line)
            if line.family != "unix" and line.port == binding.port and same and held and \
                    not set(service.pids).intersection(held):
                return binding, line
    return None


def _lines_of_last_start(lines: Sequence[LogLine], files: frozenset[str]) -> tuple[LogLine, ...]:
    """Return the lines of the last start that failed, of those that a parent makes, and of one of the `files` if there
    are several: earlier ones may have failed for another reason. Empty if no line says that one failed."""
    texts = [message_of(line) for line in lines]
    failed = next((i for i in range(len(texts) - 1, -1, -1) if says_start_failed(texts[i]) and (
        not files or not files.isdisjoint(texts[i].split()))), -1)
    begun = next((i for i in range(failed, -1, -1) if says_server_starting(texts[i])), 0)
    return tuple(lines[begun:failed + 1] if files or failed < 0 else lines[begun:])


# A service that ended with status 0 after an error: hypercorn's parent, and scripts that continue after their program,
# pass no status on, so its service manager sees no failure.
_ERROR_TAIL_LINES = 3          # after an error there may be a note to it, or the script's own last line


def exited_zero_on_error(snapshot: Snapshot, service: Service) -> LogLine | None:
    """Return the error that ended it, by itself and before it ever served; None otherwise."""
    if service.unit is None or not service.is_app_server or not has_exited_by_itself(snapshot, service):
        return None
    own = program_lines(last_run_lines(snapshot, service))
    end = read_run_end(own, most=len(own))
    if any(says_ready(text) for text in end.texts):
        return None
    last = range(max(0, len(end.lines) - _ERROR_TAIL_LINES), len(end.lines))
    return next((end.lines[index] for index in last if ends_run_at(end.texts, index) or says_start_failed(
        end.texts[index])), None)


def has_failed_unmanaged(snapshot: Snapshot, service: Service) -> bool:
    """Return whether a server that no manager watches cannot start: its last run failed before it served, as its log
    shows, or its script lacks a file."""
    if not is_unwatched(service):
        return False
    if service.missing_file:
        return True
    return failed_at_start(last_run_lines(snapshot, service), service)


_PRINTED_LINES = 24     # Node.js prints an exception before its stack and its properties


def failed_at_start(run: Sequence[LogLine], service: Service) -> bool:
    """Return whether the lines of a run that nothing watched show that it failed before it served."""
    texts = [message_of(line) for line in program_lines(run)]
    ready_at = next((i for i in range(len(texts) - 1, -1, -1) if says_ready(texts[i])), -1)
    if any(map(says_start_failed, texts[ready_at + 1:])):
        return True     # its parent listens before the application is loaded
    if not texts or ready_at >= 0:
        return False
    return (is_traceback_start(texts[0]) or any(map(ends_run, texts[-_PRINTED_LINES:]))
            or has_known_exit_reason(service, run) or port_in_use_line(read_run_end(run)) is not None)
