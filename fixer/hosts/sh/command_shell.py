"""One `sh -s` on a node for all commands of a repair: to start a program in a container costs more than most commands.

Each command is a session of its own, as if it had been started alone: it may be killed with all that it started, and
nothing of it is left for the next one."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Sequence

from fixer.hosts.machine import run_process
from fixer.hosts.machine.run_process import MAX_OUTPUT, RoundProcess
from fixer.hosts.sh.run_command import RUN_SCRIPT
from fixer.lazy.dataclass import replace
from fixer.model.host import CommandResult

_READY_SECONDS = 5.0  # seconds for an idle shell to answer: one in a paused container never does

# `held` tells whether a process that a command left still has one of our outputs, and may write into the answer to a
# later one. Another account's processes cannot be looked into without CAP_SYS_PTRACE: those that are new count, if they
# do not end (flag 4) and are no threads of the kernel (flag 2097152).
_PRELUDE = rb"""
seen() { for f in "$1"/fd/[0-9]; do [ -e "$f" ] && return 0; done; return 1; }
closed() {
  read -r x 2>/dev/null <"$1/stat" || return 1
  set -- ${x##*) }
  case "$7" in *[!0-9]*|'') return 0 ;; esac
  [ "$1" != Z ] && [ "$1" != X ] && [ $(($7 & 2097156)) = 0 ]
}
known=' '
for p in /proc/[0-9]*; do seen "$p" || known="$known$p "; done
held() {
  [ "/proc/$$/fd/1" -ef "/proc/$$/fd/1" ] 2>/dev/null || return 0
  for p in /proc/[0-9]*; do
    [ "$p" != "/proc/$$" ] || continue
    if ! seen "$p"; then
      case "$known" in *" $p "*) ;; *) ! closed "$p" || return 0 ;; esac
      continue
    fi
    for f in "$p"/fd/[0-9]; do
      if [ "$f" -ef "/proc/$$/fd/1" ] || [ "$f" -ef "/proc/$$/fd/2" ]; then return 0; fi
    done
  done
  return 1
}
"""


class CommandShell:
    """A shell that runs one command after the other, until it is closed. It is replaced where it has ended, as in a
    container that restarted, and after a command that left a process with our outputs."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = (*argv, "sh", "-s")
        self._alone = (*argv, "sh", "-c", RUN_SCRIPT, "sh")
        self._process: RoundProcess | None = None
        self._has_setsid = True
        self._turn = threading.Lock()

    def run(self, argv: Sequence[str], nonce: str, *, stdin: bytes = b"", timeout: float) -> CommandResult:
        """Run a command to its end, by `RUN_SCRIPT` and with its nonce: `unwrap_result` reads the answer.
        One with standard input has a program of its own. A command is sent only once, to a shell that answered."""
        if stdin or not self._has_setsid or any("\0" in word for word in argv):
            return run_process.run((*self._alone, nonce, *argv), stdin=stdin, timeout=timeout)
        with self._turn:
            refused = self._make_ready(timeout)
            result = refused or self._send(argv, nonce, timeout)
            self._has_setsid = result.returncode != 0 or nonce.encode() in result.stderr
        if not self._has_setsid:    # then nothing has begun
            return run_process.run((*self._alone, nonce, *argv), timeout=timeout)
        return result

    def close(self) -> None:
        """End the shell."""
        if self._process is not None:
            self._process.end_input()
            self._process.close()
            self._process = None

    def _make_ready(self, timeout: float) -> CommandResult | None:
        """Have a shell that answers; else return how starting one failed."""
        if self._process is not None:
            if self._process.alive and self._answers(b"", min(timeout, _READY_SECONDS)).returncode == 0:
                return None
            self.close()
        try:
            self._process = RoundProcess(self._argv)
        except OSError:     # the words for that are those of a single run
            return run_process.run(self._argv, timeout=timeout)
        answer = self._answers(_PRELUDE, timeout)
        return None if answer.returncode == 0 else answer

    def _answers(self, text: bytes, timeout: float) -> CommandResult:
        assert self._process
        mark = os.urandom(16).hex().encode()
        return self._process.ask(text + b"echo; echo %s\n" % mark, b"\n%s\n" % mark, timeout=timeout,
                                 max_output=MAX_OUTPUT)

    def _send(self, argv: Sequence[str], nonce: str, timeout: float) -> CommandResult:
        assert self._process
        mark = os.urandom(16).hex()
        command = shlex.join(("setsid", "sh", "-c", RUN_SCRIPT, "sh", nonce, *argv))
        ends = f"printf '\\n{mark} %s\\n{mark}\\n' \"$h\"; printf '\\n{mark}\\n' >&2"
        text = os.fsencode(f"{command} </dev/null\nh=held; held || h=free; {ends}\n")
        result = self._process.ask(text, f"\n{mark}\n".encode(), timeout=timeout, max_output=MAX_OUTPUT, both=True)
        output, flag, state = result.stdout.rpartition(f"\n{mark} ".encode())
        if result.returncode != 0 or state != b"free":
            self.close()
        return replace(result, stdout=output) if flag else result
