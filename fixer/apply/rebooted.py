"""What read the files of a round though the round never came to tell it: the machine went down and came up with them,
or a manager that starts a failing service again and again took them up. Once the files are back, it reads them anew."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard, assert_never

from fixer.apply import containers, starts
from fixer.apply.nodes import Nodes, Runner
from fixer.apply.units import daemon_reload
from fixer.model.describe import step_to_json
from fixer.model.plan import ContainerAction, DaemonReload, ProgramAction, ReloadNginx, Step, UnitAction
from fixer.model.step_json import step_from_json

Brought: TypeAlias = DaemonReload | ReloadNginx | UnitAction | ProgramAction | ContainerAction

_AGE = (
    "sh", "-c",
    'read -r up rest </proc/uptime; s=$(cat /proc/1/stat) || exit 3; set -f; set -- ${s##*) }; echo "$up ${20}"',
)
_TICKS = 100.0       # what the kernel tells others of in /proc, on every platform


def planned_json(steps: Sequence[Step]) -> str:
    """The steps of a round whose effect may come without them, for the round's record; empty where there are none."""
    told = [step_to_json(step) for step in steps if _is_brought(step)]
    return json.dumps(told) if told else ""


def planned(text: str) -> tuple[Brought, ...]:
    """Those steps again, unit files first."""
    try:
        steps = [step_from_json(entry) for entry in json.loads(text or "[]")]
    except (ValueError, TypeError):        # a journal of another version: nothing more is known than before
        return ()
    return tuple(sorted(filter(_is_brought, steps), key=lambda step: not isinstance(step, DaemonReload)))


def _is_brought(step: Step) -> TypeGuard[Brought]:
    if isinstance(step, UnitAction | ProgramAction | ContainerAction):
        return step.verb in ("start", "restart", "update")
    return isinstance(step, ReloadNginx | DaemonReload)


def has_booted(runner: Runner, since: float) -> bool:
    """Whether the node came up after that moment (epoch seconds of our clock): by the age of its first process."""
    words = runner.run(_AGE).stdout.split()
    try:
        up, began = float(words[0]), float(words[1]) / _TICKS
    except (IndexError, ValueError):
        return False
    return up - began < time.time() - since


def has_read(step: Brought, nodes: Nodes, since: float) -> bool:
    """Whether what the step is about came up after that moment (epoch seconds of our clock) by itself."""
    if isinstance(step, ContainerAction):
        return starts.container_began(step.container_id, nodes.engine(), since)
    runner = nodes.runner(step.node)
    if has_booted(runner, since):
        return True
    return isinstance(step, UnitAction) and starts.unit_began_again(step.unit, runner, since)


def bring(step: Brought, nodes: Nodes) -> str:
    """Let what runs take the files that went back; what was done, empty where nothing runs."""
    if isinstance(step, ContainerAction):
        return containers.restart_running(step, nodes.engine())
    runner = nodes.runner(step.node)
    match step:
        case DaemonReload():
            daemon_reload(runner)
            return "systemd read its unit files again"
        case ReloadNginx():
            from fixer.apply.nginx import reload  # few ways back come here

            reload(step, runner)
            return "reloaded nginx"
        case UnitAction():
            done = runner.run(["systemctl", "--no-ask-password", "--no-block", "try-restart", "--", step.unit])
            return f"restarted {step.unit}" if done.returncode == 0 else ""
        case ProgramAction():
            return _program(step, runner)
        case _:
            assert_never(step)


def _program(step: ProgramAction, runner: Runner) -> str:
    control = ["supervisorctl", "-c", step.conf]
    if step.verb == "update":
        runner.run([*control, "update", step.group], timeout=180.0)
    elif b"RUNNING" in (said := runner.run([*control, "status", step.program]).stdout) or b"STARTING" in said:
        runner.run([*control, "restart", step.program], timeout=180.0)
    return f"{step.program} has its earlier files again"
