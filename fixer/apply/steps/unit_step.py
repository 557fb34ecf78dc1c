"""Steps on systemd units, and their undo."""

from __future__ import annotations

from fixer.apply.steps import start_marks
from fixer.apply.steps.node_access import Runner, error_text, require_connection, run_or_fail
from fixer.apply.steps.process_step import wait_until
from fixer.apply.steps.start_marks import StepStart
from fixer.errors import StartFailed, StepFailed
from fixer.model.host import CommandResult
from fixer.model.plan import UnitAction
from fixer.redaction.secrets import redact_text

# a unit may use its TimeoutStopSec and its TimeoutStartSec, 90 s each by default
_COMMAND_SECONDS = 180.0
_SETTLE_SECONDS = 10.0
_UNSET = 2**64 - 1  # older versions of systemd print this if there is no number
_STOPPED_STATES = frozenset({"inactive", "failed", "deactivating", "exited", ""})
_LOST_STATE_NOTES = {"failed": "; it was failed before, systemd shows it as inactive now",
        "exited": "; it was active (exited) before, systemd shows it as inactive now"}


def daemon_reload(runner: Runner) -> None:
    """Let systemd read its unit files again."""
    run_or_fail(runner, ["systemctl", "daemon-reload"], "reload systemd's unit files", timeout=_COMMAND_SECONDS)


def apply_unit(step: UnitAction, runner: Runner) -> str:
    """Run one verb; after a start, check that the unit did not end at once.
    Return the mark of a start that undo would stop."""
    if step.along:
        _run_systemctl(runner, step.verb, step.unit, "--no-block")
        return ""
    _run_systemctl(runner, step.verb, step.unit)
    if step.verb in ("start", "restart"):
        _require_started(runner, step.unit)
    return start_marks.unit_mark(runner, step.unit) if _needs_stop(step) else ""


def _needs_stop(step: UnitAction) -> bool:
    return step.verb in ("start", "restart") and step.was_active in _STOPPED_STATES


def _run_systemctl(runner: Runner, verb: str, unit: str, *options: str) -> None:
    if verb in ("start", "restart"):  # systemd's start limit counts manual starts too, and refuses the next one
        runner.run(["systemctl", "reset-failed", "--", unit])
    if verb == "start" and _read_properties(runner, unit).get("SubState") == "auto-restart":
        verb = "restart"  # before systemd 254 a start waits until RestartSec has passed
    words, what = ["systemctl", "--no-ask-password", *options, verb, "--", unit], f"{verb} {unit}"
    if verb == "reset-failed":
        _reset_failed(runner, words, what, unit)
        return
    if verb not in ("start", "restart") or options:
        run_or_fail(runner, words, what, timeout=_COMMAND_SECONDS)
        return
    result = runner.run(words, timeout=_COMMAND_SECONDS)
    require_connection(result, what)
    if result.returncode != 0:
        raise StartFailed(f"could not {what}: {job_error_text(result)}{last_line_text(runner, unit)}")


def _reset_failed(runner: Runner, words: list[str], what: str, unit: str) -> None:
    """Run reset-failed. It may fail if the unit has not failed: systemd unloads a stopped unit."""
    result = runner.run(words, timeout=_COMMAND_SECONDS)
    require_connection(result, what)
    if result.returncode != 0 and _read_properties(runner, unit).get("ActiveState") != "inactive":
        raise StepFailed(f"could not {what}: {error_text(result)}")


def _require_started(runner: Runner, unit: str) -> None:
    seen: dict[str, str] = {}

    def is_settled() -> bool:
        seen.update(_read_properties(runner, unit))
        return seen.get("ActiveState") not in ("activating", "reloading") or seen.get("SubState") == "auto-restart"

    wait_until(is_settled, _SETTLE_SECONDS)
    if seen.get("ActiveState") == "failed" or seen.get("SubState") == "auto-restart":
        why = f"{seen.get('Result', 'unknown')}, status {seen.get('ExecMainStatus', '?')}"
        raise StartFailed(f"{unit} ended right after its start ({why}){last_line_text(runner, unit)}")


def _has_no_tasks(runner: Runner, unit: str) -> bool:
    words = ["systemctl", "show", "--no-pager", "--property=TasksCurrent", "--value", "--", unit]
    said = runner.run(words).stdout.strip()
    return not said.isdigit() or int(said) in (0, _UNSET)


def _is_forgotten(runner: Runner, unit: str) -> bool:
    """Return whether systemd has no such unit: what lies below /run is gone after a boot, and what it ran as well."""
    words = ["systemctl", "show", "--no-pager", "--property=LoadState", "--value", "--", unit]
    return runner.run(words).stdout.strip() == b"not-found"


def _read_properties(runner: Runner, unit: str) -> dict[str, str]:
    names = "ActiveState,SubState,Result,ExecMainStatus"
    result = runner.run(["systemctl", "show", "--no-pager", f"--property={names}", "--", unit])
    pairs = (line.partition("=") for line in result.stdout.decode("utf-8", "replace").splitlines())
    return {name: value for name, _, value in pairs}


def undo_unit(step: UnitAction, runner: Runner, started: StepStart) -> str:
    """Undo before the files: stop what did not run, restore enablement. Return what was done; empty if nothing."""
    match step.verb:
        case "start" | "restart" if _needs_stop(step):
            start_marks.require_own_unit_start(step.unit, runner, started)
            try:
                _run_systemctl(runner, "stop", step.unit)
            except StepFailed:
                if not _is_forgotten(runner, step.unit):
                    raise
                return f"{step.unit} had ended, and systemd has no such unit since a boot"
            if step.was_enabled == "generated":  # an init script signals its program and does not wait
                wait_until(lambda: _has_no_tasks(runner, step.unit), _SETTLE_SECONDS)
            return f"stopped {step.unit}{_LOST_STATE_NOTES.get(step.was_active, '')}"
        case "enable" | "disable":
            return _undo_enabled(step, runner, started)
        case _:
            return ""


def _undo_enabled(step: UnitAction, runner: Runner, started: StepStart) -> str:
    if step.verb == "disable" and step.was_enabled.startswith("enabled"):
        options = ("--runtime",) if step.was_enabled == "enabled-runtime" else ()
        _run_systemctl(runner, "enable", step.unit, *options)
        return f"enabled {step.unit}"
    if step.verb == "enable" and not step.was_enabled.startswith("enabled"):
        _run_systemctl(runner, "disable", step.unit)
        if step.was_active in _STOPPED_STATES and start_marks.is_started_by_boot(step.unit, runner, started):
            _run_systemctl(runner, "stop", step.unit)  # it runs because it was enabled
            return f"disabled and stopped {step.unit}"
        return f"disabled {step.unit}"
    return ""


def restart_unit(step: UnitAction, runner: Runner) -> str:
    """Undo after the files: what ran restarts, with the restored files."""
    if step.was_active in _STOPPED_STATES or step.verb not in ("start", "restart", "stop"):
        return ""
    if step.was_active == "activating":  # it was in a crash loop: restart it without waiting for success
        _run_systemctl(runner, "restart", step.unit, "--no-block")
        return f"{step.unit} tries to start again, as before"
    if step.verb == "start":
        return ""
    verb = "start" if step.verb == "stop" else "restart"
    _run_systemctl(runner, verb, step.unit)
    return f"{verb}ed {step.unit}"


# Why a unit did not start: read before the rollback, since afterwards nothing reports it.
_MOST_CHARACTERS = 200  # characters of a quoted log line


def job_error_text(result: CommandResult) -> str:
    """Return systemctl's reason for a failed job, without its hints."""
    text = result.stderr.decode("utf-8", "replace")
    reason = next((line.strip() for line in text.splitlines() if line.startswith("Job for ")), "")
    return reason.removesuffix(".") or error_text(result)


def last_line_text(runner: Runner, unit: str) -> str:
    """Return `; its last log line: …` with the last log line of this start, secrets masked; else empty."""
    shown = runner.run(["systemctl", "show", "--no-pager", "--property=InvocationID", "--", unit])
    start = shown.stdout.decode("ascii", "replace").strip().removeprefix("InvocationID=")
    if shown.returncode != 0 or not start.isalnum():
        return ""  # log lines of an earlier run explain nothing
    words = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=1", f"_SYSTEMD_INVOCATION_ID={start}"]
    result = runner.run(words)
    line = result.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2] if result.returncode == 0 else ""
    shown_line = redact_text("".join(sign if sign.isprintable() else "?" for sign in line))[:_MOST_CHARACTERS]
    return f"; its last log line: {shown_line}" if shown_line else ""
