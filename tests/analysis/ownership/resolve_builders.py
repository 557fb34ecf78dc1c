"""What the tests of fixer/analysis/ownership/resolve.py and others are built of."""

from __future__ import annotations

from fixer.analysis.case import open_case
from fixer.analysis.ownership.resolve import candidate_owners
from tests.causes.snapshot_builders import Scene


def named(scene: Scene) -> list[tuple[str, str]]:
    case = open_case(scene.snapshot(), {})
    return [(owner.service.name, owner.rule) for owner in candidate_owners(case, case.failing_addresses[0])]
