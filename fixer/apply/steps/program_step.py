"""Steps on supervisord programs through supervisorctl, and their undo."""

from __future__ import annotations

import contextlib
import re

from fixer.apply.steps.node_access import Runner, error_text, run_or_fail
from fixer.apply.steps.process_step import wait_until
from fixer.errors import NeedsPerson, StepFailed
from fixer.lazy.regex import regex
from fixer.model.plan import ProgramAction

_COMMAND_SECONDS = 90.0  # a program may use its stopwaitsecs and startsecs
_SETTLE_SECONDS = 20.0
_STATUS = regex(rb"^(\S+)\s+([A-Z]+)\b(?:\s+pid (\d+))?")
_DENIED = regex(r"^error:.*Permission denied", re.MULTILINE)
_ENDED_STATES = frozenset({"FATAL", "EXITED", "STOPPED", "UNKNOWN", ""})


def apply_program(step: ProgramAction, runner: Runner) -> None:
    """Run one verb, and check that what it started did not end at once."""
    if step.verb == "update" or (step.verb == "start" and _is_alone(step) and _is_unread(step, runner)):
        _update_program(step, runner)
    else:
        _run_supervisorctl(step, runner, step.verb, step.program)
    _require_started(step, runner)


def _is_alone(step: ProgramAction) -> bool:
    """Return whether its group has no other program, which an update or a removal would end."""
    return step.group == step.program.removesuffix(":*")


def _is_unread(step: ProgramAction, runner: Runner) -> bool:
    """Return whether supervisord does not know the program: it has not read its file, or somebody removed it."""
    result = runner.run(["supervisorctl", "-c", step.conf, "status", step.program], timeout=_COMMAND_SECONDS)
    return b"ERROR (no such " in result.stdout + result.stderr


def require_supervisor_access(step: ProgramAction, runner: Runner) -> None:
    """Raise NeedsPerson if supervisord denies access: start nothing that can be neither done nor undone."""
    result = runner.run(["supervisorctl", "-c", step.conf, "status", step.program], timeout=_COMMAND_SECONDS)
    output = (result.stdout + result.stderr).decode("utf-8", "replace")
    if _DENIED.search(output):
        raise NeedsPerson(f"supervisord denies access to {step.program}: Permission denied",
                          "run fixer as root, or as a user with write access to supervisord's socket")


def _run_supervisorctl(step: ProgramAction, runner: Runner, *arguments: str) -> None:
    """Run supervisorctl. It may print ERROR and exit with 0, so check both."""
    argv = ["supervisorctl", "-c", step.conf, *arguments]
    result = runner.run(argv, timeout=_COMMAND_SECONDS)
    output = (result.stdout + result.stderr).decode("utf-8", "replace")
    harmless = "ERROR (already started)" in output or "ERROR (not running)" in output
    if result.returncode != 0 or ("ERROR" in output and not harmless):
        raise StepFailed(f"could not {' '.join(arguments)}: {error_text(result)}")


def _update_program(step: ProgramAction, runner: Runner) -> None:
    """Update the group: supervisord restarts what changed. If only a file that it names changed, restart it."""
    before = _pids(step, runner)
    run_or_fail(runner, ["supervisorctl", "-c", step.conf, "update", step.group], f"update {step.group}",
                timeout=_COMMAND_SECONDS)
    states = _states(step, runner)
    same = bool(before) and _pids(step, runner) == before
    if same:
        _run_supervisorctl(step, runner, "restart", step.program)
    elif not states or all(state in _ENDED_STATES for state in states):
        _run_supervisorctl(step, runner, "start", step.program)


def _status_rows(step: ProgramAction, runner: Runner) -> list[tuple[str, int]]:
    result = runner.run(["supervisorctl", "-c", step.conf, "status", step.program], timeout=_COMMAND_SECONDS)
    found = [m for line in result.stdout.splitlines() if (m := _STATUS.match(line))]
    return [(m[2].decode("ascii"), int(m[3] or 0)) for m in found]


def _states(step: ProgramAction, runner: Runner) -> list[str]:
    return [state for state, _ in _status_rows(step, runner)]


def _pids(step: ProgramAction, runner: Runner) -> list[int]:
    return [pid for _, pid in _status_rows(step, runner) if pid]


def _require_started(step: ProgramAction, runner: Runner) -> None:
    seen: list[str] = []

    def is_settled() -> bool:
        seen[:] = _states(step, runner)
        return bool(seen) and not {"STARTING", "BACKOFF", "STOPPING"} & set(seen)

    wait_until(is_settled, _SETTLE_SECONDS)
    if not seen or any(state in _ENDED_STATES or state == "BACKOFF" for state in seen):
        states = ", ".join(seen) or "supervisord does not know it"
        raise StepFailed(f"{step.program} ended right after its start ({states})")


def undo_program(step: ProgramAction, runner: Runner) -> str:
    """Undo before the files: stop a program that did not run."""
    if step.was == "RUNNING" or (step.was == "STARTING" and step.verb != "update"):
        return ""
    _run_supervisorctl(step, runner, "stop", step.program)
    if step.was == "UNREAD" and _is_alone(step):
        _run_supervisorctl(step, runner, "remove", step.group)
        return f"stopped {step.program}; supervisord does not know it any more"
    return f"stopped {step.program}"


def restart_program(step: ProgramAction, runner: Runner) -> str:
    """Undo after the files: supervisord reads them, and a program that ran restarts with them."""
    if step.was == "UNREAD":
        return ""       # an update would start it again
    if step.verb == "update" and step.was == "RUNNING":
        _update_program(step, runner)
        return f"{step.program} runs with its earlier files again"
    if step.verb == "update":
        run_or_fail(runner, ["supervisorctl", "-c", step.conf, "update", step.group], f"update {step.group}",
                    timeout=_COMMAND_SECONDS)
        if step.was in ("STARTING", "BACKOFF"):
            with contextlib.suppress(StepFailed):  # it was in a restart loop: each start failed
                _run_supervisorctl(step, runner, "start", step.program)
        return f"supervisord read the files of {step.group} again"
    if step.was not in ("RUNNING", "STARTING") or step.verb == "start":
        return ""
    with contextlib.nullcontext() if step.was == "RUNNING" else contextlib.suppress(StepFailed):  # as above
        _run_supervisorctl(step, runner, "restart", step.program)
    return f"restarted {step.program}"
