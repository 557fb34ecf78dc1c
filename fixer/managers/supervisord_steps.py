"""The steps by which supervisord starts, restarts and updates a program."""

from __future__ import annotations

from typing import Literal

from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import ServiceStarter
from fixer.model.plan import ProgramAction, Step, WriteFile
from fixer.model.snapshot import Program, Service, Unit

with lazy_imports():  # not needed in most looks
    from fixer.managers.systemd_steps import has_failed_by_itself, unit_action

_STABLE_AGE = 20.0  # seconds after which a program that failed before counts as stable


class SupervisordSteps(ServiceStarter):
    """Steps of supervisorctl for one program, or of systemctl for supervisord itself."""

    __slots__ = ()

    def start_steps(self, *, with_replicas: bool = False) -> tuple[Step, ...]:
        """Return steps that start it, or supervisord if that is down; set autostart if no boot starts it."""
        service, program = self.service, _program_of(self.service)
        include = self._include_steps(program)
        if program.missing_include is not None and not include:
            return ()
        edit = (*include, *self._autostart_steps(program))
        if program.state != "DOWN":
            return (*edit, self.action("update" if edit or program.state == "UNREAD" else "start"))
        unit = program.unit
        if unit is None or has_failed_by_itself(unit):
            return ()
        enable = (unit_action(service, unit, "enable"),) if unit.unit_file_state == "disabled" else ()
        return (*edit, *enable, unit_action(service, unit, "start"))

    def _include_steps(self, program: Program) -> tuple[Step, ...]:
        file = self.snapshot.file(self.service.files_node or self.service.node, program.conf)
        if program.missing_include is None or file is None:
            return ()
        at, text = program.missing_include
        data = file.data[:at] + text.encode() + file.data[at:]
        return (WriteFile(file.node, file.real_path, file.data, data, f"include {program.file}",
                          in_place=file.single_file_mount),)

    def _autostart_steps(self, program: Program) -> tuple[Step, ...]:
        file = self.snapshot.file(self.service.files_node or self.service.node, program.file)
        span = program.autostart_span
        if program.autostart or file is None or span is None:
            return ()
        data = file.data[: span[0]] + b"true" + file.data[span[1]:]
        return (WriteFile(file.node, file.real_path, file.data, data, f"autostart=true for {program.name}",
                          in_place=file.single_file_mount),)

    def restart_steps(self, describe: str = "") -> tuple[Step, ...]:
        return (self.action("restart"),)

    def apply_steps(self, describe: str = "") -> tuple[Step, ...] | str:
        return self.start_steps() if _program_of(self.service).state == "DOWN" else (self.action("update"),)

    def action(self, verb: Literal["start", "restart", "update"]) -> ProgramAction:
        """Return one verb of supervisorctl, with the state to which an undo returns. A program that restarts repeatedly
        is RUNNING from time to time: an undo need not wait for that. After a restart it may hold its socket until its
        workers fail."""
        service, program = self.service, _program_of(self.service)
        ours, pid = set(service.pids), service.pids[0] if service.pids else 0
        nodes = (node for node in self.snapshot.nodes if node.name == service.node)
        listens = any(ours.intersection(line.pids.or_else(())) for node in nodes for line in node.listeners.or_else(()))
        proven = listens and self.snapshot.taken_at - program.started_at >= _STABLE_AGE
        was = "STARTING" if program.state == "RUNNING" and program.restarts and not proven else program.state
        return ProgramAction(service.node, program.name, program.group, verb, program.conf, was, pid)

    def by_hand(self) -> str:
        program = _program_of(self.service)
        if program.missing_include is not None:
            return f"include {program.file} in {program.conf} ([include], files =), then supervisorctl update"
        verb = "update" if program.state == "UNREAD" else "start"
        return f"supervisorctl {verb} {self.service.name}"


def _program_of(service: Service) -> Program:
    assert service.program is not None
    return service.program


def failed_supervisord_unit(service: Service) -> Unit | None:
    """Return the unit of a program's supervisord, if that ended by itself."""
    unit = service.program.unit if service.program is not None and service.program.state == "DOWN" else None
    return unit if unit is not None and has_failed_by_itself(unit) else None


STARTER = SupervisordSteps
