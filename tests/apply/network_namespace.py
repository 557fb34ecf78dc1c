"""A network namespace of its own, in which real tools change real rules and routes."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.hosts.machine import run_process
from fixer.model.host import CommandResult


class NetworkNamespace:
    """Commands run in the network namespace of a process."""

    def __init__(self, pid: int) -> None:
        self._enter = ("nsenter", "-t", str(pid), "-n")

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return run_process.run((*self._enter, *argv), stdin=stdin, timeout=timeout)
