"""Service managers: what each says of a service, behind one class.

A manager called `name` is the module `name_state` of this folder (what it says) and, if fixer can start its services,
`name_steps` (how it starts them). There is no list to edit: a service names its manager."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from functools import cache
from typing import Literal, TypeAlias

from fixer.model.facts import Evidence
from fixer.model.service import Service

RunState: TypeAlias = Literal[
    "running", "starting", "looping", "stopped", "failed", "masked", "paused", "unknown",
]
CLEAN_EXITS = frozenset({0, 130, 143})  # done, Ctrl-C, `docker stop`


class ServiceManager(ABC):
    """What a service manager says of one service. Times are epoch seconds, 0.0 if unknown."""

    __slots__ = ("service",)

    def __init__(self, service: Service) -> None:
        self.service = service

    @abstractmethod
    def run_state(self) -> RunState:
        """Return the state that it reports now."""

    @abstractmethod
    def evidence(self) -> Evidence:
        """Return the state in its own terms."""

    def account_name(self) -> str:
        """Return the account that it is configured to run the service as."""
        return "root"

    def setting_key(self, key: str) -> str:
        """Return what it calls that setting of a systemd unit."""
        return key

    def started_at(self) -> float:
        """Return when the service last started."""
        return 0.0

    def ended_at(self) -> float:
        """Return when the last run ended."""
        return 0.0

    def restart_count(self) -> int:
        """Return how often it restarted the service by itself."""
        return 0

    def exit_signal(self) -> int | None:
        """Return the signal that ended the main process; None if there was none or the kernel ran out of memory."""
        return None

    def has_ended(self) -> bool:
        """Return whether a run of the service may have ended by itself."""
        return False

    def is_started(self) -> bool:
        """Return whether it has started the service: that runs, is starting, or ended with a failure."""
        return False

    def is_started_at_boot(self) -> bool:
        """Return whether it starts the service at the next boot, as far as its own settings show."""
        return False

    def is_intended(self) -> bool:
        """Return whether it has started the service or starts it at the next boot."""
        return self.is_started() or self.is_started_at_boot()

    def is_unwatched(self) -> bool:
        """Return whether the server does not run and nothing records how it ended."""
        return False


def manager_of(service: Service) -> ServiceManager:
    """Return what the manager of a service says of it."""
    if service.unit is not None:
        name = "systemd"
    elif service.container is not None:
        name = "docker"
    elif service.program is not None:
        name = "supervisord"
    else:
        name = "bare_process"
    return _state_class(name)(service)


@cache
def _state_class(name: str) -> type[ServiceManager]:
    manager: type[ServiceManager] = importlib.import_module(f"{__name__}.{name}_state").MANAGER
    return manager
