"""One systemctl verb as a step, with the states that an undo goes back to."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.model.plan import UnitAction
from fixer.model.snapshot import Service, Unit

Verb: TypeAlias = Literal["start", "stop", "restart", "enable", "disable", "reset-failed"]


def is_left_alone(service: Service) -> bool:
    """A unit that only starts things (rc.local, an init script, a oneshot that remains) is active still; what it
    started is gone."""
    unit = service.unit
    return unit is not None and (unit.active_state, unit.sub_state) == ("active", "exited") and not service.pids


def starts_one_program(service: Service, unit: Unit) -> bool:
    """A oneshot of its own for one command, started at boot; what rc.local starts besides nobody knows."""
    commands = [s for s in service.unit_values if s.key == "ExecStart" and s.value.strip()]
    return (unit.type == "oneshot" and unit.unit_file_state == "enabled" and len(commands) == 1
            and unit.name != "rc-local.service")


def unit_action(service: Service, unit: Unit, verb: Verb, describe: str = "") -> UnitAction:
    """One systemctl verb, with the states that an undo goes back to."""
    gone = unit is service.unit and is_left_alone(service)
    return UnitAction(
        service.node, unit.name, verb, "exited" if gone else unit.active_state, unit.unit_file_state, unit.main_pid,
        describe,
    )
