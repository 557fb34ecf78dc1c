"""The exception tree. Each class carries the exit code and the kind that `--json` prints.

FixerError
├── UsageError            2  invalid arguments on the command line, an unknown ID
├── CannotObserve         3  the target does not exist, or cannot be observed
│   ├── NoSuchTarget      3
│   ├── NoNginx           3  no nginx on the target (the hint names the right target if one is known)
│   └── Unreachable       3  the transport failed: docker or ssh did not answer
│       └── ConnectionLost 3 it ended in the middle of a command
├── NotHealthy            1  learn: an unhealthy deployment is not remembered
├── StepFailed            1  a step of a repair failed; the engine rolls back
├── Conflict              1  the present state is neither before nor after: somebody's hand edit
├── Locked                4  another repair or undo runs on this target
├── NeedsPerson           4  an input, a choice or a flag is missing
└── Interrupted         130  Ctrl-C, after the round was rolled back
"""

from __future__ import annotations

from typing import ClassVar


class FixerError(Exception):
    """A failure that ends as one clear line: `message`, then `hint` (what to do next)."""

    exit_code: ClassVar[int] = 3
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FixerError):
    """The command line cannot be carried out as written."""

    exit_code = 2
    kind = "usage"


class CannotObserve(FixerError):
    """Nothing could be learned about the target."""

    exit_code = 3
    kind = "cannot-observe"


class NoSuchTarget(CannotObserve):
    """The target does not exist."""

    kind = "no-such-target"


class NoNginx(CannotObserve):
    """The target holds no nginx that could be judged."""

    kind = "no-nginx"


class Unreachable(CannotObserve):
    """The transport (docker, ssh) did not answer."""

    kind = "unreachable"


class ConnectionLost(Unreachable):
    """The transport ended in the middle of a command, which may or may not have run."""


class NotHealthy(FixerError):
    """Only a healthy deployment is remembered."""

    exit_code = 1
    kind = "not-healthy"


class StepFailed(FixerError):
    """A step of a repair failed; the steps before it are rolled back."""

    exit_code = 1
    kind = "step-failed"


class StartFailed(StepFailed):
    """A service manager reports that a start failed."""


class NotListening(StepFailed):
    """All steps were applied, but nothing listens at the end: perhaps the next fault shows only now."""


class Conflict(FixerError):
    """The present state is not what the plan or the journal expects: somebody else changed it."""

    exit_code = 1
    kind = "conflict"


class Locked(FixerError):
    """Another repair or undo holds the lock of this target."""

    exit_code = 4
    kind = "locked"


class NeedsPerson(FixerError):
    """An operator must give an input, make a choice, or allow a riskier step."""

    exit_code = 4
    kind = "needs-person"


class Interrupted(FixerError):
    """Ctrl-C; the open round was rolled back."""

    exit_code = 130
    kind = "interrupted"
