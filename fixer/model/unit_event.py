"""What a service manager says of a unit in its log: one typed event, whatever words or fields it was read from."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

UnitEventKind: TypeAlias = Literal[
    "starting", "started", "stopping", "stopped",      # jobs of the unit
    "start-failed", "dependency-failed",               # start jobs that failed
    "main-exited", "control-exited",                   # code, status: an end of the program, or of a command around it
    "failed", "succeeded",                             # the end of a run; failed: result
    "restart-scheduled",                               # count: restarts so far, 0 if it is not said
    "start-limit",                                     # systemd starts it no more
    "oom-kill",                                        # the kernel's OOM killer ended one of its processes
    "step-failed",                                     # subject: the step before the program; detail: the reason
    "start-timeout", "stop-timeout", "timeout",        # timeout: of another operation that systemd then terminates
    "watchdog", "runtime-limit",
    "pid-file-missing",                                # subject: its path
    "environment-file-missing",
    "variables-unset",                                 # detail: their names, between ", "
    "condition-unmet",                                 # subject, detail: Condition…= and its value, empty if not said
    "assertion-failed",
    "bad-unit-file",                                   # subject: file:line, empty for the whole unit; detail: what
    "ordering-cycle", "start-job-dropped",             # ordering-cycle: the unit that it names is the subject
    "other",                                           # what no rule reads
]
# Who wrote a line: unknown for text, whose writer is a name that any program may give itself.
LineWriter: TypeAlias = Literal["unknown", "manager", "program"]
SpawnReason: TypeAlias = Literal["missing", "denied", "format", "unknown"]


@dataclass(frozen=True, slots=True)
class UnitEvent:
    """One event. `unit` is the unit that it is about, empty if only a description is said. `code` is how a process
    ended (exited, killed, dumped), `status` its exit status or the number of its signal. `result` is systemd's Result.
    `subject` and `detail` are named at each kind; `reason` is why a step failed."""

    kind: UnitEventKind
    unit: str = ""
    code: str = ""
    status: int = 0
    result: str = ""
    count: int = 0
    subject: str = ""
    detail: str = ""
    reason: SpawnReason = "unknown"

    @property
    def is_start(self) -> bool:
        """Return whether a start job of the unit begins or is done."""
        return self.kind in ("starting", "started")

    @property
    def is_stop(self) -> bool:
        """Return whether a stop job of the unit begins or is done."""
        return self.kind in ("stopping", "stopped")
