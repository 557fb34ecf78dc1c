"""The steps by which OpenRC starts a service."""

from __future__ import annotations

from typing import Literal

from fixer.managers import ServiceStarter, manager_of
from fixer.model.deployment import ManagedService
from fixer.model.plan import ServiceAction, Step, WriteFile
from fixer.model.service import Service

_RUNLEVEL = "default"


class OpenRCSteps(ServiceStarter):
    """Steps of rc-service for one service, and its link in the runlevel that a boot ends in."""

    __slots__ = ()

    def start_steps(self, *, with_replicas: bool = False) -> tuple[Step, ...]:
        """Return steps that start it at boot and now. A crashed service counts as started: only a restart starts it."""
        marked = _managed_of(self.service).state in ("crashed", "restarting", "started")
        return (*self._boot_steps(), self._action("restart" if marked else "start"))

    def restart_steps(self, describe: str = "") -> tuple[Step, ...]:
        return (self._action("restart", describe),)

    def apply_steps(self, describe: str = "") -> tuple[Step, ...] | str:
        running = manager_of(self.service).run_state() == "running"
        return self.restart_steps(describe) if running else self.start_steps()

    def _action(self, verb: Literal["start", "restart"], describe: str = "") -> ServiceAction:
        service, state = self.service, manager_of(self.service).run_state()
        pid = service.pids[0] if service.pids else 0
        return ServiceAction(service.node, service.manager, service.name, verb, state, pid, describe)

    def _boot_steps(self) -> tuple[Step, ...]:
        """Return the link that `rc-update add` makes, if it is in no runlevel."""
        managed = _managed_of(self.service)
        link = f"/etc/runlevels/{_RUNLEVEL}/{managed.name}"
        return () if managed.boot else (
            WriteFile(self.service.node, link, None, b"", f"the link that makes runlevel {_RUNLEVEL} start it",
                      link_target=managed.file),)

    def by_hand(self) -> str:
        return manager_of(self.service).command_text("start")

    @staticmethod
    def command(verb: str, name: str) -> list[str]:
        return ["rc-service", "--", name, verb]


def _managed_of(service: Service) -> ManagedService:
    assert service.managed is not None
    return service.managed


STARTER = OpenRCSteps
