"""fixer as it always is, but for one thing: at point number AT of what it changes, its process ends with signal 9.

    python -m tests.crash.killed_fixer AT FOLDER WORDS...        WORDS as for fixer; the points passed are listed in FOLDER/points

AT is a number from 0, or how the point's name begins; `nowhere` counts and lists nothing. With BADGATEWAY_AT_POINT, a
command for sh, that happens there instead, and fixer goes on. BADGATEWAY_UNDER_WAY are the seconds that a command may
go on without the fixer that began it, where those of a place are known to be quicker than the slowest anywhere.

A point stands behind each record of the journal, before each change of a file, in the middle of each call to a shell on
the node that changes something (it is sent, its answer never read), and in the middle of each command (it runs, and
goes on without us). Looking changes nothing and has no points.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from fixer.apply import rollback
from fixer.apply.journal_folder import Journal
from fixer.hosts.machine import run_process
from fixer.hosts.machine.local_files import LocalFiles
from fixer.hosts.nodes.container_node import ContainerWriter
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.hosts.sh import sh_files
from fixer.hosts.ssh import SshWriter
from fixer.model.journal import Record

FILE_METHODS = ("create", "append", "overwrite", "set_meta", "rename", "symlink", "unlink", "mkdir", "rmdir", "copy_attributes")
SHELL_FUNCTIONS = ("create", "add", "move", "overwrite", "link", "remove", "folder", "unfolder", "remeta", "attributes")
COMMAND_SECONDS = 0.05      # seconds that a command has had when we end


class Points:
    """Counts, lists, and ends the process at one of them."""

    def __init__(self, at: str, folder: str) -> None:
        self.at, self.passed = at, 0
        self.commands: set[tuple[str, ...]] = set()
        self.log = os.open(f"{folder}/points", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def is_reached(self, name: str) -> bool:
        """Whether this is the one; passes it."""
        os.write(self.log, f"{name}\n".encode())
        self.passed += 1
        return str(self.passed - 1) == self.at or name.startswith(self.at)

    def pass_point(self, name: str) -> None:
        """One point."""
        if self.is_reached(name):
            kill_or_disturb()


COMMAND_AT_POINT = os.environ.pop("BADGATEWAY_AT_POINT", "")


def kill_or_disturb() -> None:
    """The trouble, or an end as the kernel makes it: nothing is tidied up."""
    if not COMMAND_AT_POINT:
        os.kill(os.getpid(), signal.SIGKILL)
    subprocess.run(["sh", "-c", COMMAND_AT_POINT], check=True, timeout=60, stdin=subprocess.DEVNULL)


# Commands that only look. A kill in one leaves what a kill behind the record before it leaves.
READING_COMMANDS = ("stat ", "tail ", "sh -c cat /proc/", "systemctl show ", "docker inspect ", "docker ps ")


def distinct_points(points: Sequence[str]) -> list[int]:
    """The numbers of those points that can leave something else than the one before: between a record and the next
    change lie looks, and the moment before a change of this machine's files."""
    def is_look(name: str) -> bool:
        return name.startswith("command ") and name.removeprefix("command ").startswith(READING_COMMANDS)

    kept = []
    for number, name in enumerate(points):
        before = points[number - 1] if number else ""
        if not ((is_look(name) or name.startswith("file ")) and (is_look(before) or before.startswith("record "))):
            kept.append(number)
    return kept


def add_record_points(points: Points) -> None:
    """A point when a record is on disk."""
    append = Journal.append

    def told(self: Journal, record: Record) -> Record:
        done = append(self, record)
        points.pass_point(f"record {record.phase} {record.describe}".rstrip())
        return done

    Journal.append = told  # type: ignore[method-assign]


def add_file_points(points: Points) -> None:
    """A point before every change of this machine's files."""
    def before(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(change)
        def told(self: LocalFiles, *words: Any, **more: Any) -> Any:
            points.pass_point(f"file {name}")
            return change(self, *words, **more)

        return told

    for name in FILE_METHODS:
        setattr(LocalFiles, name, before(name, getattr(LocalFiles, name)))


def add_shell_points(points: Points) -> None:
    """A point in the middle of every call that changes a file through a shell: it was sent whole, nobody waits for it."""
    call, exchange = sh_files.ShFiles._call, sh_files.ShFiles._exchange
    sending: list[str] = []

    def named(self: sh_files.ShFiles, function: str, *words: str, data: bytes | None = None) -> bytes:
        sending.append(words[1] if function == "at" else function)      # in a folder, there by that function
        try:
            return call(self, function, *words, data=data)
        finally:
            sending.pop()

    def sent(self: sh_files.ShFiles, text: bytes, mark: bytes) -> bytes:
        if sending[-1] in SHELL_FUNCTIONS and self._talk is not None and points.is_reached(f"shell {sending[-1]}"):
            assert self._talk._child.stdin
            if not COMMAND_AT_POINT:
                os.set_blocking(self._talk._child.stdin.fileno(), True)
                os.write(self._talk._child.stdin.fileno(), text)
            kill_or_disturb()
        return exchange(self, text, mark)

    sh_files.ShFiles._call = named  # type: ignore[method-assign]
    sh_files.ShFiles._exchange = sent  # type: ignore[method-assign]


def add_command_points(points: Points) -> None:
    """A point in the middle of every command of a writer, of those that repeat (waiting for something) only once."""
    writing: list[tuple[str, ...]] = []
    start, ask = run_process._start, run_process.RoundProcess.ask

    def is_reached() -> bool:
        if not writing or writing[-1] in points.commands:
            return False
        points.commands.add(writing[-1])
        return points.is_reached(f"command {' '.join(writing[-1])[:120]}")

    def started(argv: Any, env: Any, cwd: Any) -> subprocess.Popen[bytes]:
        child = start(argv, env, cwd)
        if tuple(argv[-2:]) != ("sh", "-s") and is_reached():   # that one waits for the command
            time.sleep(COMMAND_SECONDS)
            kill_or_disturb()
        return child

    def asked(self: run_process.RoundProcess, stdin: bytes, mark: bytes, **more: Any) -> Any:
        if more.get("both") and is_reached():      # a command, not the question whether the shell answers
            assert self._child.stdin
            os.set_blocking(self._child.stdin.fileno(), True)
            os.write(self._child.stdin.fileno(), stdin)
            time.sleep(COMMAND_SECONDS)
            kill_or_disturb()
            stdin = b""
        return ask(self, stdin, mark, **more)

    def within(run: Callable[..., Any]) -> Callable[..., Any]:
        def told(self: Any, argv: Any, **more: Any) -> Any:
            writing.append(tuple(argv))
            try:
                return run(self, argv, **more)
            finally:
                writing.pop()

        return told

    run_process._start = started
    run_process.RoundProcess.ask = asked  # type: ignore[method-assign]
    for writer in (LocalWriter, ContainerWriter, SshWriter):
        writer.run = within(writer.run)  # type: ignore[method-assign]


def main() -> None:
    """Wrap, then be fixer."""
    rollback.COMMAND_SECONDS = float(os.environ.pop("BADGATEWAY_UNDER_WAY", rollback.COMMAND_SECONDS))
    if sys.argv[1] != "nowhere":
        points = Points(sys.argv[1], sys.argv[2])
        for wrap in (add_record_points, add_file_points, add_shell_points, add_command_points):
            wrap(points)
    from fixer.start import main as fixer

    sys.argv = ["fixer", *sys.argv[3:]]
    sys.exit(fixer())


if __name__ == "__main__":
    main()
