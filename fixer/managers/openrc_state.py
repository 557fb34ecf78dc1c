"""What OpenRC says of a service."""

from __future__ import annotations

from fixer.managers import RunState, ServiceManager
from fixer.model.deployment import ManagedService
from fixer.model.facts import Evidence
from fixer.model.service import Service

# OpenRC's marks, and two that follow from them: a started service without a process crashed, or its supervisor waits.
_RUN_STATES: dict[str, RunState] = {
    "started": "running", "starting": "starting", "restarting": "looping", "failed": "failed", "crashed": "stopped",
    "stopped": "stopped", "stopping": "stopped", "inactive": "starting",
}


class OpenRC(ServiceManager):
    """What OpenRC says of one service."""

    __slots__ = ("managed",)
    steps = "openrc_steps"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        assert service.managed is not None
        self.managed: ManagedService = service.managed

    def run_state(self) -> RunState:
        """Return the state; a supervised service that was restarted may end again."""
        return _RUN_STATES.get(self.managed.state, "unknown")

    def evidence(self) -> Evidence:
        managed = self.managed
        boot = f"in runlevel {', '.join(managed.boot)}" if managed.boot else "in no runlevel"
        again = f", restarted {managed.restarts} times" if managed.restarts else ""
        return Evidence("program", managed.name, f"OpenRC: {managed.state}{again}, {boot}")

    def account_name(self) -> str:
        return self.managed.user or "root"

    def started_at(self) -> float:
        return self.managed.started_at

    def ended_at(self) -> float:
        return self.managed.ended_at

    def restart_count(self) -> int:
        return self.managed.restarts

    def has_ended(self) -> bool:
        return self.managed.state in ("failed", "crashed", "restarting") or self.managed.restarts > 0

    def has_trouble(self) -> bool:
        return self.has_ended()

    def is_expected(self) -> bool:
        return bool(self.managed.boot) or self.managed.state == "failed"

    def command_text(self, verb: str) -> str:
        return f"rc-service {self.managed.name} {verb}"

    def environment_text(self) -> str:
        return (f"write a line `export NAME=VALUE` into /etc/conf.d/{self.managed.name}, which its script reads, then "
                f"{self.command_text('restart')}")

    def unread_log_text(self, reason: str) -> str:
        return f"Set output_log and error_log in {self.managed.file} or its /etc/conf.d file, then start it again"

    def definition_files(self) -> tuple[str, ...]:
        return (self.managed.file, f"/etc/conf.d/{self.managed.name}")

    def is_started(self) -> bool:
        return self.managed.state not in ("stopped", "stopping")

    def is_started_at_boot(self) -> bool:
        return bool(self.managed.boot)

    def is_unwatched(self) -> bool:
        """Return whether it does not run: OpenRC records neither how nor when a run ended."""
        return not self.service.pids and self.managed.state in ("failed", "crashed")

    def is_disabled(self) -> bool:
        return not self.managed.boot


MANAGER = OpenRC
