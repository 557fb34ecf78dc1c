"""A supervisord that does not let us talk to it: said before anything begins, as what is missing, never as a conflict."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixer.apply.steps.program_step import require_supervisor_access
from fixer.errors import NeedsPerson
from fixer.model.host import CommandResult
from fixer.model.plan import ProgramAction

STEP = ProgramAction("local", "desk", "desk", "start", "/etc/supervisor/supervisord.conf", "STOPPED")
DENIED = "error: <class 'PermissionError'>, [Errno 13] Permission denied: file: /usr/lib/python3/dist-packages/supervisor/xmlrpc.py line: 557\n"


class Supervisor:
    """Answers with these words."""

    def __init__(self, said: str) -> None:
        self.said = said

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return CommandResult(tuple(argv), 1, self.said.encode(), b"")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(NeedsPerson, match="supervisord denies access to desk") as refused:
        require_supervisor_access(STEP, Supervisor(DENIED))
    assert "its socket" in refused.value.hint or "supervisord's socket" in refused.value.hint


@pytest.mark.parametrize("said", ["desk    STOPPED   Not started\n", "desk    FATAL   Permission denied: /srv/desk\n", "desk: ERROR (no such process)\n"])
def test_a_program_in_any_state_was_heard(said: str) -> None:
    require_supervisor_access(STEP, Supervisor(said))
