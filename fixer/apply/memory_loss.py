"""What a step loses of what a service holds in memory, and whether a second restart brings it back."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.model.plan import (
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    ProgramAction,
    ReloadNginx,
    ServiceAction,
    SignalProcess,
    Step,
    UnitAction,
    WaitForListener,
)


def discards_memory(step: Step) -> bool:
    """Return whether the step discards state in memory: a reload, a restart, systemd's pause before its next try, or a
    missing container network."""
    if isinstance(step, ComposeUp):
        return bool(step.network) and step.was == "running"
    paused = isinstance(step, UnitAction) and step.verb in ("start", "restart") and step.was_active == "activating"
    return paused or isinstance(step, ReloadNginx | DaemonReload) or is_plain_restart(step)


def is_plain_restart(step: Step) -> bool:
    """Return whether the step restarted what its manager called running."""
    if isinstance(step, ContainerAction | ProgramAction | ServiceAction):
        return step.verb == "restart" and step.was.lower() == "running"
    return isinstance(step, UnitAction) and step.verb == "restart" and step.was_active == "active"


def restarts_only(steps: Sequence[Step]) -> bool:
    """Return whether the round changed nothing that a service reads or connects to at its start."""
    passive = ReloadNginx | DaemonReload | CheckNginx | WaitForListener | SignalProcess
    return all(isinstance(step, passive) or is_plain_restart(step) for step in steps)
