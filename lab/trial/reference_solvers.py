"""Other fixers than ours, as commands: they show that a scenario is not cured by what is done in hope."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from lab.http_get import get
from lab.scenario.scenario_file import Role, Variant
from lab.stack import service_control
from lab.stack.break_steps import wait_again
from lab.stack.docker_command import docker
from lab.stack.running_lab import Lab
from lab.stack.symptoms import shows_again
from lab.verbs.check import check, check_restarted
from lab.verbs.up import sites_of

STARTED = 10.0      # seconds: a service that was restarted is up by then, besides what it is known to take
PATIENCE = "45"     # seconds: a start that is queued has no end, and whoever typed it gives up
LASTS = 15.0        # seconds: what is well for so long is well; what systemd ends for a silence of six is not


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
        if service_control.manager_of(lab, part) == "supervisord":
            service_control.restart(lab, part, check=False)
            continue
        docker("exec", lab.container(), "systemctl", "reset-failed", lab.unit(part), check=False)
        docker("exec", lab.container(), "timeout", PATIENCE, "systemctl", "restart", lab.unit(part), check=False)


def cured_by_restarts(lab: Lab, variant: Variant, *, hides: bool = False) -> list[str]:
    """What is wrong with a broken lab that is well once everything was restarted; where that only `hides` its fault,
    the next boot must show it again."""
    restart_everything(lab)
    lab.settle(STARTED)
    wait_again(lab, variant)
    well = check(lab).well and not shows_again(lab, variant) and _stays_well(lab)
    if well and hides:
        lab.restart()
        well = check_restarted(lab).well
    return ["restarting everything cures it, and it is told as what no restart cures"] if well else []


def _stays_well(lab: Lab) -> bool:
    """Whether the pages are there again and again for a while."""
    until = time.monotonic() + LASTS
    while time.monotonic() < until:
        if any(get(site.url, "/login", host=site.host) != 200 for site in sites_of(lab)):
            return False
        time.sleep(0.5)
    return True


SOLVERS: Mapping[str, Callable[[Lab], None]] = {"nothing": nothing, "restart-everything": restart_everything}
