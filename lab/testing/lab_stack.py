"""A broken stack as a container class of testcontainers: `with LabStack("wrong-port", seed=3) as lab: …`."""

from __future__ import annotations

from functools import cached_property

from testcontainers.compose import DockerCompose

from lab.errors import UsageError
from lab.oracle import Verdict
from lab.scenario.scenario_file import Stack
from lab.stack.running_lab import Lab
from lab.verbs.check import ask_oracle, restart_and_check
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up


class LabStack(DockerCompose):
    """One lab, from `start` to `stop`, with all that DockerCompose offers: `get_containers`, `get_logs` and so on.

    `stop` removes everything that carries the lab's label. Compose starts no Ryuk, the reaper of testcontainers."""

    def __init__(self, scenario: str, *, stack: Stack | None = None, seed: int = 1, noise: int = 0) -> None:
        super().__init__(context=".", compose_file_name="compose.yaml")
        self.scenario = scenario
        self.stack = stack
        self.seed = seed
        self.noise = noise
        self._lab: Lab | None = None

    def start(self) -> None:
        """Start the stack, break it, and wait until it is really broken. If that fails, nothing is left."""
        self._lab = lab_up(self.scenario, self.stack, self.seed, lambda _: None, noise=self.noise).lab
        self.context = self._lab.folder

    def stop(self, down: bool = True) -> None:
        """Remove everything that the lab created; a lab that is removed already is no error."""
        started, self._lab = self._lab, None
        if started is not None:
            self.__dict__.pop("compose_command_property", None)
            lab_down(started.id)

    @property
    def lab(self) -> Lab:
        """Return the running lab: names of its containers, commands inside, restart."""
        if self._lab is None:
            raise UsageError(f"{self.scenario} is not up", "call start(), or use it in a with statement")
        return self._lab

    @property
    def id(self) -> str:
        """Return the lab's id, which is also its Compose project."""
        return self.lab.id

    @property
    def url(self) -> str:
        """Return the URL of the page at its published port. The port changes when nginx's container restarts."""
        return self.lab.url

    @property
    def target(self) -> str:
        """Return what `fixer diagnose` takes: `compose://…` or `docker://…`."""
        return self.lab.target

    @property
    def container(self) -> str:
        """Return the name of nginx's container; on the host stack it is the machine."""
        return self.lab.container()

    def check(self, *, after_restart: bool = False, wait: float = 0.0) -> Verdict:
        """Ask the oracle; `after_restart` restarts a stack that is well and asks again.

        `wait` are the seconds that the page may need until it answers, for example after `nginx -s reload`."""
        if wait:
            self.lab.settle(wait)
        return restart_and_check(self.lab)[0] if after_restart else ask_oracle(self.lab)

    @cached_property
    def compose_command_property(self) -> list[str]:
        """Return the Compose command of this lab; the base class adds the words."""
        return ["docker", "compose", "--project-directory", str(self.lab.folder),
                "-f", str(self.lab.folder / "compose.yaml"), "-p", self.lab.id]
