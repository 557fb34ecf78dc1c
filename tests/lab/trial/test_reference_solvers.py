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
    monkeypatch.setattr(reference_solvers, "has_symptom_again", lambda lab, variant: goes_on)
    nothing = cast("Any", None)
    assert reference_solvers.remaining_faults(nothing, nothing) == faults
