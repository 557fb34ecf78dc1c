"""File changes of a repair, and their undo. Order: check, save before-image, write intent, change, write done."""

from __future__ import annotations

import dataclasses
import errno
import posixpath

from fixer.apply.file_state import has_same_meta, is_torn, matches_state, meta_of, mismatch_text, state_after
from fixer.apply.journal_folder import Journal, blob_name
from fixer.apply.journal_records import Intent
from fixer.errors import Conflict, StepFailed
from fixer.lazy.dataclass import dataclass, replace
from fixer.model.host import Files
from fixer.model.journal import FileState, Record
from fixer.model.plan import FileMeta, WriteFile
from fixer.redaction.masked_steps import step_to_json

_FOLDER_MODE = 0o755  # folders of unit drop-ins, which every user may list


@dataclass(frozen=True, slots=True)
class FileChange:
    """A checked change, ready to journal: the intent, and the before-image if there is one."""

    step: WriteFile
    intent: Record
    blob_data: bytes | None


def prepare_change(step: WriteFile, draft: Record, files: Files, run_id: str) -> FileChange:
    """Check the present state against the step and complete `draft`, the intent; raise Conflict on a mismatch.
    A file with several names (hard links) is written in place, so that all keep its bytes: a rename would cut them."""
    _check_step(step)
    present = _present_state(step, files)
    if reason := mismatch_text(step, present):
        raise Conflict(f"{step.path} {reason}", "nothing was written to it; diagnose again")
    if present.links > 1 and not step.in_place and _edits_file(step):
        step = replace(step, in_place=True)
        draft = replace(draft, step=step_to_json(step))
    post = state_after(step, present, _new_file_meta(step, files))
    temp = "" if step.in_place else _temp_name(step.path, run_id, draft)  # an undo needs it too
    blob = blob_name(draft.round, draft.index, step.before or b"") if present.kind == "file" else ""
    dirs = tuple(d for d in step.create_dirs if files.state(d).kind == "absent")
    intent = dataclasses.replace(draft, pre=present, post=post, temp=temp, blob=blob, dirs=dirs)
    return FileChange(step, intent, step.before if blob else None)


def _edits_file(step: WriteFile) -> bool:
    """Return whether the step changes the bytes of a file that exists."""
    return step.link_target is None and step.before is not None and step.after is not None


def _present_state(step: WriteFile, files: Files) -> FileState:
    try:
        return files.state(step.path)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise Conflict(f"{step.path}: {error.strerror}", "nothing was written to it; diagnose again") from error


def _check_step(step: WriteFile) -> None:
    if step.in_place and (step.before is None or step.after is None or step.link_target is not None):
        raise StepFailed(f"{step.path} is a mount point and can be neither created nor removed")
    if step.link_target is None and step.before is None and step.after is None:
        raise StepFailed(f"the step for {step.path} contains no change")


def _new_file_meta(step: WriteFile, files: Files) -> FileMeta:
    """Return the metadata of a new file: mode 0644, and the owner of its nearest existing folder."""
    folder = posixpath.dirname(step.path)
    while (state := files.state(folder)).kind == "absent" and folder not in ("/", ""):
        folder = posixpath.dirname(folder)
    return FileMeta(0o644, state.uid, state.gid)


def _temp_name(path: str, run_id: str, draft: Record) -> str:
    """Return a path in the file's folder, so that rename works; `include dir/*` skips names with a leading dot."""
    return f"{posixpath.dirname(path)}/.badgateway-{run_id}-{draft.round}-{draft.index}"


def store_before_image(change: FileChange, journal: Journal) -> None:
    """Store what undo needs. Nothing on the target has changed when this returns."""
    if change.blob_data is not None:
        journal.store_blob(change.intent.blob, change.blob_data)
    if change.step.in_place and change.step.after is not None:
        journal.store_image(change.intent.blob, change.step.after)


def perform_change(change: FileChange, files: Files) -> FileState:
    """Change the file as the intent says; return its new state."""
    step, intent = change.step, change.intent
    for folder in intent.dirs:
        files.mkdir(folder, _FOLDER_MODE)
    assert intent.pre is not None and intent.post is not None
    if step.link_target is not None and step.after is not None:
        files.symlink(step.link_target, step.path)
    elif step.after is None:
        _require_unchanged(files, step.path, intent.pre)
        files.unlink(step.path)
    else:
        write_bytes(files, step.path, step.after, intent.post, temp=intent.temp, present=intent.pre)
    return files.state(step.path)


def write_bytes(files: Files, path: str, data: bytes, wanted: FileState, *, temp: str, present: FileState) -> None:
    """Write bytes and metadata: by rename, or in place if `temp` is empty. `present` is what the change starts from.
    The last check comes immediately before the change. An edit between the two, microseconds here and a round trip over
    ssh or docker, is lost: no call of the kernel compares and replaces."""
    if temp:
        files.create(temp, data, meta_of(wanted))
        if present.kind == "file":
            _copy_attributes(files, path, temp, present)
        _require_unchanged(files, path, present)
        files.rename(temp, path)
        return
    _require_unchanged(files, path, present)
    files.overwrite(path, data)
    if not has_same_meta(present, wanted):
        files.set_meta(path, meta_of(wanted))



def _copy_attributes(files: Files, path: str, temp: str, present: FileState) -> None:
    try:
        files.copy_attributes(path, temp)
    except OSError:
        _require_unchanged(files, path, present)
        raise


def _require_unchanged(files: Files, path: str, present: FileState) -> None:
    now = files.state(path)
    if not matches_state(now, present):
        raise Conflict(f"{path} {_foreign_change_text(present, now)}", "nothing was written to it; diagnose again")


def _foreign_change_text(pre: FileState, present: FileState) -> str:
    """Return what somebody else did to a path that an undo therefore leaves as it is."""
    if present.kind == "absent":
        return "was removed by somebody else; it was not restored"
    if present.kind not in ("file", pre.kind):
        what = "a symbolic link" if present.kind == "link" else "no regular file"
        return f"was replaced by somebody else and is {what} now; it was left unchanged"
    return "was changed by somebody else; it was left unchanged"


@dataclass(frozen=True, slots=True)
class FileRestore:
    """Undo of one file write, from its intent and before-image.
    `earlier`: states that earlier writes of the same file found; they are undone after this one."""

    step: WriteFile
    item: Intent
    files: Files
    journal: Journal
    earlier: tuple[FileState, ...] = ()

    @property
    def intent(self) -> Record:
        """Return the journaled intent."""
        return self.item.intent

    def is_in_force(self) -> bool:
        """Return whether the file is as the step left it."""
        present = self.files.state(self.step.path)
        return any(matches_state(present, post) for post in self._expected_posts())

    def run(self) -> bool:
        """Restore the file; return False if it was already restored. Raise Conflict if somebody else changed it."""
        pre, present = self._pre, self.files.state(self.step.path)
        # an interrupted undo may have restored these too
        if any(matches_state(present, state) for state in (pre, *self.earlier)):
            return False
        if not self._is_ours(present):
            raise Conflict(f"{self.step.path} {_foreign_change_text(pre, present)}")
        if pre.kind == "absent":
            self.files.unlink(self.step.path)
        elif pre.kind == "link":
            self.files.symlink(pre.link_target, self.step.path)
        else:
            self._put_back(present)
        return True

    @property
    def _pre(self) -> FileState:
        assert self.intent.pre is not None
        return self.intent.pre

    def _expected_posts(self) -> tuple[FileState, ...]:
        done = self.item.done.post if self.item.done is not None else None
        return tuple(post for post in (done, self.intent.post) if post is not None)

    def _is_ours(self, present: FileState) -> bool:
        if any(matches_state(present, post) for post in self._expected_posts()):
            return True
        return self.step.in_place and present.kind == "file" and self._is_torn(present)

    def _is_torn(self, present: FileState) -> bool:
        """Return whether an in-place write of ours, in either direction, stopped halfway. Its images still exist."""
        states = (self._pre, *self._expected_posts())
        if not any(has_same_meta(present, state) for state in states):
            return False
        if present.sha256 in {state.sha256 for state in states}:
            return True  # all bytes written, the mode not yet
        images = self.journal.images(self.intent.blob)
        before, data = self.journal.read_blob(self.intent.blob), self.files.read(self.step.path)
        forward = self.item.done is None and any(is_torn(data, image, before) for image in images)
        return forward or any(is_torn(data, before, image) for image in images)

    def _put_back(self, present: FileState) -> None:
        before = self.journal.read_blob(self.intent.blob)
        if self.step.in_place:
            self.journal.store_image(self.intent.blob, self.files.read(self.step.path))
        self._remove_temp()
        write_bytes(self.files, self.step.path, before, self._pre, temp=self.intent.temp, present=present)

    def sweep(self) -> None:
        """Remove the temporary file and created folders that are empty again."""
        self._remove_temp()
        for folder in reversed(self.intent.dirs):
            if self.files.state(folder).kind == "other" and not self.files.listdir(folder):
                self.files.rmdir(folder)

    def remains(self) -> tuple[str, ...]:
        """Return what `sweep` would remove."""
        temp = self.intent.temp
        found = [temp] if temp and self.files.state(temp).kind != "absent" else []
        return (*found, *(folder for folder in self.intent.dirs
                          if self.files.state(folder).kind == "other" and not self.files.listdir(folder)))

    def _remove_temp(self) -> None:
        if self.intent.temp and self.files.state(self.intent.temp).kind != "absent":
            self.files.unlink(self.intent.temp)
