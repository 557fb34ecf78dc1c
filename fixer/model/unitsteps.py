"""systemd's numbers for the steps before a program runs (systemd.exec(5), Process Exit Codes), as a unit's status."""

from __future__ import annotations

from fixer.model.service import PreCommand, Unit

STEPS = {200: "CHDIR", 203: "EXEC", 216: "GROUP", 217: "USER", 226: "NAMESPACE"}


def failed_before(unit: Unit) -> PreCommand | None:
    """The command of ExecStartPre= that failed, so that the program was never started."""
    if unit.result not in ("exit-code", "signal", "timeout") or unit.main_pid or unit.exec_main_status:
        return None
    return next((p for p in unit.pre if p.code and (p.code != "exited" or p.status)), None)


def is_before_again(unit: Unit) -> bool:
    """The only command before the program is tried once more: systemd has forgotten how it ended."""
    return len(unit.pre) == 1 and (unit.active_state, unit.sub_state) == ("activating", "start-pre")


def ended_before(unit: Unit) -> bool:
    """systemd failed at one of these steps, or at a command before the program."""
    at_step = not unit.main_pid and unit.result == "exit-code" and unit.exec_main_status in STEPS
    return at_step or failed_before(unit) is not None or is_before_again(unit)
