"""The programs of an all-in-one container: by supervisorctl, or by what its script has started."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lab.scenario.scenario_file import Role
from lab.scenario.templates import Value
from lab.stack import combined_control, container_control, docker_engine
from lab.stack.docker_command import FinishedCommand
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from tests.lab.scenario.test_render import made

ROLES: tuple[Role, ...] = ("web", "backend", "second")


def paper(monkeypatch: pytest.MonkeyPatch, **changes: Value) -> tuple[Lab, list[tuple[str, ...]]]:
    """A lab on paper, and the commands that it was asked to run inside."""
    full = made("all-in-one", 2, second_site=True, **changes)[0]
    lab = Lab(LabRecord(full.id, "any", "healthy", "healthy", "all-in-one", 2, full.template_values(), port=8080))
    asked: list[tuple[str, ...]] = []

    def run_in(self: Lab, role: Role, argv: Sequence[str], *, check: bool = True, stdin: bytes | None = None) -> FinishedCommand:
        asked.append(tuple(argv))
        return FinishedCommand(tuple(argv), 0, b"41", b"")

    monkeypatch.setattr(Lab, "run_in", run_in)
    monkeypatch.setattr(docker_engine, "state_of", lambda container: "running")
    return lab, asked


@pytest.mark.parametrize("grouped", [True, False])
def test_supervisord_stops_a_program_by_its_name(monkeypatch: pytest.MonkeyPatch, grouped: bool) -> None:
    lab, asked = paper(monkeypatch, manager="supervisord", grouped=grouped)
    for role in ROLES:
        combined_control.stop(lab, role)
    word = f"{lab.deployment.word}:" if grouped else ""
    assert [words[-2:] for words in asked] == [
        ("stop", "nginx"), ("stop", f"{word}{lab.deployment.unit}"), ("stop", f"{word}{lab.deployment.second_unit}")]


def test_without_supervisord_a_server_ends_by_a_signal_and_starts_with_its_container(
        monkeypatch: pytest.MonkeyPatch) -> None:
    lab, asked = paper(monkeypatch, manager="entrypoint", entry="entrypoint", unix=False)
    started: list[str] = []

    def again(container: str, *, timeout: int) -> None:
        started.append(container)

    monkeypatch.setattr(docker_engine, "restart", again)
    combined_control.stop(lab, "backend")
    assert asked[-1][-2:] == ("SIGTERM", str(lab.deployment.port))
    combined_control.start(lab, "backend")
    assert started == [lab.container()]


@pytest.mark.parametrize(("manager", "env_place", "anew"), [
    ("supervisord", "unit", False), ("supervisord", "environment", True), ("entrypoint", "unit", True)])
def test_what_only_a_new_container_reads_is_read_by_a_new_one(
        monkeypatch: pytest.MonkeyPatch, manager: str, env_place: str, anew: bool) -> None:
    lab, asked = paper(monkeypatch, manager=manager, entry=manager, env_place=env_place)
    created: list[Role] = []
    monkeypatch.setattr(container_control, "restart", lambda lab, role, *, check: created.append(role))
    combined_control.restart(lab, "backend")
    assert (created == ["backend"]) == anew and bool(asked) != anew
