"""The lab's exceptions: the exit codes that its documents promise."""

from __future__ import annotations

import pytest

from lab import errors
from lab.errors import LabError


@pytest.mark.parametrize(("error", "code"), [
    (errors.UsageError, 2), (errors.ScenarioError, 2), (errors.UnexpectedState, 1), (errors.NoDocker, 3), (LabError, 1),
])
def test_each_failure_has_its_exit_code_message_and_hint(error: type[LabError], code: int) -> None:
    made = error("no such lab", "lab status lists them")
    assert (made.exit_code, str(made), made.message, made.hint) == (code, "no such lab", "no such lab", "lab status lists them")
    assert error("x").hint == ""
