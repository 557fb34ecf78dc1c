"""Where a plan's new files and links really come to lie: settled before the plan is shown, and kept to afterwards."""

from __future__ import annotations

import posixpath

from fixer.errors import CannotObserve, NeedsPerson
from fixer.lazy.dataclass import replace
from fixer.model.host import Files, Target
from fixer.model.plan import Plan, Step, WriteFile


def at_real_places(drawn: Plan, target: Target) -> Plan:
    """The plan with the real folders of what it makes, and of the links that it changes.

    A file that was read has its real path already: a link that came in between is a change, and stops the repair.
    """
    return replace(drawn, steps=tuple(_settled(step, target) for step in drawn.steps))


def led_elsewhere(before: Plan, after: Plan) -> tuple[str, ...]:
    """A line for each path that is another one than its name says."""
    pairs = zip(before.steps, after.steps, strict=True)
    lines = [f"{old.path} is {new.path}: a link leads there" for old, new in pairs
             if isinstance(old, WriteFile) and isinstance(new, WriteFile) and old.path != new.path]
    return tuple(dict.fromkeys(lines))


def _settled(step: Step, target: Target) -> Step:
    if not isinstance(step, WriteFile) or (step.before is not None and step.link_target is None):
        return step
    try:
        files = target.writer(step.node).files
        dirs = tuple(_real(files, folder) for folder in step.create_dirs)
        return replace(step, path=_real(files, step.path), create_dirs=dirs)
    except (NeedsPerson, CannotObserve, OSError):
        return step      # nothing can be changed there now; making the change says why


def _real(files: Files, path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(files.real(folder), name)
