"""Start scripts that run and have not started their server: what they run now, and what they wait for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import age_text, bindings_of, clock_of, processes_of
from fixer.analysis.exits.failed_run import has_failed, has_failing_workers, has_listening_socket
from fixer.analysis.nginx_errors import refused_evidence
from fixer.analysis.run_log import last_run_lines, message_of, program_lines
from fixer.analysis.service_state import run_state_of, state_evidence
from fixer.formats.launchers import SHELLS
from fixer.formats.run_output import says_ready, says_starting
from fixer.formats.server_names import runtime_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence
from fixer.model.snapshot import Process, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.complaint import complaint_for
    from fixer.analysis.dependency.locate import (
        LocatedDependency,
        check_listening,
        container_named,
        is_on_node,
        providers_on,
    )
    from fixer.analysis.dependency.logged_wait import logged_wait
    from fixer.analysis.service_names import system_kind_of
    from fixer.redaction.commands import redact_argv

_MAX_COMMAND_CHARS = 120
# systemd runs other commands in these states
_CONTROL_SUB_STATES = frozenset({"start-pre", "condition", "stop-post", "stop", "stop-sigterm"})
# a program that only checks says so by its name
_CHECKS = regex(r"(?:^|[/_.-])(?:wait|check|ready)(?:$|[/_.-])")
_PROGRAM_ARGS = 8       # words of a command that can name its program


@dataclass(frozen=True, slots=True)
class WaitingScript:
    """A service's start script: its shell, the command that it runs now (None: none seen), and its unmet dependencies.
    These are in order, each with its provider."""

    owner: PortOwner
    failing_address: FailingAddress | None      # None: nginx itself is behind the script, and nothing shows its routes
    shell: Process
    current_process: Process | None
    unmet_dependencies: tuple[tuple[Dependency, LocatedDependency | None], ...]
    routes: tuple[str, ...] = ()

    @property
    def service(self) -> Service:
        """The service whose server is not started yet."""
        return self.owner.service


def find_waiting_script(case: Case, trouble: FailingAddress, owner: PortOwner) -> WaitingScript | None:
    """Return the waiting script of one service that runs and does not listen, or None."""
    if has_failing_workers(case, owner.service, trouble):
        return None
    return waiting_script_of(case, owner, trouble, trouble.route_ids)


def waiting_script_of(case: Case, owner: PortOwner, trouble: FailingAddress | None,
                      routes: tuple[str, ...]) -> WaitingScript | None:
    """Return the waiting script of a service with these routes behind it, or None."""
    service, unit, box = owner.service, owner.service.unit, owner.service.container
    if (box is not None and box.is_machine) or (unit is not None and unit.sub_state in _CONTROL_SUB_STATES):
        return None
    if run_state_of(service) not in ("running", "starting") or has_failed(case, service, trouble):
        return None
    ours = processes_of(case.snapshot, service.node, service.pids)
    shells = {p.pid for p in ours if _is_shell(p)}
    above = shells if box is not None else set(service.pids)      # a container's first process may only reap
    shell = next((p for p in ours if p.pid in shells and p.ppid not in above), None)
    if shell is None or _has_started_server(case, service) or has_listening_socket(case, service):
        return None
    if box is None and any(_is_server(service, p) for p in ours):
        return None
    is_unclear = box is not None and any(map(_may_be_server, ours))      # only its own words tell that it waits
    below = [p for p in ours if p.pid not in shells and (box is None or p.ppid in shells)]
    unmet = () if is_unclear else tuple(_unmet_dependencies(case, service, service.startup_waits))
    if not unmet and (said := logged_wait(case, service)) is not None and (said.is_looped or not is_unclear):
        unmet = tuple(_unmet_dependencies(case, service, (said,)))
    if box is not None and not unmet:
        return None        # nothing shows that it waits: its server may be of a kind that is unknown
    return WaitingScript(owner, trouble, shell, below[-1] if below else None, unmet, routes)


def _may_be_server(process: Process) -> bool:
    """Return whether a process of a container may be its server: any program but one that checks, or pauses."""
    if _is_shell(process) or not runtime_of(process.argv):
        return False
    return not ("-c" in process.argv or len(process.argv) == 1 or any(map(_CHECKS.search, process.argv)))


def _has_started_server(case: Case, service: Service) -> bool:
    """Return whether this run started its server before: the rest is not on its way, or restarts it repeatedly."""
    lines = program_lines(last_run_lines(case.snapshot, service))
    return any(says_ready(text) or says_starting(text) for text in map(message_of, lines))


def _is_shell(process: Process) -> bool:
    return len(process.argv) > 1 and posixpath.basename(process.argv[0].lstrip("-")) in SHELLS


def _is_server(service: Service, process: Process) -> bool:
    """Return whether it runs the script's server: that server by name, or the same program and first argument."""
    names = [posixpath.basename(word) for word in process.argv[:_PROGRAM_ARGS]]
    if _is_shell(process):
        return False
    if service.runtime not in ("", "python", "binary", "node", "java", "django"):
        return any(name.startswith(service.runtime) for name in names) or process.comm.startswith(service.runtime)
    told = [posixpath.basename(place.text) for place in service.command if not place.text.startswith("-")][:2]
    return bool(told) and set(told) <= set(names)


def _unmet_dependencies(case: Case, service: Service,
                        waits: Sequence[Dependency]) -> Iterator[tuple[Dependency, LocatedDependency | None]]:
    for one in waits:
        if one.path and one.present is not None and not one.engine:
            if one.present is not one.wanted:
                yield one, None
        elif one.wanted and (needed := locate_script_dependency(case, service, one)).is_listening is not True:
            yield one, needed


def locate_script_dependency(case: Case, service: Service, one: Dependency) -> LocatedDependency:
    """Return the system at an address that the script relies on."""
    said = complaint_for(one)
    box = container_named(case.snapshot, said, service)
    if box is not None:
        up, why = check_listening(case.snapshot, box.node, said) if box.running else (False, ())
        return LocatedDependency(box.node, False if run_state_of(box) == "paused" else up, (box,), why)
    if not is_on_node(case.snapshot, service.node, said):
        return LocatedDependency(None, None, (), ())
    up, why = check_listening(case.snapshot, service.node, said)
    providers = providers_on(case.snapshot, service.node, said) or _services_configured_at(case, service, one)
    return LocatedDependency(service.node, up, providers, why)


def _services_configured_at(case: Case, service: Service, one: Dependency) -> tuple[Service, ...]:
    """Return the services of this node that are configured to listen on that port."""
    return tuple(s for s in case.snapshot.services if s.node == service.node and s.id != service.id and one.port
                 and any(b.port == one.port for b in bindings_of(s)) and not system_kind_of(s))


def waiting_seconds(case: Case, one: WaitingScript) -> float:
    """Return the seconds since the shell started."""
    return max(0.0, clock_of(case.snapshot, one.service.node) - one.shell.started_at)


def running_command_text(case: Case, one: WaitingScript) -> str:
    """Return the command that the script runs now, as text; empty for a pause."""
    if one.current_process is None or one.current_process.comm == "sleep":
        return ""
    age = age_text(max(0.0, clock_of(case.snapshot, one.service.node) - one.current_process.started_at))
    return f"pid {one.current_process.pid} runs for {age}: {_command_text(one.current_process.argv)}"


def script_text(one: WaitingScript) -> str:
    """Return the file that the shell runs, for people; text after -c is called the shell command."""
    path = next((word for word in one.shell.argv[1:] if not word.startswith("-")), "")
    return path if path.startswith(("/", ".")) and " " not in path else "the shell command"


def script_evidence(case: Case, one: WaitingScript) -> tuple[Evidence, ...]:
    """Return the script's unmet lines and its processes as evidence."""
    lines = tuple(dict.fromkeys(reliance.source for reliance, _ in one.unmet_dependencies[:2]))
    age = age_text(waiting_seconds(case, one))
    shell = Evidence("process", f"pid {one.shell.pid}", f"{_command_text(one.shell.argv)}, running for {age}")
    below = () if one.current_process is None else (Evidence("process", f"pid {one.current_process.pid}",
                                                             _command_text(one.current_process.argv)),)
    return (*lines, shell, *below)


def _command_text(argv: Sequence[str]) -> str:
    return " ".join(redact_argv(list(argv)))[:_MAX_COMMAND_CHARS]


def not_started_text(case: Case, one: WaitingScript) -> str:
    """Return which script has not started its server, and for how long."""
    return (f"{script_text(one)} of {one.service.name} has not started the server for "
            f"{age_text(waiting_seconds(case, one))}")


def waiting_script_evidence(case: Case, one: WaitingScript, shown: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Return the evidence of a waiting start script, with the caller's own."""
    trouble = one.failing_address
    return tuple(dict.fromkeys((
        *script_evidence(case, one), *shown, state_evidence(one.service),
        *(refused_evidence(case, trouble) if trouble is not None else ()),
    )))
