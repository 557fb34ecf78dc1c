"""What supervisord says where it could not even start a program, as the step at which systemd would have failed."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.regex import regex

Why: TypeAlias = Literal["missing", "denied", "format", "unknown"]

CHDIR, EXEC = 200, 203       # systemd's numbers for these steps
UNSPAWNED = "exit status 127"       # of the child that could not become the program
UNFOUND = frozenset({UNSPAWNED, "exit status 126"})      # of a shell that could not either

_BEFORE: tuple[tuple[str, Why], ...] = (       # supervisor.process, looked up before it forks
    ("can't find command ", "missing"), ("command at ", "denied"), ("no permission to run command ", "denied"),
)
# What the child that it forks leaves in the program's own log.
_CHILD = regex(r"^supervisor: couldn't (?P<step>chdir to|exec) .*: (?P<code>[A-Z]+)$")
_CODES: dict[str, Why] = {"ENOENT": "missing", "ENOTDIR": "missing", "EACCES": "denied", "ENOEXEC": "format"}


def unspawned(ended: str) -> tuple[int, Why] | None:
    """The step, and why, from what its own log says after `spawnerr:`."""
    return next(((EXEC, why) for words, why in _BEFORE if ended.startswith(words)), None)


def unspawned_child(line: str) -> tuple[int, Why] | None:
    """The same from a line that the child left in the program's log."""
    match = _CHILD.match(line.strip())
    if match is None:
        return None
    return CHDIR if match["step"] == "chdir to" else EXEC, _CODES.get(match["code"], "unknown")
