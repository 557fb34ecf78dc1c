"""Files behind a real shell that stands still before every command which changes something, or is killed there."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fixer.hosts.sh import sh_files
from fixer.hosts.sh.sh_files import ShFiles

CHANGING_COMMANDS = ("chown", "chmod", "mv", "rm", "ln", "mkdir", "rmdir", "sync", "setfattr", "chcon")

# `point` runs before each of them, in whatever subshell that is: it says so in one pipe and goes on when told in another.
_WATCH_SCRIPT = "point() {{ echo . >{here}; read -r word <{on}; }}\n"
# Here the whole process group ends with signal 9 at point number {at}, once: as when the machine's shell is lost.
_KILL_SCRIPT = """point() {{
  read -r n <{count}; echo $((n+1)) >{count}
  if [ $n = {at} ]; then kill -9 0; sleep 60; fi
}}
"""
_quoted = sh_files.quoted_bytes


def _split_bytes(data: bytes) -> str:
    """The bytes in parts with a point between: every length of what is short."""
    cuts = range(1, len(data)) if len(data) < 32 else (len(data) // 2, len(data) - 1)
    ends = [0, *cuts, len(data)]
    parts = [_quoted(data[a:b]) for a, b in itertools.pairwise(ends) if b > a]
    return "point\n" + "\npoint\n".join(parts) + "\npoint"


@contextlib.contextmanager
def _files_with_points(point: str, commands: Sequence[str] = CHANGING_COMMANDS) -> Iterator[ShFiles]:
    """Files through the sh of this machine, with that `point` before these commands."""
    wrapped = "".join(f'{name}() {{ point; command {name} "$@"; }}\n' for name in commands)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sh_files, "_PRELUDE", point + wrapped + sh_files._PRELUDE)
        patch.setattr(sh_files, "quoted_bytes", _split_bytes)
        files = ShFiles(tuple)
        try:
            yield files
        finally:
            files.close()


@contextlib.contextmanager
def watched_files(folder: Path, see: Callable[[], None], commands: Sequence[str] = CHANGING_COMMANDS) -> Iterator[ShFiles]:
    """`see` is called at every point, while the shell stands still: what is on the disk then is what a kill leaves."""
    here, on = folder / "here", folder / "on"
    for path in (here, on):
        if not path.exists():
            os.mkfifo(path)

    def follow() -> None:
        while here.read_text() == ".\n":
            see()
            on.write_text("on\n")

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        with _files_with_points(_WATCH_SCRIPT.format(here=here, on=on), commands) as files:
            yield files
    finally:
        here.write_text("end\n")
        thread.join(10)


@contextlib.contextmanager
def killed_files(folder: Path, at: int) -> Iterator[ShFiles]:
    """The shell dies at one point; the next one that is started in its place lives."""
    count = folder / "count"
    count.write_text("0\n")
    with _files_with_points(_KILL_SCRIPT.format(count=count, at=at)) as files:
        yield files


def count_points(folder: Path) -> int:
    """How many points there were since the last `killed`."""
    return int((folder / "count").read_text())
