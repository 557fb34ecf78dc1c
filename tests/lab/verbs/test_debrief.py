"""The lesson of every scenario is shown once a lab is well, and not before."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lab.scenario import catalog
from lab.scenario.complete import complete_parameters
from lab.scenario.draw import draw
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.verbs import check
from lab.verbs.debrief import debrief_text
from tests.lab.scenario.test_render import IMAGES


def test_every_debrief_is_shown_whole_within_80_columns() -> None:
    for found in catalog.all_scenarios().values():
        for variant in found.variants:
            stack = variant.stacks[0]
            full = complete_parameters(draw(found, variant, stack, 3), "shop-3f2a", IMAGES).template_values()
            shown = debrief_text(Lab(LabRecord("shop-3f2a", "any", found.name, variant.name, stack, 3, full)), restarted=False)
            assert f"{found.name}/{variant.name}" in " ".join(shown.split())
            assert set(variant.debrief.split()) <= set(shown.split())
            assert max(map(len, shown.splitlines())) <= 80, shown
            assert ("fixer explain" in shown) == (variant.expect.cause is not None)


@pytest.mark.parametrize("is_well", [True, False])
def test_only_a_well_lab_is_debriefed(record: LabRecord, is_well: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict: Any = SimpleNamespace(is_well=is_well, checks=(), failing=(), load=None, to_json=lambda: {"well": is_well})
    monkeypatch.setattr(check, "ask_oracle", lambda lab: verdict)
    text, code = check.check_lab(Lab(record), after_restart=False, as_json=False)
    told, _ = check.check_lab(Lab(record), after_restart=False, as_json=True)
    assert code == (0 if is_well else 1)
    assert ("the kernel refuses the connection" in " ".join(text.split())) is is_well
    assert ("lab check shop-3f2a --after-restart" in text) is is_well
    assert ("debrief" in json.loads(told)) is is_well
