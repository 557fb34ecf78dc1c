"""Tests of lab/random_hosts/running_project.py that need no Docker; test_judged_host.py runs a project."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from lab.errors import LabError
from lab.random_hosts import running_project
from lab.random_hosts.host_spec import Fault
from lab.random_hosts.running_project import RunningProject
from tests.lab.random_hosts.builders import drawn_hosts, host_of_kind


@pytest.fixture
def project(tmp_path: Path) -> RunningProject:
    spec = host_of_kind("project").placed({"project": str(tmp_path), "project_id": "depot-1"})
    return RunningProject(spec, spec.values["web_container"])


def test_a_project_is_named_where_it_is_made(project: RunningProject, tmp_path: Path) -> None:
    assert project.target == "compose://depot-1"
    assert project.container == f"depot-1-{project.spec.values['web']}-1"
    assert project.spec.values["compose_file"] == f"{tmp_path}/compose.yaml"


def test_one_container_with_all_of_it_is_named_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []

    class Engine:
        api = property(lambda self: self)

        def containers(self, **options: object) -> list[dict[str, object]]:
            asked.append(options["filters"])
            return [{"Names": ["/depot-1"]}]

        def stop(self, name: str, timeout: int) -> None:
            asked.append(f"stop {name}")

        def start(self, name: str) -> None:
            asked.append(f"start {name}")

    monkeypatch.setattr(running_project.docker_engine, "engine", Engine)
    spec = host_of_kind("all-in-one").placed({"project": str(tmp_path), "project_id": "depot-1"})
    host = RunningProject(spec, spec.values["web_container"])
    assert (host.target, host.container, host.app_container) == ("docker://depot-1", "depot-1", "depot-1")
    host.reboot()
    assert asked == [{"name": "^/depot-1$"}, "stop depot-1", "start depot-1"]


def test_scripts_run_in_the_folder_of_the_project_and_a_failure_is_named(project: RunningProject) -> None:
    assert project.shell("pwd; echo {{word}}").text == f"{project.folder}\n{project.spec.values['word']}"
    with pytest.raises(LabError, match="`false` failed"):
        project.shell("false")
    assert project.shell("exit 3", check=False).code == 3


def test_undoing_a_fault_brings_bytes_and_modes_back(project: RunningProject) -> None:
    kept = project.folder / "a.conf"
    kept.write_text("as it was")
    kept.chmod(0o640)
    fault = Fault("x", "x", ("x",), ("repaired",), frozenset(), ("rm a.conf; mkdir a.conf",), ("touch undone",),
                  ("{{project}}/a.conf",))
    project.inject(fault)
    assert kept.is_dir()
    project.undo(fault)
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("as it was", 0o640)
    assert (project.folder / "undone").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "{{project}}/../x", "{{project}}"])
def test_nothing_outside_of_the_project_is_ever_saved_or_removed(project: RunningProject, path: str) -> None:
    with pytest.raises(LabError, match="not in the project's folder"):
        project.own_path(project.spec.fill(path))


@pytest.mark.parametrize(("network", "order"), [("default", "other app web"), ("shared", "other web app")])
def test_containers_start_after_what_they_need(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, network: str, order: str,
) -> None:
    asked: list[str] = []

    class Engine:
        api = property(lambda self: self)

        def containers(self, **_: object) -> list[dict[str, object]]:
            return [{"Names": [f"/{spec.values[f'{name}_container']}"]} for name in ("web", "app")] + [
                {"Names": ["/depot-1-other-1"]}]

        def stop(self, name: str, timeout: int) -> None:
            asked.append(f"stop {name}")

        def start(self, name: str) -> None:
            asked.append(name)
            raise docker.errors.APIError("it cannot be started")

    found = next(host for host in drawn_hosts() if host.choices["network"] == network)
    spec = found.placed({"project": str(tmp_path), "project_id": "depot-1", "web": "web", "app": "app", "other": "other"})
    monkeypatch.setattr(running_project.docker_engine, "engine", Engine)
    RunningProject(spec, spec.values["web_container"]).reboot()
    assert asked[3:] == [f"depot-1-{name}-1" for name in order.split()]
    assert asked[:3] == [f"stop {name}" for name in reversed(asked[3:])]
