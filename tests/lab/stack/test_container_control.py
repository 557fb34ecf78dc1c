"""Parts with a container of their own: what Compose is asked to do, and when one counts as ended."""

from __future__ import annotations

from typing import Any

import pytest

from lab.stack import container_control, docker_engine
from lab.stack.docker_command import FinishedCommand
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from tests.lab.scenario.test_render import made


def paper() -> Lab:
    full = made("containers", 2)[0]
    return Lab(LabRecord(full.id, "any", "healthy", "healthy", "containers", 2, full.template_values(), port=8080))


def test_a_restart_makes_a_new_container(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def compose(self: Lab, *words: str, check: bool = True, timeout: float = 180.0) -> FinishedCommand:
        asked.append(words)
        return FinishedCommand(words, 0, b"", b"")

    monkeypatch.setattr(Lab, "compose", compose)
    lab = paper()
    container_control.restart(lab, "backend")
    container_control.stop(lab, "web")
    container_control.start(lab, "web")
    backend, web = lab.service("backend"), lab.service("web")
    assert asked == [("up", "-d", "--no-deps", "--force-recreate", backend), ("stop", "-t", "5", web), ("start", web)]


@pytest.mark.parametrize(("status", "restarts", "once", "ended"), [
    ("exited", 0, False, True), ("running", 3, False, False), ("running", 3, True, True), ("running", 0, True, False)])
def test_when_a_container_has_ended(monkeypatch: pytest.MonkeyPatch, status: str, restarts: int, once: bool,
                                    ended: bool) -> None:
    seen: dict[str, Any] = {"State": {"Status": status}, "RestartCount": restarts}
    monkeypatch.setattr(docker_engine, "inspect", lambda container: seen)
    assert container_control.has_ended(paper(), "backend", once=once) == ended
