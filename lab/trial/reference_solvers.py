"""Reference solvers: they show that a scenario is not cured by guesswork."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from lab.http_get import get_status
from lab.scenario.scenario_file import Role, Variant
from lab.stack import service_control
from lab.stack.break_steps import run_again_steps
from lab.stack.docker_engine import execute
from lab.stack.running_lab import Lab
from lab.stack.symptoms import has_symptom_again
from lab.verbs.check import ask_oracle, check_restarted
from lab.verbs.start_lab import sites_of

START_SECONDS = 10.0  # seconds for a restarted service to come up, in addition to its known start time
RESTART_TIMEOUT = "45"  # seconds: a queued start never ends, and a person gives up
STABLE_SECONDS = 15.0  # seconds that pages must stay well; systemd's watchdog in scenarios acts after six


def do_nothing(lab: Lab) -> None:
    """Do nothing."""


def restart_everything(lab: Lab) -> None:
    """Do what people do first: restart nginx and every service, whatever the cause."""
    if lab.stack != "host":
        lab.compose("restart", "-t", "5", check=False)
        return
    parts: list[Role] = ["backend", "second", "web"] if lab.deployment.second_site else ["backend", "web"]
    lab.run_in("web", ["systemctl", "daemon-reload"])
    for part in parts:
        if service_control.manager_of(lab, part) == "supervisord":
            service_control.restart(lab, part, check=False)
            continue
        execute(lab.container(), ["systemctl", "reset-failed", lab.unit(part)], check=False)
        execute(lab.container(), ["timeout", RESTART_TIMEOUT, "systemctl", "restart", lab.unit(part)], check=False)


def restart_cure_problems(lab: Lab, variant: Variant, *, hides: bool = False) -> list[str]:
    """Return a problem if a broken lab is well after everything was restarted.
    If a restart only `hides` its fault, the next boot must show it again."""
    restart_everything(lab)
    lab.settle(START_SECONDS)
    run_again_steps(lab, variant)
    well = not remaining_faults(lab, variant, as_at_first=True) and _stays_well(lab)
    if well and hides:
        lab.restart()
        well = check_restarted(lab).is_well
    said = "only until the next boot" if hides else "not"
    return [f"a restart of everything cures it, and the scenario says that it does {said}: "
            'expect.repair needs restart = "cures"'] if well else []


def remaining_faults(lab: Lab, variant: Variant, *, as_at_first: bool = False) -> list[str]:
    """Return what the oracle finds; of a fault that it cannot see, that nginx logs it again. `as_at_first` gives that
    fault as long to show as the scenario gave its first failure."""
    failing = list(ask_oracle(lab).failing)
    is_over = failing or not has_symptom_again(lab, variant, as_at_first=as_at_first)
    return failing if is_over else ["nginx still logs the same error"]


def _stays_well(lab: Lab) -> bool:
    """Return whether the pages stay available for a while."""
    until = time.monotonic() + STABLE_SECONDS
    while time.monotonic() < until:
        if any(get_status(site.url, "/login", host=site.host) != 200 for site in sites_of(lab)):
            return False
        time.sleep(0.5)
    return True


SOLVERS: Mapping[str, Callable[[Lab], None]] = {"nothing": do_nothing, "restart-everything": restart_everything}
