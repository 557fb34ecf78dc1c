"""What the tests of fixer/causes/slow_start.py and others are built of."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.snapshot import BlockingUnit, Service
from tests.causes.snapshot_builders import Scene, stopped_service


def queued(*awaited: BlockingUnit) -> Service:
    made = stopped_service()
    assert made.unit is not None
    return replace(made, unit=replace(made.unit, job=58, blocked_by=awaited))


def told(*awaited: BlockingUnit) -> Diagnosis:
    return diagnose(Scene().with_service(queued(*awaited)).refused().snapshot())
