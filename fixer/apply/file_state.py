"""Comparison of file states: what a step expects, what it leaves, and where new files really lie."""

from __future__ import annotations

import hashlib
import posixpath

from fixer.errors import CannotObserve, NeedsPerson
from fixer.lazy.dataclass import replace
from fixer.model.host import Files, Target
from fixer.model.journal import FileState
from fixer.model.plan import FileMeta, Plan, Step, WriteFile

_MODE = 0o7777


def matches_state(actual: FileState, expected: FileState) -> bool:
    """Return whether the path is as expected. A label or ACL is compared only if the expectation has one."""
    if actual.kind != expected.kind:
        return False
    if expected.kind == "absent":
        return True
    if expected.kind == "link":
        return actual.link_target == expected.link_target
    return actual.kind == "file" and actual.sha256 == expected.sha256 and has_same_meta(actual, expected)


def has_same_meta(actual: FileState, expected: FileState) -> bool:
    """Return whether owner, mode, label and ACL match."""
    return (
        (actual.mode & _MODE, actual.uid, actual.gid) == (expected.mode & _MODE, expected.uid, expected.gid)
        and expected.label in ("", actual.label)
        and expected.acl in ("", actual.acl)
    )


def meta_of(state: FileState) -> FileMeta:
    """Return the metadata of a file's state."""
    return FileMeta(state.mode & _MODE, state.uid, state.gid, state.label, bytes.fromhex(state.acl))


def state_of(data: bytes, meta: FileMeta) -> FileState:
    """Return the state of a file with these bytes and metadata."""
    digest = hashlib.sha256(data).hexdigest()
    return FileState("file", digest, len(data), meta.mode & _MODE, meta.uid, meta.gid, meta.label, meta.acl.hex())


def mismatch_text(step: WriteFile, present: FileState) -> str:
    """Return why the present state is not what the step expects; empty if it is."""
    if step.link_target is not None:
        return _link_mismatch_text(step, present)
    if step.before is None:
        return "" if present.kind == "absent" else "exists already"
    if present.kind != "file":
        return "does not exist any more" if present.kind == "absent" else "is not a regular file any more"
    if present.sha256 != hashlib.sha256(step.before).hexdigest():
        return "has changed since it was read"
    if step.expect_meta is not None and not has_same_meta(present, state_of(b"", step.expect_meta)):
        return "has another owner, mode or label than when it was read"
    return ""


def _link_mismatch_text(step: WriteFile, present: FileState) -> str:
    if step.after is not None:
        return "" if present.kind == "absent" else "exists already"
    if present.kind != "link":
        return "is not a symbolic link any more"
    return "" if present.link_target == step.link_target else "points to another path than when it was read"


def state_after(step: WriteFile, present: FileState, default: FileMeta) -> FileState:
    """Return the state of the path after the step. `default` is the metadata of a new file if the step has none."""
    if step.link_target is not None:
        return FileState("absent") if step.after is None else FileState("link", link_target=step.link_target)
    if step.after is None:
        return FileState("absent")
    kept = meta_of(present) if present.kind == "file" else default
    return state_of(step.after, step.meta or kept)


def is_torn(data: bytes, new: bytes, old: bytes) -> bool:
    """Return whether `data` is the result of an interrupted in-place write of `new` over `old`.
    That is a prefix of `new`, alone or followed by the rest of `old`."""
    same = 0
    while same < min(len(data), len(new)) and data[same] == new[same]:
        same += 1
    return len(data) == same or data[same:] == old[same:]


# Real paths of a plan's new files and links: resolved before the plan is shown, and used from then on.


def with_real_paths(drawn: Plan, target: Target) -> Plan:
    """Return the plan with the real folders of new files, and of links that it changes.
    A file that was read has its real path already: a link that appeared since then stops the repair."""
    return replace(drawn, steps=tuple(_with_real_path(step, target) for step in drawn.steps))


def changed_path_notes(before: Plan, after: Plan) -> tuple[str, ...]:
    """Return a line for each path that a link resolves to another one."""
    pairs = zip(before.steps, after.steps, strict=True)
    lines = [f"{old.path} is {new.path}: its path contains a link" for old, new in pairs
             if isinstance(old, WriteFile) and isinstance(new, WriteFile) and old.path != new.path]
    return tuple(dict.fromkeys(lines))


def identity_notes(plan: Plan, target: Target) -> tuple[str, ...]:
    """Return what a change of each file concerns besides its bytes: its other names, attributes that it will lose."""
    notes: list[str] = []
    for step in plan.steps:
        if not isinstance(step, WriteFile) or step.link_target is not None or step.before is None:
            continue
        try:
            files = target.writer(step.node).files
            notes += _identity_notes(step, files.state(step.path), files)
        except (NeedsPerson, CannotObserve, OSError):
            continue  # applying the step says why
    return tuple(dict.fromkeys(notes))


def _identity_notes(step: WriteFile, present: FileState, files: Files) -> list[str]:
    path = step.display_path or step.path
    if present.kind != "file" or step.in_place:
        return []
    other = present.links - 1
    named = f"{path} has {'another name' if other == 1 else f'{other} other names'} (hard link)"
    if step.after is None:
        return [f"{named}: an undo makes a file of its own"] if other else []
    if other:  # it is written in place
        return [f"{named}: all names change with it, and an undo restores all"]
    lost = files.lost_attributes(step.path)
    return [f"{path}: a changed file does not keep these extended attributes: {lost}"] if lost else []


def _with_real_path(step: Step, target: Target) -> Step:
    if not isinstance(step, WriteFile) or (step.before is not None and step.link_target is None):
        return step
    try:
        files = target.writer(step.node).files
        dirs = tuple(_real_path(files, folder) for folder in step.create_dirs)
        return replace(step, path=_real_path(files, step.path), create_dirs=dirs)
    except (NeedsPerson, CannotObserve, OSError):
        return step  # nothing can be changed there now; applying the step says why


def _real_path(files: Files, path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(files.real(folder), name)
