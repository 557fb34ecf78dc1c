"""One file changed: present state checked, before-image kept, intent written, then the change, then done."""

from __future__ import annotations

import dataclasses
import errno
import posixpath

from fixer.apply.file_state import meta_of, outcome, refusal, same_meta
from fixer.apply.journal_folder import Journal, blob_name
from fixer.errors import Conflict, StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.model.host import Files
from fixer.model.journal import FileState, Record
from fixer.model.plan import FileMeta, WriteFile

_FOLDER_MODE = 0o755     # folders of unit drop-ins, which every user may list


@dataclass(frozen=True, slots=True)
class FileChange:
    """A checked change that is ready to be announced: the intent, and the bytes that it leads to."""

    step: WriteFile
    intent: Record
    blob_data: bytes | None


def prepare(step: WriteFile, draft: Record, files: Files, run_id: str) -> FileChange:
    """Check the present state against the step; `draft` is the intent without what only the machine knows."""
    _refuse_nonsense(step)
    present = _present(step, files)
    if reason := refusal(step, present):
        raise Conflict(f"{step.path} {reason}", "nothing was written to it; diagnose again")
    post = outcome(step, present, _new_file_meta(step, files))
    temp = "" if step.in_place else _temp_name(step.path, run_id, draft)     # an undo needs it too
    blob = blob_name(draft.round, draft.index, step.before or b"") if present.kind == "file" else ""
    dirs = tuple(d for d in step.create_dirs if files.state(d).kind == "absent")
    intent = dataclasses.replace(draft, pre=present, post=post, temp=temp, blob=blob, dirs=dirs)
    return FileChange(step, intent, step.before if blob else None)


def _present(step: WriteFile, files: Files) -> FileState:
    try:
        return files.state(step.path)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise Conflict(f"{step.path}: {error.strerror}", "nothing was written to it; diagnose again") from error


def _refuse_nonsense(step: WriteFile) -> None:
    if step.in_place and (step.before is None or step.after is None or step.link_target is not None):
        raise StepFailed(f"{step.path} is a mount of its own and can be neither made nor removed")
    if step.link_target is None and step.before is None and step.after is None:
        raise StepFailed(f"nothing is said to be done to {step.path}")


def _new_file_meta(step: WriteFile, files: Files) -> FileMeta:
    """A new file belongs to whoever owns its folder, as far down as there is one."""
    folder = posixpath.dirname(step.path)
    while (state := files.state(folder)).kind == "absent" and folder not in ("/", ""):
        folder = posixpath.dirname(folder)
    return FileMeta(0o644, state.uid, state.gid)


def _temp_name(path: str, run_id: str, draft: Record) -> str:
    """Beside the file, so that a rename can replace it; a leading dot, since `include dir/*` skips such files."""
    return f"{posixpath.dirname(path)}/.badgateway-{run_id}-{draft.round}-{draft.index}"


def keep_before(change: FileChange, journal: Journal) -> None:
    """Store what is needed to take the change back. Nothing on the target has changed when this returns."""
    if change.blob_data is not None:
        journal.store_blob(change.intent.blob, change.blob_data)
    if change.step.in_place and change.step.after is not None:
        journal.store_image(change.intent.blob, change.step.after)


def perform(change: FileChange, files: Files) -> FileState:
    """Change the file, as the intent announced; what it is now."""
    step, intent = change.step, change.intent
    for folder in intent.dirs:
        files.mkdir(folder, _FOLDER_MODE)
    assert intent.pre is not None and intent.post is not None
    if step.link_target is not None and step.after is not None:
        files.symlink(step.link_target, step.path)
    elif step.after is None:
        files.unlink(step.path)
    else:
        put_bytes(files, step.path, step.after, intent.post, temp=intent.temp, present=intent.pre)
    return files.state(step.path)


def put_bytes(files: Files, path: str, data: bytes, wanted: FileState, *, temp: str, present: FileState) -> None:
    """Give the path these bytes and metadata: by rename, in place where no temp name was announced."""
    if temp:
        files.create(temp, data, meta_of(wanted))
        files.rename(temp, path)
        return
    files.overwrite(path, data)
    if not same_meta(present, wanted):
        files.set_meta(path, meta_of(wanted))
