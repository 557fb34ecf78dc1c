"""Service managers: what each says of a service, behind one class.

A manager called `name` is the module `name_state` of this folder: what it says. How it starts a service is in a second
module, `name_steps`, which only repairs load. There is no list to edit: a service names its manager."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence
from fixer.model.service import Service

if TYPE_CHECKING:
    from fixer.model.plan import Step
    from fixer.model.snapshot import Snapshot

RunState: TypeAlias = Literal[
    "running", "starting", "looping", "stopped", "failed", "masked", "paused", "unknown",
]
CLEAN_EXITS = frozenset({0, 130, 143})  # done, Ctrl-C, `docker stop`


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a manager sets for a service; 0 for none, or if unknown. `memory` is in bytes, `cpus` a number of
    CPUs, `open_files` for each process."""

    memory: int = 0
    cpus: float = 0.0
    open_files: int = 0
    tasks: int = 0


class ServiceManager(ABC):
    """What a service manager says of one service. Times are epoch seconds, 0.0 if unknown."""

    __slots__ = ("service",)
    steps: ClassVar[str] = "bare_process_state"  # the module of this folder with the STARTER of its services

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

    def run_began_at(self) -> float:
        """Return when the run that ended last began, or a later one; 0.0 if unknown."""
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

    def is_stopped_after_failure(self) -> bool:
        """Return whether somebody stopped the service after its program had exited with a failure status of its own."""
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

    def has_trouble(self) -> bool:
        """Return whether its log may say why: it restarted the service, or reports more than running or stopped."""
        return False

    def is_expected(self) -> bool:
        """Return whether it starts the service at boot, or reports that it failed: then it is intended to run."""
        return False

    def definition_files(self) -> tuple[str, ...]:
        """Return the files of its own that define the service."""
        return ()

    def environment_files(self) -> tuple[str, ...]:
        """Return the files of variables that these name."""
        return ()

    def is_paused(self) -> bool:
        """Return whether it keeps the service's processes frozen."""
        return self.run_state() == "paused"

    def oom_evidence(self) -> Evidence | None:
        """Return its out-of-memory flag as evidence, if it is set. An unset flag proves nothing."""
        return None

    def may_be_killed_for_memory(self) -> bool:
        """Return whether its own report fits a kill by the kernel's OOM killer."""
        return False

    def limits(self) -> Limits:
        """Return the limits that it sets for the service."""
        return Limits()

    def command_text(self, verb: str) -> str:
        """Return what an operator runs to start, stop or restart the service."""
        return f"{verb} {self.service.name}"

    def start_text(self) -> str:
        """Return how an operator starts the service, as part of a sentence."""
        return f"start {self.service.name}"

    def reread_text(self) -> str:
        """Return how an operator lets it read its changed files, as part of a sentence."""
        return f"{self.start_text()} again"

    def environment_text(self) -> str:
        """Return what an operator does to give the service a variable, if no file of its own holds any."""
        return "recreate it with the value"

    def unread_log_text(self, reason: str) -> str:
        """Return what an operator does about a log that could not be read, as a sentence without its period."""
        return "Read it as root"

    def is_unwatched(self) -> bool:
        """Return whether the server does not run and nothing records how it ended."""
        return False

    def is_disabled(self) -> bool:
        """Return whether it reports that a boot does not start the service."""
        return False

    def is_off_at_boot(self) -> bool:
        """Return whether nothing that it knows starts the service at boot."""
        return self.is_disabled()


class ServiceStarter:
    """The steps by which a service manager starts one service. Empty steps: only an operator can start it."""

    __slots__ = ("service", "snapshot")

    def __init__(self, snapshot: Snapshot, service: Service) -> None:
        self.snapshot, self.service = snapshot, service

    def start_steps(self, *, with_replicas: bool = False) -> tuple[Step, ...]:
        """Return steps that start it if it is stopped, so that it also returns after a reboot; with `with_replicas`
        also what ended like it and serves under the same name."""
        return ()

    def restart_steps(self, describe: str = "") -> tuple[Step, ...]:
        """Return steps that restart it; `describe` is what an operator must know before."""
        return ()

    def apply_steps(self, describe: str = "") -> tuple[Step, ...] | str:
        """Return steps that make it run with its present files, or why that is not possible."""
        return f"fixer knows no way to start {self.service.name} again"

    def by_hand(self) -> str:
        """Return what an operator does to start it, as text."""
        return f"start {self.service.name} as it was started before; fixer found no service manager for it"

    @staticmethod
    def command(verb: str, name: str) -> list[str]:
        """Return the manager's own command for a `ServiceAction`, or `stop` or `status` (0 if the service runs)."""
        raise ValueError(f"no command of a manager does {verb} {name}")

    @property
    def awaited_unit(self) -> str:
        """Return the unit without which a wait for its listener is in vain; empty if it is none."""
        return ""

    @property
    def awaited_container(self) -> str:
        """Return the container without which such a wait is in vain; empty if it is none."""
        return ""


def manager_of(service: Service) -> ServiceManager:
    """Return what the manager of a service says of it."""
    if service.unit is not None:
        name = "systemd"
    elif service.container is not None:
        name = "docker"
    elif service.program is not None:
        name = "supervisord"
    elif service.managed is not None:
        name = service.manager
    else:
        name = "bare_process"
    return _state_class(name)(service)


def command_of_manager(manager: str, verb: str, service: str) -> list[str]:
    """Return a manager's own command that starts, restarts, stops or shows a service."""
    return _starter_class(f"{manager}_steps").command(verb, service)


def starter_of(snapshot: Snapshot, service: Service) -> ServiceStarter:
    """Return the steps by which the manager of a service starts it."""
    return _starter_class(manager_of(service).steps)(snapshot, service)


@cache
def _state_class(name: str) -> type[ServiceManager]:
    manager: type[ServiceManager] = importlib.import_module(f"{__name__}.{name}_state").MANAGER
    return manager


@cache
def _starter_class(module: str) -> type[ServiceStarter]:
    starter: type[ServiceStarter] = importlib.import_module(f"{__name__}.{module}").STARTER
    return starter
