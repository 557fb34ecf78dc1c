"""One file taken back from its intent: recognised as before, after or torn by us, else left as somebody's hand edit."""

from __future__ import annotations

from fixer.apply.file_change import put_bytes
from fixer.apply.file_state import is_torn, matches, same_meta
from fixer.apply.journal_folder import Journal
from fixer.apply.journal_records import Intent
from fixer.errors import Conflict
from fixer.lazy.dataclass import dataclass
from fixer.model.host import Files
from fixer.model.journal import FileState, Record
from fixer.model.plan import WriteFile


@dataclass(frozen=True, slots=True)
class FileRestore:
    """The intent to take back, the file system it is on, and the journal that holds the before-image. `earlier`: what
    writes of the same file before this one found, which go back after it."""

    step: WriteFile
    item: Intent
    files: Files
    journal: Journal
    earlier: tuple[FileState, ...] = ()

    @property
    def intent(self) -> Record:
        """What was announced."""
        return self.item.intent

    def is_in_force(self) -> bool:
        """Whether the file is as the step left it."""
        present = self.files.state(self.step.path)
        return any(matches(present, post) for post in self._expected_posts())

    def run(self) -> bool:
        """Put the file back; False when it was as before already. Conflict when somebody else changed it."""
        pre, present = self._pre, self.files.state(self.step.path)
        if any(matches(present, state) for state in (pre, *self.earlier)):     # those too, when it was cut off behind
            return False
        if not self._is_ours(present):
            raise Conflict(f"{self.step.path} was changed by somebody else; it is left as it is")
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
        if any(matches(present, post) for post in self._expected_posts()):
            return True
        return self.step.in_place and present.kind == "file" and self._is_torn(present)

    def _is_torn(self, present: FileState) -> bool:
        """An in-place write of ours, forward or back, stopped halfway: its images are still kept."""
        states = (self._pre, *self._expected_posts())
        if not any(same_meta(present, state) for state in states):
            return False
        if present.sha256 in {state.sha256 for state in states}:
            return True      # all bytes written, the mode not yet
        images = self.journal.images(self.intent.blob)
        before, data = self.journal.read_blob(self.intent.blob), self.files.read(self.step.path)
        forward = self.item.done is None and any(is_torn(data, image, before) for image in images)
        return forward or any(is_torn(data, before, image) for image in images)

    def _put_back(self, present: FileState) -> None:
        before = self.journal.read_blob(self.intent.blob)
        if self.step.in_place:
            self.journal.store_image(self.intent.blob, self.files.read(self.step.path))
        self._remove_temp()
        put_bytes(self.files, self.step.path, before, self._pre, temp=self.intent.temp, present=present)

    def sweep(self) -> None:
        """Remove what may be left: the announced temp file, folders that were made and are empty again."""
        self._remove_temp()
        for folder in reversed(self.intent.dirs):
            if self.files.state(folder).kind == "other" and not self.files.listdir(folder):
                self.files.rmdir(folder)

    def _remove_temp(self) -> None:
        if self.intent.temp and self.files.state(self.intent.temp).kind != "absent":
            self.files.unlink(self.intent.temp)
