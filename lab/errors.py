"""The lab's exception tree; each class carries its exit code.

LabError
├── UsageError       2  invalid arguments: unknown scenario, the same lab already up, two labs that match
├── ScenarioError    2  an invalid scenario file: the message names file and key
├── UnexpectedState  1  the lab did not come up, did not break, or did not become well
└── NoDocker         3  no Docker engine answers
"""

from __future__ import annotations

from typing import ClassVar


class LabError(Exception):
    """A failure that ends as one clear line: `message`, then `hint` (what to do next)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LabError):
    """The command line cannot be carried out as written."""

    exit_code = 2


class ScenarioError(LabError):
    """A scenario file is invalid."""

    exit_code = 2


class UnexpectedState(LabError):
    """The stack did not reach the expected state; the message shows the observed one."""

    exit_code = 1


class NoDocker(LabError):
    """No Docker engine answers."""

    exit_code = 3
