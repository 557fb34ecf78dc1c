"""What the Docker engine says of a container."""

from __future__ import annotations

from fixer.managers import CLEAN_EXITS, Limits, RunState, ServiceManager
from fixer.model.facts import Evidence
from fixer.model.service import Container, Service

_SIGNAL_EXITS = (132, 134, 135, 136, 137, 139)  # 128 + ILL, ABRT, BUS, FPE, KILL, SEGV
_STOPPED_EXITS = (0, 137, 143)  # done, and `docker stop` with and without a kill
_ENDED_STATES = ("exited", "dead", "restarting")


class Docker(ServiceManager):
    """What Docker says of one container."""

    __slots__ = ("container",)
    steps = "docker_steps"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        assert service.container is not None
        self.container: Container = service.container

    def run_state(self) -> RunState:
        box = self.container
        match box.status:
            case "running":
                return "running"
            case "paused":
                return "paused"
            case "restarting":
                return "looping"
            case "created":
                return "failed" if box.error else "stopped"
            case "exited" | "dead":
                return "stopped" if box.exit_code in CLEAN_EXITS and not box.error else "failed"
            case _:
                return "unknown"

    def evidence(self) -> Evidence:
        box = self.container
        text = f"{box.status}, exit code {box.exit_code}, restarted {box.restart_count} times"
        return Evidence("container", box.name, text + (f", {box.error}" if box.error else ""))

    def account_name(self) -> str:
        return self.container.user or "root"

    def started_at(self) -> float:
        return self.container.started_at

    def ended_at(self) -> float:
        return self.container.finished_at

    def run_began_at(self) -> float:
        return self.container.started_at

    def restart_count(self) -> int:
        return self.container.restart_count

    def exit_signal(self) -> int | None:
        box = self.container
        return box.exit_code - 128 if not box.oom_killed and box.exit_code in _SIGNAL_EXITS else None

    def has_ended(self) -> bool:
        return self.container.status in _ENDED_STATES or self.container.restart_count > 0

    def is_started(self) -> bool:
        box = self.container
        return self.service.running or box.status == "restarting" or box.exit_code not in _STOPPED_EXITS

    def is_started_at_boot(self) -> bool:
        # a stopped `unless-stopped` container stays down at the next boot: an operator stopped it
        return self.container.restart_policy == "always"

    def has_trouble(self) -> bool:
        return self.container.restart_count > 0 or self.container.health == "unhealthy"

    def is_expected(self) -> bool:
        return self.container.restart_policy in ("always", "unless-stopped")

    def command_text(self, verb: str) -> str:
        return f"docker {verb} {self.container.name}"

    def reread_text(self) -> str:
        box = self.container      # a restart keeps what the container was created with
        return f"run docker compose up -d {box.service}" if box.project and box.service else f"create {box.name} again"

    def unread_log_text(self, reason: str) -> str:
        return (f"See its output with docker start -a {self.container.name} (docker attach, if it restarts again and "
                "again), or give it a log driver that supports reading")

    def oom_evidence(self) -> Evidence | None:
        box = self.container
        text = f"{box.status}, exit code {box.exit_code}, OOMKilled=true"
        return Evidence("container", box.name, text) if box.oom_killed and box.exit_code == 137 else None

    def may_be_killed_for_memory(self) -> bool:
        return self.container.oom_killed or self.container.exit_code == 137

    def limits(self) -> Limits:
        box = self.container
        return Limits(box.memory_max, box.cpu_limit, box.nofile_limit, box.pids_max)


MANAGER = Docker
