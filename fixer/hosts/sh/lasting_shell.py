"""One `sh -s` for all rounds of a look: to start a program in a container costs more than most rounds."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fixer.hosts.machine import run_process
from fixer.hosts.machine.look_budget import is_under_way, lasts_with_look
from fixer.hosts.machine.run_process import RoundProcess
from fixer.hosts.sh.run_command import CLOCK_FRAME
from fixer.model.host import CommandResult


class LastingShell:
    """A shell that runs the scripts of a look one after the other, and ends with it. Outside of a look each script has
    its own. A script runs in a subshell: no variable and no descriptor of it is left for the next one."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._process: RoundProcess | None = None

    def run(self, script: bytes, *, timeout: float, max_output: int) -> CommandResult:
        """Run a script to its end; its standard input is empty. The result is that of a shell of its own, but for the
        exit code: 0 if the script ended."""
        if not is_under_way():
            return run_process.run(self._argv, stdin=script, timeout=timeout, max_output=max_output)
        if self._process is not None and self._process.alive:
            result = _run_round(self._process, script, timeout, max_output)
            if result.returncode == 0 or result.timed_out or CLOCK_FRAME.search(result.stdout):
                return result   # else it ended since the last round, as where a container restarts
        try:
            self._process = RoundProcess(self._argv)
        except OSError:     # the words for that are those of a single run
            return run_process.run(self._argv, stdin=script, timeout=timeout, max_output=max_output)
        lasts_with_look(self._process)
        return _run_round(self._process, script, timeout, max_output)


def _run_round(process: RoundProcess, script: bytes, timeout: float, max_output: int) -> CommandResult:
    mark = os.urandom(16).hex()
    text = b"(\n%s\n) </dev/null\nprintf '\\n%%s\\n' %s\n" % (script, mark.encode())
    return process.ask(text, f"\n{mark}\n".encode(), timeout=timeout, max_output=max_output)
