"""What read the files of a round though the round never came to tell it: the machine went down and came up with them, a
manager that starts a failing service again and again took them up, or somebody else reloaded it. Once the files are
back, it reads them anew."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard, assert_never

from fixer.apply.steps import container_step, start_marks
from fixer.apply.steps.node_access import Nodes, Runner
from fixer.apply.steps.unit_step import daemon_reload
from fixer.model.plan import ContainerAction, DaemonReload, ProgramAction, ReloadNginx, Step, UnitAction
from fixer.redaction.masked_steps import step_from_json, step_to_json

AutomaticStep: TypeAlias = DaemonReload | ReloadNginx | UnitAction | ProgramAction | ContainerAction

_AGE_COMMAND = (
    "sh", "-c",
    'read -r up rest </proc/uptime; s=$(cat "/proc/$1/stat") || exit 3; set -f; set -- ${s##*) }; echo "$up ${20}"',
    "sh",
)
_TICKS_PER_SECOND = 100.0       # what the kernel tells others of in /proc, on every platform
_RUNNING_STATES = frozenset({"active", "activating", "reloading", "RUNNING", "STARTING", "BACKOFF", "running",
                             "restarting"})


def automatic_steps_json(steps: Sequence[Step]) -> str:
    """The steps of a round whose effect may come without them, for the round's record; empty where there are none."""
    told = [step_to_json(step) for step in steps if _is_automatic(step)]
    return json.dumps(told) if told else ""


def automatic_steps(text: str) -> tuple[AutomaticStep, ...]:
    """Those steps again, unit files first."""
    try:
        steps = [step_from_json(entry) for entry in json.loads(text or "[]")]
    except (ValueError, TypeError):        # a journal of another version: nothing more is known than before
        return ()
    return tuple(sorted(filter(_is_automatic, steps), key=lambda step: not isinstance(step, DaemonReload)))


def _is_automatic(step: Step) -> TypeGuard[AutomaticStep]:
    if isinstance(step, UnitAction | ProgramAction | ContainerAction):
        return step.verb in ("start", "restart", "update")
    return isinstance(step, ReloadNginx | DaemonReload)


def was_running(step: AutomaticStep) -> bool:
    """Whether what the step is about ran, or tried to, when it was planned."""
    match step:
        case UnitAction():
            return step.was_active in _RUNNING_STATES
        case ProgramAction() | ContainerAction():
            return step.was in _RUNNING_STATES
        case _:
            return isinstance(step, ReloadNginx)


def has_booted(runner: Runner, since: float) -> bool:
    """Whether the node came up after that moment (epoch seconds of our clock): by the age of its first process."""
    return _is_younger(runner, "1", since)


def _is_younger(runner: Runner, pid: str, since: float) -> bool:
    words = runner.run([*_AGE_COMMAND, pid]).stdout.split()
    try:
        up, began = float(words[0]), float(words[1]) / _TICKS_PER_SECOND
    except (IndexError, ValueError):
        return False
    return up - began < time.time() - since


def has_started_since(step: AutomaticStep, nodes: Nodes, since: float) -> bool:
    """Whether what the step is about came up after that moment (epoch seconds of our clock): by itself, or, where it
    ran when the step was planned, by anybody (a person who helps himself, a renewal of certificates)."""
    if isinstance(step, ContainerAction):
        return start_marks.has_container_restarted(step.container_id, nodes.engine(), since,
                                                   anyhow=step.was in _RUNNING_STATES)
    runner = nodes.runner(step.node)
    if has_booted(runner, since):
        return True
    match step:
        case UnitAction():
            return start_marks.has_unit_restarted(step.unit, runner, since, anyhow=step.was_active in _RUNNING_STATES)
        case ProgramAction():
            return step.was in _RUNNING_STATES and _is_younger(runner, _pid_of(step, runner),
                                                               since - start_marks.READING_SECONDS)
        case ReloadNginx():
            return _has_reloaded_since(step, runner, since)
        case DaemonReload():
            return False
        case _:
            assert_never(step)


def _pid_of(step: ProgramAction, runner: Runner) -> str:
    """As supervisord counts; 0, which is no process, where it does not run."""
    said = runner.run(["supervisorctl", "-c", step.conf, "pid", step.program]).stdout.decode("ascii", "replace").strip()
    return said if said.isdecimal() else "0"


def _has_reloaded_since(step: ReloadNginx, runner: Runner, since: float) -> bool:
    """Whether nginx, or a worker of it, began after that moment."""
    from fixer.apply.steps.nginx_step import youngest_process  # few ways back come here

    pid = youngest_process(step, runner)
    return pid is not None and _is_younger(runner, str(pid), since)


def apply_restored_files(step: AutomaticStep, nodes: Nodes) -> str:
    """Let what runs take the files that went back; what was done, empty where nothing runs."""
    if isinstance(step, ContainerAction):
        return container_step.restart_if_running(step, nodes.engine())
    runner = nodes.runner(step.node)
    match step:
        case DaemonReload():
            daemon_reload(runner)
            return "systemd read its unit files again"
        case ReloadNginx():
            from fixer.apply.steps.nginx_step import reload_nginx  # few ways back come here

            reload_nginx(step, runner)
            return "reloaded nginx"
        case UnitAction():
            done = runner.run(["systemctl", "--no-ask-password", "--no-block", "try-restart", "--", step.unit])
            return f"restarted {step.unit}" if done.returncode == 0 else ""
        case ProgramAction():
            return _restart_program(step, runner)
        case _:
            assert_never(step)


def _restart_program(step: ProgramAction, runner: Runner) -> str:
    control = ["supervisorctl", "-c", step.conf]
    if step.verb == "update":
        runner.run([*control, "update", step.group], timeout=180.0)
    elif b"RUNNING" in (said := runner.run([*control, "status", step.program]).stdout) or b"STARTING" in said:
        runner.run([*control, "restart", step.program], timeout=180.0)
    return f"{step.program} has its earlier files again"
