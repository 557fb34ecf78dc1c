"""What systemctl is told: a unit that pauses between two tries is started at once, by every systemd."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixer.apply.units import apply_unit
from fixer.hosts.base import CommandResult
from fixer.model.plan import UnitAction


class Systemd:
    """Answers as a unit that is in the given state until it is told to start."""

    def __init__(self, active: str, sub: str) -> None:
        self.state = (active, sub)
        self.told: list[str] = []

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        verb = next(word for word in argv[1:] if not word.startswith("-"))
        if verb != "show":
            self.told.append(verb)
        if verb in ("start", "restart"):
            self.state = ("active", "running")
        shown = f"ActiveState={self.state[0]}\nSubState={self.state[1]}\nResult=success\nExecMainStatus=0\n"
        return CommandResult(tuple(argv), 0, shown.encode() if verb == "show" else b"", b"")


@pytest.mark.parametrize(("active", "sub", "verb"), [
    ("activating", "auto-restart", "restart"), ("inactive", "dead", "start"), ("failed", "failed", "start"),
])
def test_a_pause_between_two_tries_is_not_waited_for(active: str, sub: str, verb: str) -> None:
    """Before systemd 254 a start of such a unit waits until RestartSec is over."""
    systemd = Systemd(active, sub)
    apply_unit(UnitAction("web", "shop.service", "start", active, "enabled"), systemd)
    assert systemd.told == ["reset-failed", verb]
