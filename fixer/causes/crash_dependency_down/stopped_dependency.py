"""Stopped dependencies of a backend whose log does not name them: its variables or its unit files do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, TypeAlias

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.dependency.complaint import (
    DependencyComplaint,
    default_port_of,
    dependency_complaint,
    system_kind_at_port,
)
from fixer.analysis.dependency.locate import LocatedDependency, umbrella_of
from fixer.analysis.dependency.startup_script import find_waiting_script, locate_script_dependency
from fixer.analysis.evidence import age_text, clock_of, log_evidence
from fixer.analysis.exits.code_error import find_code_fault
from fixer.analysis.exits.exec_step import has_failed_before_start
from fixer.analysis.exits.exit_reason import dependency_error_line, has_variable_or_port_reason, last_error_lines
from fixer.analysis.exits.failed_run import FailedRun, has_failed, has_failing_workers, has_listening_socket
from fixer.analysis.exits.kills import last_exit_signal
from fixer.analysis.nginx_errors import refused_evidence
from fixer.analysis.ownership.resolve import only_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run_lines, message_of, program_lines, read_run_end, was_asked_to_stop
from fixer.analysis.service_names import system_kind_of
from fixer.analysis.service_state import is_start_queued, requirements_of, run_state_of, start_time_of, state_evidence
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID
from fixer.formats.docker_conventions import depends_on_conditions
from fixer.formats.run_output import PROGRESS_LINE, ends_run
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.model.snapshot import Container, LogLine, Service
from fixer.repairs.resource_limits import is_memory_refused, is_task_refused
from fixer.repairs.restore_code import restart_after_edit_steps
from fixer.repairs.start_dependency import start_and_wait_steps, start_obstacle_text
from fixer.repairs.start_service import wait_for_listener_step

FailureManner: TypeAlias = Literal["ends", "waits", "rests"]

# errors that may stem from a dependency
_GENERIC_ERROR = regex(r"^(?:[A-Za-z_]\w*\.)*(?:RuntimeError|Exception|SystemExit|OSError|"
                 r"\w*(?:Connect|Database|Operational|Interface|Unavailable|Startup|Broker|Timeout)\w*)\b")
_SELF_ENDED_RESULTS = frozenset({"exit-code", "success", "timeout", "protocol", "start-limit-hit"})
_START_SECONDS = 3.0        # a program this recent is not judged if it does not listen yet
_SLOW_START_SECONDS = 60.0        # the same if its log is empty: it may only be slow


@dataclass(frozen=True, slots=True)
class StoppedDependency:
    """A failing backend with the stopped dependencies that it is configured to use. `last_line` is None if its log is
    empty. `is_sure` is false if that line may concern something else."""

    owner: PortOwner
    failing_address: FailingAddress
    manner: FailureManner
    stopped_services: tuple[tuple[Dependency, LocatedDependency, Service], ...]
    last_line: LogLine | None
    is_sure: bool

    @property
    def service(self) -> Service:
        """The failing backend."""
        return self.owner.service


def find_stopped_dependencies(case: Case, found: tuple[FailedRun, ...]) -> Iterator[StoppedDependency]:
    """Yield one for each service at a closed address whose failure it does not explain itself."""
    crashed = {crash.service.id: crash for crash in found}
    done: set[str] = set()
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        if owner is None or owner.service.container is not None or owner.service.id in done:
            continue
        if is_closed(trouble.endpoint) is not True or not _can_have_dependency(case, owner.service):
            continue
        stopped = tuple(_stopped_providers(case, owner.service))
        one = _judge_service(case, trouble, owner, crashed.get(owner.service.id), stopped) if stopped else None
        if one is not None:
            done.add(owner.service.id)
            yield one


def _can_have_dependency(case: Case, service: Service) -> bool:
    return bool(service.dependencies) or any(system_kind_of(s) for s in case.snapshot.services
                                             if s.node == service.node)


def _judge_service(case: Case, trouble: FailingAddress, owner: PortOwner, crash: FailedRun | None,
            stopped: tuple[tuple[Dependency, LocatedDependency, Service], ...]) -> StoppedDependency | None:
    service, state = owner.service, run_state_of(owner.service)
    if crash is not None:
        sure, said = _judge_exit(crash)
        return None if sure is None else StoppedDependency(owner, trouble, "ends", stopped, said, sure)
    if is_start_queued(service) or (state == "stopped" and service.unit is not None
                                    and not service.unit.condition_result):
        return None        # systemd itself keeps it from starting, not a dependency
    if state == "stopped":
        meant = tuple(entry for entry in stopped if _is_started_at_boot(case, entry[2]))
        return StoppedDependency(owner, trouble, "rests", meant, None, is_sure=True) if meant else None
    if state not in ("running", "starting") or has_listening_socket(case, service):
        return None
    if has_failed(case, service, trouble) or has_failing_workers(case, service, trouble):
        return None
    if find_waiting_script(case, trouble, owner) is not None:
        return None
    lines = program_lines(last_run_lines(case.snapshot, service))
    if dependency_complaint(read_run_end(lines, start_time_of(service))) is not None:
        return None
    sure, said = _judge_last_lines(lines)
    age = clock_of(case.snapshot, service.node) - start_time_of(service)
    if sure is None or age < (_SLOW_START_SECONDS if said is None else _START_SECONDS):
        return None
    return StoppedDependency(owner, trouble, "waits", stopped, said, sure)


def _judge_exit(crash: FailedRun) -> tuple[bool | None, LogLine | None]:
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
    return _judge_last_lines(program_lines(lines))


def _judge_last_lines(lines: tuple[LogLine, ...]) -> tuple[bool | None, LogLine | None]:
    """Return True if the log is empty or reports a dependency, False if its last line may mean anything, and None if
    that line names another error; and the line."""
    refused = dependency_error_line(read_run_end(lines))
    if refused is not None:
        return True, refused
    last = [line for line in last_error_lines(lines) if message_of(line).strip()
            and not PROGRESS_LINE.search(message_of(line))]
    if not last:
        return True, None
    spoken = next((line for line in reversed(last) if CONNECTION_TEXT.search(message_of(line))), None)
    if spoken is not None:
        return True, spoken
    text = message_of(last[-1]).strip()
    if ends_run(text) and not _GENERIC_ERROR.match(text):
        return None, None
    return False, last[-1]


def _stopped_providers(case: Case, service: Service) -> Iterator[tuple[Dependency, LocatedDependency, Service]]:
    """Yield the configured dependencies of the service where nothing listens and whose provider is stopped."""
    seen: set[str] = set()
    for one in (*service.dependencies, *_required_dependencies(case, service)):
        needed = locate_script_dependency(case, service, one)
        provider = needed.provider
        if provider is None or needed.is_listening is not False or provider.id in seen or provider.id == service.id:
            continue
        down = run_state_of(provider) in ("stopped", "failed")
        if down and (run_state_of(provider) == "stopped" or was_asked_to_stop(case.snapshot, provider)
                     or provider.unit):
            seen.add(provider.id)
            yield one, needed, provider


def _required_dependencies(case: Case, service: Service) -> Iterator[Dependency]:
    """Yield the databases and caches that its unit requires or wants: systemd starts them with it."""
    for name, said in requirements_of(case.snapshot, service, wanted=True).items():
        other = next((s for s in case.snapshot.services if s.node == service.node and s.name == name), None)
        engine = system_kind_of(other) if other is not None else ""
        if engine:
            yield Dependency(said, host="127.0.0.1", port=default_port_of(engine), engine=engine)


def _is_started_at_boot(case: Case, provider: Service) -> bool:
    """Return whether the provider, or its umbrella unit, starts at boot and so should run."""
    above = umbrella_of(case.snapshot, provider)
    return not manager_of(above or provider).is_off_at_boot()


def stopped_dependency_findings(case: Case, found: tuple[FailedRun, ...],
                                told: Collection[tuple[str, str | None]]) -> list[Finding]:
    """Return findings for the services that no other finding (`told`) names."""
    crashed = {crash.service.id: crash for crash in found}
    return [_stopped_dependency_finding(case, one, crashed.get(one.service.id))
            for one in find_stopped_dependencies(case, found)
            if (one.service.node, one.service.name) not in told]


def _stopped_dependency_finding(case: Case, one: StoppedDependency, crash: FailedRun | None) -> Finding:
    service, trouble = one.service, one.failing_address
    names = ", ".join(p.name for _, _, p in one.stopped_services)
    where = ", ".join(f"{r.source.text} ({r.source.where})" for r, _, _ in one.stopped_services[:2])
    verb = "is" if len(one.stopped_services) == 1 else "are"
    age = age_text(max(0.0, clock_of(case.snapshot, service.node) - start_time_of(service)))
    how = {"ends": f"{service.name} ends" + ("" if one.last_line is not None else " without a log line"),
           "waits": f"{service.name} has been starting for {age} and listens nowhere",
           "rests": f"{service.name} is stopped"}[one.manner]
    confidence: Confidence = "likely" if one.is_sure else "possible"
    summary = f"{how}, and {names}, which it is configured to use, {verb} stopped" if one.manner != "rests" else (
        f"{how}, and so {verb} {names}, which it is configured to use")
    detail = f"its configuration names the stopped dependency: {where}; its own log does not"
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency" if one.manner == "waits" else "start-db-refused",
        role="root" if one.is_sure else "contributing", confidence=confidence, summary=summary,
        detail=(detail,), routes=trouble.route_ids, service=one.stopped_services[0][2].name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *(r.source for r, _, _ in one.stopped_services), *(state_evidence(p) for _, _, p in one.stopped_services),
            *(e for _, n, _ in one.stopped_services for e in n.evidence),
            *((log_evidence(one.last_line.text, one.last_line.where),) if one.last_line is not None else ()),
            state_evidence(service),
            *refused_evidence(case, trouble),
        ))),
        repairs=(_start_dependency_repair(case, one, crash),),
        effects=None if one.manner != "rests" and one.is_sure else (),
    )


def _start_dependency_repair(case: Case, one: StoppedDependency, crash: FailedRun | None) -> Repair:
    """Start what is stopped, then the backend. A backend that is only stopped is started by its own finding."""
    service, names = one.service, ", ".join(p.name for _, _, p in one.stopped_services)
    reasons = [why for _, _, p in one.stopped_services if (why := start_obstacle_text(case, p))]
    begun = tuple(step for r, _,
                  p in one.stopped_services for step in start_and_wait_steps(case, r, p)) if not reasons else ()
    title = "restore its dependency by hand"
    if not begun:
        manual = f"{'; '.join(reasons) or f'start {names}'}; then start {service.name}"
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if not one.is_sure:
        last = one.last_line.text.strip()[:160] if one.last_line is not None else ""
        manual = (f"if {service.name} needs it ({one.stopped_services[0][0].source.where}): start {names}, then "
                  f"{service.name}. Its last log line may concern something else: {last}")
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if one.manner == "rests":
        return Repair("start-dependency", "safe", f"start {names} before {service.name}", begun)
    after = restart_after_edit_steps(case, crash) if crash is not None else wait_for_listener_step(case.snapshot,
        service, one.failing_address.endpoint)
    also = " (and enable it at boot if needed)" if any(getattr(step, "verb", "") == "enable" for step in begun) else ""
    then = f"then start {service.name}" if crash is not None else f"{service.name} then continues by itself"
    return Repair("start-dependency", "safe", f"start {names}{also}, {then}", tuple(dict.fromkeys((*begun, *after))))


# phrases about a dependency that do not name it
CONNECTION_TEXT = regex(
    r"(?i)\bconnect(?:ed|ing|ions?)?\b|\breach(?:ed|able|ing)?\b|unreachable|unavailable|not available|\brefused\b|"
    r"time[ds]? ?out|\b(?:database|db|broker|cache|queue|storage) (?:is|was|did|does|seems|not|gone|down|lost)\b|"
    r"\b(?:no|wait(?:ed|ing) for|lost) (?:the |a )?(?:database|db|broker|cache|queue|storage)\b")

_JOB_SECONDS = 60.0        # a one-time job ends sooner


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
    port = box.exposes[0] if box is not None and len(box.exposes) == 1 else default_port_of(system_kind_of(stopped[0]))
    return DependencyComplaint("refused", said, message_of(said).rstrip(), host=name, port=port,
                     engine=system_kind_of(stopped[0]) or system_kind_at_port(port))


def _is_about_dependency(line: LogLine, name: str) -> bool:
    text = message_of(line)
    return CONNECTION_TEXT.search(text) is not None or name in text


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
