"""Persistent SELinux booleans: set them, and undo that."""

from __future__ import annotations

from fixer.apply.steps.node_access import Runner, run_or_fail
from fixer.errors import Conflict
from fixer.model.plan import SetBoolean

_COMMAND_SECONDS = 120.0  # seconds; -P rewrites the complete policy, which is slow on a small machine


def set_boolean(step: SetBoolean, runner: Runner) -> None:
    """Set the boolean; raise Conflict if it has changed since the plan."""
    if _is_on(step, runner) is not step.was:
        raise Conflict(f"the SELinux boolean {step.name} has changed since the plan", "diagnose again")
    _write_boolean(step, runner, step.value)


def undo_boolean(step: SetBoolean, runner: Runner) -> str:
    """Restore the boolean; do nothing if it has the old value already."""
    if _is_on(step, runner) is step.was:
        return ""
    _write_boolean(step, runner, step.was)
    return f"turned the SELinux boolean {step.name} {'on' if step.was else 'off'}"


def _write_boolean(step: SetBoolean, runner: Runner, value: bool) -> None:
    words = ["setsebool", "-P", step.name, "1" if value else "0"]
    run_or_fail(runner, words, f"set the SELinux boolean {step.name}", timeout=_COMMAND_SECONDS)


def _is_on(step: SetBoolean, runner: Runner) -> bool:
    shown = run_or_fail(runner, ["getsebool", step.name], f"read the SELinux boolean {step.name}")
    return shown.stdout.decode("utf-8", "replace").strip().endswith(("--> on", "on"))
