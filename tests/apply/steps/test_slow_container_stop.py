"""A container that takes long to stop, replaced by a command that outlives the fixer which began it."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.apply import rollback
from fixer.apply.repair_run import RepairRun, undo
from fixer.apply.steps.container_step import compose_command
from fixer.apply.steps.node_access import Nodes
from fixer.model.host import Target
from fixer.model.plan import ComposeUp, Plan
from tests.apply.folder_target import KilledError
from tests.apply.steps import test_container_step
from tests.apply.steps.test_container_step import OLD, Project

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

SLOW = OLD.replace("stop_grace_period: 0s", "stop_grace_period: 16s", 1)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    project = Project(tmp_path, f"slow{uuid.uuid4().hex[:8]}", SLOW)
    try:
        yield project
    finally:
        project.compose("down", "-t", "0")


target = test_container_step.target


def test_what_goes_on_without_us_is_waited_for(project: Project, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken back while the old container was still stopping, the new one would have come all the same."""
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 12.0)
    commands: list[subprocess.Popen[bytes]] = []

    def killed(step: ComposeUp, _: Nodes) -> str:
        if isinstance(step, ComposeUp):
            words = compose_command(step, "up", "-d", "--no-deps", step.service)
            commands.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr("fixer.apply.repair_run.perform_step", killed)
        with RepairRun.open(target, cause="c", now=time.time()) as run:
            run.round(Plan("c", "r", "disruptive", "change it", (project.edit(), project.up())))
    result = undo(target, None)
    commands[0].wait(timeout=60)
    assert result.conflicts == () and project.file.read_text() == SLOW
    assert project.look() == 'running ["sleep","1000"]'
    assert project.compose("ps", "-a", "-q", "worker").count("\n") == 0
