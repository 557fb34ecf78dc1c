"""A machine that went down in the middle of a round and came up with the files that were in place by then: what the
round was still to do, the boot has done. Once the files are back, that is done again with them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard, assert_never

from fixer.apply.nodes import Runner
from fixer.apply.units import daemon_reload
from fixer.model.describe import step_to_json
from fixer.model.plan import DaemonReload, ProgramAction, ReloadNginx, Step, UnitAction
from fixer.model.step_json import step_from_json

Brought: TypeAlias = DaemonReload | ReloadNginx | UnitAction | ProgramAction

_AGE = (
    "sh", "-c",
    'read -r up rest </proc/uptime; s=$(cat /proc/1/stat) || exit 3; set -f; set -- ${s##*) }; echo "$up ${20}"',
)
_TICKS = 100.0       # what the kernel tells others of in /proc, on every platform


def planned_json(steps: Sequence[Step]) -> str:
    """The steps of a round whose effect a boot may bring, for the round's record; empty where there are none."""
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
    if isinstance(step, UnitAction | ProgramAction):
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


def bring(step: Brought, runner: Runner) -> str:
    """Let what runs take the files that went back; what was done, empty where nothing runs."""
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
