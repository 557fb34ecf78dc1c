"""What the last lines of a run say of a dependency without its name, and the one of `depends_on` that is stopped."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.exits.code_error import find_code_fault
from fixer.analysis.exits.exec_step import has_failed_before_start
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.exits.kills import last_exit_signal
from fixer.analysis.run_log import message_of, program_lines, read_run_end
from fixer.analysis.service_state import run_state_of
from fixer.formats.dependency_systems import port_of, system_at_port
from fixer.formats.docker_conventions import depends_on_conditions
from fixer.formats.run_output import PROGRESS_LINE, ends_run, may_be_of_dependency, speaks_of_connection
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.snapshot import Container, LogLine, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.complaint import DependencyComplaint, dependency_complaint
    from fixer.analysis.exits.exit_reason import dependency_error_line, has_variable_or_port_reason, last_error_lines
    from fixer.analysis.service_names import system_kind_of
    from fixer.repairs.resource_limits import is_memory_refused, is_task_refused

_SELF_ENDED_RESULTS = frozenset({"exit-code", "success", "timeout", "protocol", "start-limit-hit"})
_JOB_SECONDS = 60.0        # a one-time job ends sooner


def judge_exit(crash: FailedRun) -> tuple[bool | None, LogLine | None]:
    """Return whether a dependency may explain the exit, and the log line. None: the service itself explains it."""
    service, lines, unit = crash.service, crash.lines, crash.service.unit
    own = dependency_complaint(crash.end) is not None or has_variable_or_port_reason(crash.end)
    if own or find_code_fault(crash.end, service.argv) is not None or last_exit_signal(crash) is not None:
        return None, None
    if is_memory_refused(lines) or is_task_refused(lines):
        return None, None
    if unit is not None and (has_failed_before_start(service) or unit.result not in _SELF_ENDED_RESULTS):
        return None, None
    program = service.program
    if program is not None and (program.signal or program.ended.startswith(("can't", "couldn't"))):
        return None, None
    return judge_last_lines(program_lines(lines))


def judge_last_lines(lines: tuple[LogLine, ...]) -> tuple[bool | None, LogLine | None]:
    """Return True if the log is empty or reports a dependency, False if its last line may mean anything, and None if
    that line names another error; and the line."""
    refused = dependency_error_line(read_run_end(lines))
    if refused is not None:
        return True, refused
    last = [line for line in last_error_lines(lines) if message_of(line).strip()
            and not PROGRESS_LINE.search(message_of(line))]
    if not last:
        return True, None
    spoken = next((line for line in reversed(last) if speaks_of_connection(message_of(line))), None)
    if spoken is not None:
        return True, spoken
    text = message_of(last[-1]).strip()
    if ends_run(text) and not may_be_of_dependency(text):
        return None, None
    return False, last[-1]


def unnamed_complaint(case: Case, crash: FailedRun) -> DependencyComplaint | None:
    """Return the complaint if the last lines report a dependency without its name and one from `depends_on` is stopped.

    Return None if several are stopped: nothing shows which one it needed.
    """
    lines = [line for line in last_error_lines(crash.lines) if line.text.strip()]
    stopped = list(_stopped_start_dependencies(case, crash.service))
    if len(stopped) != 1 or not lines:
        return None
    name = stopped[0].container.service if stopped[0].container is not None else None
    said = next((line for line in reversed(lines) if name and _is_about_dependency(line, name)), None)
    if name is None or said is None:
        return None
    box = stopped[0].container
    port = box.exposes[0] if box is not None and len(box.exposes) == 1 else port_of(system_kind_of(stopped[0]))
    return DependencyComplaint("refused", said, message_of(said).rstrip(), host=name, port=port,
                     engine=system_kind_of(stopped[0]) or system_at_port(port))


def _is_about_dependency(line: LogLine, name: str) -> bool:
    text = message_of(line)
    return speaks_of_connection(text) or name in text


def _stopped_start_dependencies(case: Case, service: Service) -> Iterator[Service]:
    """Yield the long-running services from `depends_on` that are stopped. A finished job is no fault."""
    box = service.container
    wanted = dict(depends_on_conditions(box)) if box is not None and box.project else {}
    for other in case.snapshot.services:
        its = other.container
        if its is None or box is None or its.project != box.project or its.service not in wanted:
            continue
        if wanted[its.service] == "service_completed_successfully" or its.status not in ("exited", "dead", "created"):
            continue
        if run_state_of(other) != "running" and _is_long_running(box, its, system_kind_of(other)):
            yield other


def _is_long_running(asking: Container, box: Container, engine: str) -> bool:
    """Return whether the container is no job: it has a restart policy, a health check, an exposed port, a known kind
    of system, or it ran long. A job of the application has the application's image."""
    kept = box.restart_policy.partition(":")[0] in ("always", "unless-stopped")
    ran = box.finished_at - box.started_at if box.finished_at > box.started_at > 0 else 0.0
    serves = bool(box.exposes) and box.image != asking.image
    return kept or serves or box.health is not None or bool(engine) or ran > _JOB_SECONDS
