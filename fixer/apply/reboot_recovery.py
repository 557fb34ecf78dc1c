"""Recovery of services that used a round's files before the round was undone.

A reboot, a restart policy or another person may have loaded them. Once the files are restored, the services reload."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard, assert_never

from fixer.apply.steps import start_marks
from fixer.apply.steps.nginx_step import reload_nginx, youngest_process
from fixer.apply.steps.node_access import Nodes, Runner
from fixer.apply.steps.unit_step import daemon_reload
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.plan import ContainerAction, DaemonReload, ProgramAction, ReloadNginx, ServiceAction, Step, UnitAction
from fixer.redaction.masked_steps import step_from_json, step_to_json

with lazy_imports():  # only for their kinds of steps
    from fixer.apply.steps import container_step, service_step

AutomaticStep: TypeAlias = DaemonReload | ReloadNginx | UnitAction | ProgramAction | ServiceAction | ContainerAction

_AGE_COMMAND = (
    "sh", "-c",
    'read -r up rest </proc/uptime; s=$(cat "/proc/$1/stat") || exit 3; set -f; set -- ${s##*) }; echo "$up ${20}"',
    "sh",
)
_TICKS_PER_SECOND = 100.0  # USER_HZ, the unit of /proc on every platform
_RUNNING_STATES = frozenset({"active", "activating", "reloading", "RUNNING", "STARTING", "BACKOFF", "running",
                             "restarting"})


def automatic_steps_json(steps: Sequence[Step]) -> str:
    """Return the steps whose effect may come without them, as JSON for the round's record; empty if none."""
    told = [step_to_json(step) for step in steps if _is_automatic(step)]
    return json.dumps(told) if told else ""


def automatic_steps(text: str) -> tuple[AutomaticStep, ...]:
    """Return the steps of that JSON, unit files first."""
    try:
        steps = [step_from_json(entry) for entry in json.loads(text or "[]")]
    except (ValueError, TypeError):  # a journal of another version: no such steps are known
        return ()
    return tuple(sorted(filter(_is_automatic, steps), key=lambda step: not isinstance(step, DaemonReload)))


def _is_automatic(step: Step) -> TypeGuard[AutomaticStep]:
    if isinstance(step, UnitAction | ProgramAction | ServiceAction | ContainerAction):
        return step.verb in ("start", "restart", "update")
    return isinstance(step, ReloadNginx | DaemonReload)


def was_running(step: AutomaticStep) -> bool:
    """Return whether the step's service ran, or tried to, when the step was planned."""
    match step:
        case UnitAction():
            return step.was_active in _RUNNING_STATES
        case ProgramAction() | ServiceAction() | ContainerAction():
            return step.was in _RUNNING_STATES
        case _:
            return isinstance(step, ReloadNginx)


def has_booted(runner: Runner, since: float) -> bool:
    """Return whether the node booted after `since` (epoch seconds of our clock), by the age of PID 1."""
    return _is_younger(runner, "1", since)


def _is_younger(runner: Runner, pid: str, since: float) -> bool:
    words = runner.run([*_AGE_COMMAND, pid]).stdout.split()
    try:
        up, began = float(words[0]), float(words[1]) / _TICKS_PER_SECOND
    except (IndexError, ValueError):
        return False
    return up - began < time.time() - since


def must_read_again(step: AutomaticStep, nodes: Nodes, since: float) -> bool:
    """Return whether the step's service read the repair's files: it started after `since` (epoch seconds of our clock).
    If it ran when the step was planned, starts by other people count (a hand restart, a certificate renewal)."""
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
        case ServiceAction():
            return False
        case ReloadNginx():
            return _has_reloaded_since(step, runner, since)
        case DaemonReload():
            return True     # a restored unit file has a new time: systemd asks for a reload
        case _:
            assert_never(step)


def _pid_of(step: ProgramAction, runner: Runner) -> str:
    """Return the PID that supervisord reports; "0" if the program does not run."""
    said = runner.run(["supervisorctl", "-c", step.conf, "pid", step.program]).stdout.decode("ascii", "replace").strip()
    return said if said.isdecimal() else "0"


def _has_reloaded_since(step: ReloadNginx, runner: Runner, since: float) -> bool:
    """Return whether nginx's master or a worker started after `since`."""
    pid = youngest_process(step, runner)
    return pid is not None and _is_younger(runner, str(pid), since)


def apply_restored_files(step: AutomaticStep, nodes: Nodes) -> str:
    """Reload or restart what runs, so that it uses the restored files; return what was done, empty if nothing runs."""
    if isinstance(step, ContainerAction):
        return container_step.restart_if_running(step, nodes.engine())
    runner = nodes.runner(step.node)
    match step:
        case DaemonReload():
            daemon_reload(runner)
            return "systemd read its unit files again"
        case ReloadNginx():
            reload_nginx(step, runner)
            return "reloaded nginx"
        case UnitAction():
            done = runner.run(["systemctl", "--no-ask-password", "--no-block", "try-restart", "--", step.unit])
            return f"restarted {step.unit}" if done.returncode == 0 else ""
        case ProgramAction():
            return _restart_program(step, runner)
        case ServiceAction():
            return service_step.restart_if_running(step, runner)
        case _:
            assert_never(step)


def _restart_program(step: ProgramAction, runner: Runner) -> str:
    control = ["supervisorctl", "-c", step.conf]
    if step.verb == "update":
        pid = _pid_of(step, runner)
        runner.run([*control, "update", step.group], timeout=180.0)
        # supervisord restarts a program only if its own section changed, not for a restored file of variables
        runs_on = pid != "0" and _pid_of(step, runner) == pid
    else:
        said = runner.run([*control, "status", step.program]).stdout
        runs_on = b"RUNNING" in said or b"STARTING" in said
    if runs_on:
        runner.run([*control, "restart", step.program], timeout=180.0)
    return f"{step.program} has its earlier files again"
