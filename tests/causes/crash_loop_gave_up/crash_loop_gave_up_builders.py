"""What the tests of fixer/causes/crash_loop_gave_up/__init__.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from tests.causes.snapshot_builders import Scene, failed_service, finding_of, log_lines

CAUSE = "crash-loop-gave-up"
END = ("backend.service: Start request repeated too quickly.", "Failed to start backend.service - Office.")


def gave_up(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed_service(log=log_lines(*lines, *END), **changes)).refused()   # type: ignore[arg-type]


def by_hand(*lines: str, **changes: object) -> str:
    return finding_of(diagnose(gave_up(*lines, **changes).snapshot()), CAUSE).repairs[0].manual
