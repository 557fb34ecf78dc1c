"""What was cut off in the middle of a command, whose end nobody saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.apply import rollback
from fixer.apply.journal import create_run
from fixer.apply.nodes import Nodes
from fixer.apply.rollback import recover
from fixer.model.describe import step_to_json
from fixer.model.journal import Record
from fixer.model.plan import UnitAction
from tests.apply.places import FolderTarget


@pytest.mark.parametrize(("ago", "done", "waited"), [(0.0, False, 15.0), (5.0, False, 10.0), (60.0, False, 0.0), (0.0, True, None)])
def test_a_command_whose_end_nobody_saw_is_given_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ago: float, done: bool, waited: float | None,
) -> None:
    """Taken back while it is still at work, it would be done all the same."""
    target = FolderTarget(tmp_path)
    writer, folder = target.journal_place()
    step = UnitAction("local", "no-such-unit-here.service", "enable", "inactive", "enabled")
    journal = create_run(writer.files, folder, "20260101-000000-abcd", Record(0, 0.0, "begin", home="local"))
    journal.append(Record(0, 0.0, "round", 1))
    journal.append(Record(0, 0.0, "intent", 1, 0, step_to_json(step), "start it"))
    if done:
        journal.append(Record(0, 0.0, "done", 1, 0))
    slept: list[float] = []
    last = journal.records[-1].at
    monkeypatch.setattr(rollback.time, "time", lambda: last + ago)
    monkeypatch.setattr(rollback.time, "sleep", slept.append)
    recover(journal, Nodes(target, writer, "local"))
    assert slept[:1] == ([] if waited is None else [waited])
