"""Stopped dependencies of a backend whose log does not name them: its variables or its unit files do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, TypeAlias

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import clock_of
from fixer.analysis.exits.failed_run import FailedRun, has_failed, has_failing_workers, has_listening_socket
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run_lines, program_lines, read_run_end, was_asked_to_stop
from fixer.analysis.service_state import is_start_queued, requirements_of, run_state_of, start_time_of
from fixer.formats.dependency_systems import port_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.deployment import Dependency
from fixer.model.snapshot import LogLine, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.complaint import dependency_complaint
    from fixer.analysis.dependency.locate import LocatedDependency, umbrella_of
    from fixer.analysis.dependency.startup_script import find_waiting_script, locate_script_dependency
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.analysis.service_names import system_kind_of
    from fixer.causes.crash_dependency_down.unnamed_dependency import judge_exit, judge_last_lines

FailureManner: TypeAlias = Literal["ends", "waits", "rests"]

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
    with_systems = cache(lambda: {s.node for s in case.snapshot.services if system_kind_of(s)})
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        if owner is None or owner.service.container is not None or owner.service.id in done:
            continue
        if is_closed(trouble.endpoint) is not True or not (
                owner.service.dependencies or owner.service.node in with_systems()):
            continue
        stopped = tuple(_stopped_providers(case, owner.service))
        one = _judge_service(case, trouble, owner, crashed.get(owner.service.id), stopped) if stopped else None
        if one is not None:
            done.add(owner.service.id)
            yield one


def _judge_service(case: Case, trouble: FailingAddress, owner: PortOwner, crash: FailedRun | None,
            stopped: tuple[tuple[Dependency, LocatedDependency, Service], ...]) -> StoppedDependency | None:
    service, state = owner.service, run_state_of(owner.service)
    if crash is not None:
        sure, said = judge_exit(crash)
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
    sure, said = judge_last_lines(lines)
    age = clock_of(case.snapshot, service.node) - start_time_of(service)
    if sure is None or age < (_SLOW_START_SECONDS if said is None else _START_SECONDS):
        return None
    return StoppedDependency(owner, trouble, "waits", stopped, said, sure)


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
            yield Dependency(said, host="127.0.0.1", port=port_of(engine), engine=engine)


def _is_started_at_boot(case: Case, provider: Service) -> bool:
    """Return whether the provider, or its umbrella unit, starts at boot and so should run."""
    above = umbrella_of(case.snapshot, provider)
    return not manager_of(above or provider).is_off_at_boot()
