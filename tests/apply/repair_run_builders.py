"""What the tests of fixer/apply/repair_run.py and others are built of."""

from __future__ import annotations

import os
import signal

from fixer.apply.repair_run import RepairRun
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.report import UndoResult
from tests.apply.folder_target import NOW, FolderTarget


def open_run(target: FolderTarget) -> RepairRun:
    return RepairRun.open(target, cause="wrong-port", now=NOW)


def assert_left_alone(result: UndoResult, note: str) -> None:
    assert (result.restored, result.conflicts, result.irreversible) == ((), (), ())
    assert note in result.notes[0]


class Interrupting(LocalFiles):
    """Sends this process signals in the middle of chosen operations."""

    def __init__(self, *when: str) -> None:
        self._when = list(when)

    def rename(self, source: str, destination: str) -> None:
        super().rename(source, destination)
        while self._when and self._when[0] in destination:
            self._when.pop(0)
            os.kill(os.getpid(), signal.SIGINT)
