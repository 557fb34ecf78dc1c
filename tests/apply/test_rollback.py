"""What was cut off in the middle of a command, whose end nobody saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.apply import rollback
from fixer.apply.journal_folder import create_run
from fixer.apply.rollback import recover, wait_for_commands
from fixer.apply.steps.node_access import Nodes
from fixer.errors import Unreachable
from fixer.model.host import CommandResult
from fixer.model.journal import Record
from fixer.model.plan import ContainerAction, UnitAction
from fixer.redaction.masked_steps import step_to_json
from tests.apply.folder_target import FolderTarget


@pytest.mark.parametrize(("grace", "waited"), [(25.0, 40.0), (None, 15.0)])
def test_a_container_that_stops_slowly_is_given_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: float | None, waited: float,
) -> None:
    """As it is set up to; where Docker does not say, the usual."""
    target = FolderTarget(tmp_path)
    writer, folder = target.journal_location()
    journal = create_run(writer.files, folder, "20260101-000000-abcd", Record(0, 0.0, "begin", home="local"))
    journal.append(Record(0, 0.0, "round", 1))
    journal.append(Record(0, 0.0, "intent", 1, 0, step_to_json(ContainerAction("c" * 64, "shop-web-1", "restart", "running")), "restart it"))
    slept: list[float] = []
    last = journal.records[-1].at
    monkeypatch.setattr(Nodes, "engine", lambda self: writer)
    monkeypatch.setattr(writer, "run", lambda *_, **__: CommandResult((), 0, b"" if grace is None else b"35\n", b""), raising=False)
    monkeypatch.setattr(rollback.time, "time", lambda: last)
    monkeypatch.setattr(rollback.time, "sleep", slept.append)
    wait_for_commands(journal, Nodes(target, writer, "local"))
    assert slept == [waited]


def test_a_docker_that_does_not_answer_gives_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = FolderTarget(tmp_path)
    writer, _ = target.journal_location()

    def lost(*_: object) -> float:
        raise Unreachable("no daemon")

    monkeypatch.setattr(Nodes, "engine", lambda self: writer)
    monkeypatch.setattr(rollback, "stop_grace", lost)
    assert rollback._stop_seconds(ContainerAction("c" * 64, "shop-web-1", "restart", "running"), Nodes(target, writer, "local")) == 0.0


@pytest.mark.parametrize(("ago", "done", "waited"), [(0.0, False, 15.0), (5.0, False, 10.0), (60.0, False, 0.0), (0.0, True, None)])
def test_a_command_whose_end_nobody_saw_is_given_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ago: float, done: bool, waited: float | None,
) -> None:
    """Taken back while it is still at work, it would be done all the same."""
    target = FolderTarget(tmp_path)
    writer, folder = target.journal_location()
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
