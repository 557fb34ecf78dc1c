"""Other fixers than ours, as commands: they show that a scenario is not cured by what is done in hope."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab import managing
from lab.engine import docker
from lab.scenario import Role
from lab.stack import Lab


def nothing(lab: Lab) -> None:
    """Wait for better times."""


def restart_everything(lab: Lab) -> None:
    """What people do first: restart nginx and every service, whatever the cause is."""
    if lab.stack == "containers":
        lab.compose("restart", "-t", "5", check=False)
        return
    parts: list[Role] = ["backend", "second", "web"] if lab.params["second_site"] else ["backend", "web"]
    lab.run_in("web", ["systemctl", "daemon-reload"])
    for part in parts:
        if managing.manager_of(lab, part) == "supervisord":
            managing.restart(lab, part, check=False)
            continue
        docker("exec", lab.container(), "systemctl", "reset-failed", lab.unit(part), check=False)
        docker("exec", lab.container(), "systemctl", "restart", lab.unit(part), check=False)


SOLVERS: Mapping[str, Callable[[Lab], None]] = {"nothing": nothing, "restart-everything": restart_everything}
