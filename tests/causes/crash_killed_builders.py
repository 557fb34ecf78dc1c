"""What the tests of fixer/causes/crash_killed.py and others are built of."""

from __future__ import annotations

from tests.causes.snapshot_builders import Scene, failed_service

KILLED = {"result": "signal", "exec_main_code": 2, "exec_main_status": 9}


def killed(**changes: object) -> Scene:
    values = {**KILLED, **changes.pop("unit_changes", {})}   # type: ignore[dict-item]
    return Scene().with_service(failed_service(unit_changes=values, **changes)).refused()   # type: ignore[arg-type]
