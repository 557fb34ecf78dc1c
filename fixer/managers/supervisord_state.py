"""What supervisord says of a program."""

from __future__ import annotations

from fixer.formats.exec_status import NOT_STARTED_STATUSES
from fixer.managers import RunState, ServiceManager
from fixer.model.facts import Evidence
from fixer.model.service import Program, Service

_STATE_TEXTS = {"DOWN": "supervisord does not run", "UNREAD": "supervisord has not read its file",
                "UNKNOWN": "state unknown"}
_SETTING_KEYS = {"ExecStart": "command", "WorkingDirectory": "directory", "User": "user"}
_ENDED_STATES = ("FATAL", "BACKOFF", "EXITED", "STARTING")


class Supervisord(ServiceManager):
    """What supervisord says of one program."""

    __slots__ = ("program",)
    steps = "supervisord_steps"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        assert service.program is not None
        self.program: Program = service.program

    def run_state(self) -> RunState:
        program = self.program
        match program.state:
            case "RUNNING":
                return "running"
            case "STARTING":
                return "looping" if program.restarts else "starting"
            case "BACKOFF":
                return "looping"
            case "FATAL":
                return "failed"
            case "EXITED" | "STOPPED":  # if stopped between the runs of a crash loop, the crash is why it is down
                return "stopped" if program.expected else "failed"
            case "DOWN" | "UNREAD":
                return "stopped"
            case _:
                return "unknown"

    def evidence(self) -> Evidence:
        program = self.program
        state = _STATE_TEXTS.get(program.state, program.state)
        ended = f", {program.ended}" if program.ended and program.state not in ("RUNNING", "DOWN") else ""
        runs = "" if program.state == "UNREAD" else f", ended {program.restarts} times recently"
        boot = "autostart" if program.autostart else "no autostart"
        return Evidence("program", program.name, f"{state}{ended}{runs}, {boot}")

    def account_name(self) -> str:
        users = [setting.value.strip() for setting in self.service.unit_values if setting.key == "user"]
        return (users[-1] if users else "") or "root"

    def setting_key(self, key: str) -> str:
        return _SETTING_KEYS.get(key, key)

    def started_at(self) -> float:
        return self.program.started_at

    def ended_at(self) -> float:
        return self.program.ended_at

    def run_began_at(self) -> float:
        return self.program.started_at

    def restart_count(self) -> int:
        return self.program.restarts

    def exit_signal(self) -> int | None:
        program = self.program
        return program.signal or None if program.state == "EXITED" and not program.expected else None

    def has_ended(self) -> bool:
        return self.program.state in _ENDED_STATES

    def is_stopped_after_failure(self) -> bool:
        program = self.program
        exited = program.ended.startswith("exit status") and program.ended not in NOT_STARTED_STATUSES
        return program.state == "STOPPED" and not program.expected and exited

    def is_started(self) -> bool:
        return self.service.running or self.program.state in _ENDED_STATES

    def is_started_at_boot(self) -> bool:
        return self.program.autostart

    def has_trouble(self) -> bool:
        return self.program.restarts > 0

    def command_text(self, verb: str) -> str:
        return f"supervisorctl {'update' if self.program.state == 'UNREAD' else verb} {self.program.name}"

    def definition_files(self) -> tuple[str, ...]:
        return (self.program.file, *((self.program.conf,) if self.program.missing_include is not None else ()))

    def is_disabled(self) -> bool:
        unit = self.program.unit
        return not self.program.autostart or (unit is not None and unit.unit_file_state == "disabled")


MANAGER = Supervisord
