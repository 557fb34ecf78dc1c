"""Hints for changes that a machine refuses even to root: an immutable file or folder, a read-only mount."""

from __future__ import annotations

import posixpath

from fixer.apply.steps.node_access import Nodes, Runner
from fixer.errors import FixerError
from fixer.model.plan import Step, WriteFile

# the C library's messages, since sh gives no errno
_NOT_PERMITTED, _READ_ONLY = "Operation not permitted", "Read-only file system"
_FLAGS = {"i": "immutable", "a": "append-only"}  # of lsattr; the first one found names the way out
_SECONDS = 5.0


def refusal_hint(step: Step, said: str, nodes: Nodes) -> str:
    """Return a hint that continues the message `said`; empty if the reason is another one."""
    if not isinstance(step, WriteFile):
        return ""
    if _READ_ONLY in said:
        return f"; findmnt -T {step.path} shows the read-only mount: change the file at its source"
    if _NOT_PERMITTED not in said:
        return ""
    folder = posixpath.dirname(step.path)
    try:
        flag, place = _flagged_path(nodes.runner(step.node), (folder, step.path))
    except (FixerError, OSError):
        flag = ""
    if not flag:
        return (f"; if lsattr -d {folder} {step.path} shows an i or a, that one is immutable or append-only: "
                f"chattr -i {step.path} (or -a, or the folder) allows changes")
    what = "folder" if place == folder else "file"
    return f"; the {what} is {_FLAGS[flag]}: chattr -{flag} {place} allows changes"


def _flagged_path(runner: Runner, places: tuple[str, ...]) -> tuple[str, str]:
    """Return the flag that stops a change, and the path that has it; two empty texts if lsattr shows none."""
    for place in places:  # one call each: lsattr stops at a path that is missing
        shown = runner.run(["lsattr", "-d", place], timeout=_SECONDS)
        flags = shown.stdout.decode("ascii", "replace").partition(" ")[0] if shown.returncode == 0 else ""
        for flag in _FLAGS:
            if flag in flags:
                return flag, place
    return "", ""
