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


def unit_action(service: Service, unit: Unit, verb: Verb, describe: str = "") -> UnitAction:
    """One systemctl verb, with the states that an undo goes back to."""
    gone = unit is service.unit and is_left_alone(service)
    return UnitAction(
        service.node, unit.name, verb, "exited" if gone else unit.active_state, unit.unit_file_state, unit.main_pid,
        describe,
    )
