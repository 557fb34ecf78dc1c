"""Tests of lab/trial/reference_solvers.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.trial import reference_solvers


@pytest.mark.parametrize(("failing", "goes_on", "faults"), [
    ((), False, []), ((), True, ["nginx still logs the same error"]), (("login page: 502",), True, ["login page: 502"]),
])
def test_a_fault_that_the_oracle_cannot_see_is_looked_for_in_the_log(
    failing: tuple[str, ...], goes_on: bool, faults: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reference_solvers, "ask_oracle", lambda lab: SimpleNamespace(failing=failing))
    monkeypatch.setattr(reference_solvers, "has_symptom_again", lambda lab, variant, as_at_first: goes_on)
    nothing = cast("Any", None)
    assert reference_solvers.remaining_faults(nothing, nothing) == faults


@pytest.mark.parametrize(("comes_back", "is_cured"), [(True, False), (False, True)])
def test_after_a_restart_a_rare_fault_has_as_long_to_show_as_at_first(
    comes_back: bool, is_cured: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost form a minute is no less lost because the machine is busy."""
    lab = cast("Any", SimpleNamespace(settle=lambda seconds: None))
    monkeypatch.setattr(reference_solvers, "restart_everything", lambda lab: None)
    monkeypatch.setattr(reference_solvers, "run_again_steps", lambda lab, variant: None)
    monkeypatch.setattr(reference_solvers, "ask_oracle", lambda lab: SimpleNamespace(failing=()))
    monkeypatch.setattr(reference_solvers, "has_symptom_again", lambda lab, variant, as_at_first: as_at_first and comes_back)
    monkeypatch.setattr(reference_solvers, "_stays_well", lambda lab: True)
    assert bool(reference_solvers.restart_cure_problems(lab, cast("Any", None))) is is_cured
