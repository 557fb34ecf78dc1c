"""Steps on services through the own command of their manager, and their undo."""

from __future__ import annotations

from fixer.apply.steps.node_access import Runner, run_or_fail
from fixer.managers import command_of_manager
from fixer.model.plan import ServiceAction

_COMMAND_SECONDS = 180.0  # a start waits for what the service needs, a stop for its processes
_RUNNING = "running"  # the run state, as every manager's module of fixer/managers names it
_PAST_TENSE = {"start": "started", "restart": "restarted", "stop": "stopped"}


def apply_service(step: ServiceAction, runner: Runner) -> None:
    """Run the verb. A server that ends later is found by the wait for its listener.
    Raise StepFailed if the manager reports that it could not."""
    _run_verb(step, runner, step.verb)


def _run_verb(step: ServiceAction, runner: Runner, verb: str) -> str:
    """Run the manager's own command; return what was done."""
    argv = command_of_manager(step.manager, verb, step.service)
    run_or_fail(runner, argv, f"{verb} {step.service}", timeout=_COMMAND_SECONDS)
    return f"{_PAST_TENSE[verb]} {step.service}"


def undo_service(step: ServiceAction, runner: Runner) -> str:
    """Undo before the files: stop a service that did not run."""
    return "" if step.was == _RUNNING else _run_verb(step, runner, "stop")


def restart_service(step: ServiceAction, runner: Runner) -> str:
    """Undo after the files: a service that ran restarts with them."""
    return _run_verb(step, runner, "restart") if step.was == _RUNNING and step.verb == "restart" else ""


def restart_if_running(step: ServiceAction, runner: Runner) -> str:
    """Restart a service that runs, so that it reads the restored files; its manager's `status` ends with 0 then."""
    status = runner.run(command_of_manager(step.manager, "status", step.service), timeout=_COMMAND_SECONDS)
    return _run_verb(step, runner, "restart") if status.returncode == 0 else ""
