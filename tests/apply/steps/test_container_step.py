"""Compose services and containers on a real engine: brought up from their own files, and brought back."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixer.apply.repair_run import RepairRun, history, undo
from fixer.apply.steps.node_access import ContainerRunner, Nodes
from fixer.errors import Conflict, StepFailed
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.host import Target
from fixer.model.plan import (
    ABSENT,
    CheckNginx,
    ComposeUp,
    ContainerAction,
    Plan,
    ReloadNginx,
    Step,
    WaitForListener,
    WriteFile,
)

pytestmark = pytest.mark.docker

OLD = """services:
  worker:
    image: debian:trixie-slim
    command: sleep 1000
    stop_grace_period: 0s
    networks: [n]
  other:
    image: debian:trixie-slim
    command: sleep 3000
    stop_grace_period: 0s
    networks: [n]
networks:
  n: {}
"""
NEW = OLD.replace("sleep 1000", "sleep 2000")


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Project:
    """A running compose project."""

    def __init__(self, folder: Path, name: str, text: str = OLD) -> None:
        self.file, self.name = folder / "compose.yaml", name
        self.worker = f"{name}-worker-1"
        self.text = text
        self.file.write_text(text)
        self.compose("up", "-d", "--quiet-pull")

    def compose(self, *words: str) -> str:
        return docker("compose", "-p", self.name, "-f", str(self.file), *words)

    def containers(self) -> dict[str, str]:
        """Each of the containers with what tells whether it is as it was brought up."""
        ids = self.compose("ps", "-a", "-q").split()
        told = docker("inspect", "-f", "{{.Id}} {{.State.Status}} {{.State.StartedAt}} {{json .NetworkSettings.Networks}}", *ids) if ids else ""
        return dict(line.split(" ", 1) for line in told.splitlines())

    def bring_back(self, before: dict[str, str]) -> dict[str, str]:
        """Put the file back, and make those anew that are not as before; return how all are now."""
        for path in self.file.parent.iterdir():
            path.unlink()
        self.file.write_text(self.text)
        now = self.containers()
        if now != before:
            changed = [ident for ident in now if now[ident] != before.get(ident)]
            if changed:
                docker("rm", "-f", *changed)
            self.compose("up", "-d")
            now = self.containers()
        return now

    def look(self, container: str = "worker", field: str = "{{.State.Status}} {{json .Config.Cmd}}") -> str:
        return docker("inspect", "-f", field, f"{self.name}-{container}-1")

    def edit(self) -> WriteFile:
        return WriteFile("engine", str(self.file), self.file.read_bytes(), NEW.encode(), "change it")

    def up(self, was: str = "running", service: str = "worker") -> ComposeUp:
        label = '{{index .Config.Labels "com.docker.compose.config-hash"}}'
        folder = str(self.file.parent)
        return ComposeUp(self.name, service, folder, (str(self.file),), (), self.look(service, label), was)

    def act(self, verb: str, was: str) -> ContainerAction:
        return ContainerAction(self.look(field="{{.Id}}"), self.worker, verb, was)  # type: ignore[arg-type]


@dataclass
class Shared:
    """A project for all tests, and its containers as they were brought up last."""

    project: Project
    containers: dict[str, str]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    project = Project(tmp_path_factory.mktemp("project"), f"apply{uuid.uuid4().hex[:8]}")
    try:
        yield Shared(project, project.containers())
    finally:
        project.file.write_text(OLD)
        project.compose("down", "-t", "0")


@pytest.fixture
def project(shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Each test finds it as it was made: only what the one before has changed is made anew."""
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    yield shared.project
    shared.containers = shared.project.bring_back(shared.containers)


@pytest.fixture
def target(project: Project) -> Iterator[Target]:
    target = open_target(parse_target(f"compose://{project.name}"))
    yield target
    target.close()


def kept(target: Target, *steps: Step) -> None:
    with RepairRun.open(target, cause="c", now=time.time()) as run:
        run.round(Plan("c", "r", "disruptive", "change it", steps))
        run.commit()


def test_a_service_comes_up_with_the_edit_alone_and_goes_back(project: Project, target: Target) -> None:
    other = project.look("other", "{{.Id}} {{.State.StartedAt}}")
    kept(target, project.edit(), project.up())
    assert project.look() == 'running ["sleep","2000"]'
    assert undo(target, None).conflicts == ()
    assert project.look() == 'running ["sleep","1000"]' and project.file.read_text() == OLD
    assert project.look("other", "{{.Id}} {{.State.StartedAt}}") == other


def test_what_did_not_run_does_not_run_after_the_undo(project: Project, target: Target) -> None:
    docker("stop", "-t", "0", project.worker)
    kept(target, project.edit(), project.up("exited"))
    assert project.look() == 'running ["sleep","2000"]'
    assert undo(target, None).conflicts == ()
    status, _, command = project.look().partition(" ")
    assert status in ("created", "exited") and command == '["sleep","1000"]'


def test_a_service_without_a_container_gets_one_and_loses_it_again(project: Project, target: Target) -> None:
    up = ComposeUp(project.name, "worker", str(project.file.parent), (str(project.file),), (), "", ABSENT)
    with pytest.raises(Conflict, match="worker has a container now"):
        kept(target, up)
    project.compose("rm", "-s", "-f", "worker")
    text = project.file.read_text()
    project.file.write_text(text.replace("  worker:\n", "  worker:\n    env_file: [./gone.env]\n"))
    with pytest.raises(StepFailed, match=r"gone\.env"):
        kept(target, up)
    gone = project.file.parent / "gone.env"
    kept(target, WriteFile("engine", str(gone), None, b"A=1\n", "put it back"), up)
    assert project.look() == 'running ["sleep","1000"]' and gone.exists()
    assert undo(target, None).conflicts == () and not gone.exists()      # without which compose takes nothing back
    assert docker("ps", "-a", "-q", "--filter", f"name={project.worker}") == ""
    project.file.write_text(text)
    kept(target, up)
    assert project.look() == 'running ["sleep","1000"]'
    assert undo(target, None).conflicts == ()
    assert project.compose("ps", "-a", "-q", "worker") == "" and project.look("other").startswith("running")


def test_files_that_would_deploy_something_else_are_not_brought_up(project: Project, target: Target) -> None:
    up = project.up()
    project.file.write_text(OLD.replace("sleep 1000", "sleep 5"))
    with pytest.raises(Conflict, match="configure worker differently"):
        kept(target, project.edit(), up)
    assert history(target) == () and project.look() == 'running ["sleep","1000"]'
    project.file.write_text("services: [")
    with pytest.raises(Conflict, match="cannot be read"):
        kept(target, up)


def test_a_service_with_an_env_file_that_depends_on_another_one(project: Project, target: Target) -> None:
    """Its label counts what it depends on, `up --no-deps` does not: only an up with all keeps its container."""
    values = project.file.with_name("worker.env")
    values.write_text("BACKEND=api:8000\n")
    project.file.write_text(OLD.replace("sleep 1000\n", "sleep 1000\n    env_file: worker.env\n    depends_on: [other]\n"))
    project.compose("up", "-d")
    up = replace(project.up(), depends="other:service_started:false")
    edit = WriteFile("engine", str(values), values.read_bytes(), b"BACKEND=api:8001\n", "change it")
    other = project.look("other", "{{.Id}} {{.State.StartedAt}}")
    kept(target, edit, up)
    assert "BACKEND=api:8001" in project.look(field="{{json .Config.Env}}")
    undo(target, None)
    assert "BACKEND=api:8000" in project.look(field="{{json .Config.Env}}")
    assert project.look("other", "{{.Id}} {{.State.StartedAt}}") == other
    values.write_text("BACKEND=api:9000\n")
    with pytest.raises(Conflict, match="configure worker differently"):
        kept(target, up)


def test_an_up_that_fails_goes_back(project: Project, target: Target) -> None:
    broken = WriteFile("engine", str(project.file), OLD.encode(), OLD.replace("sleep 1000", "nosuch").encode(), "x")
    with pytest.raises(StepFailed, match="could not bring worker up"):
        kept(target, broken, project.up())
    assert project.file.read_text() == OLD and project.look() == 'running ["sleep","1000"]'
    assert history(target)[0].state == "rolled-back"


@pytest.mark.parametrize(("before", "verb", "was", "between", "after"), [
    ("stop", "start", "exited", "running", "exited"),
    ("pause", "unpause", "paused", "running", "paused"),
    ("start", "stop", "running", "exited", "running"),
    ("start", "restart", "running", "running", "running"),
    ("stop", "restart", "exited", "running", "exited"),
])
def test_a_container_goes_back_to_its_state(
    project: Project, target: Target, before: str, verb: str, was: str, between: str, after: str
) -> None:
    docker(before, project.worker)
    kept(target, project.act(verb, was))
    assert project.look(field="{{.State.Status}}") == between
    assert undo(target, None).conflicts == ()
    assert project.look(field="{{.State.Status}}") == after


def test_a_container_that_somebody_started_since_is_left_running(project: Project, target: Target) -> None:
    docker("stop", "-t", "0", project.worker)
    kept(target, project.act("start", "exited"))
    over = time.time()
    while time.time() < over + 2:      # fixer is no longer at work
        time.sleep(0.1)
    docker("restart", "-t", "0", project.worker)
    assert undo(target, None).conflicts == (f"container {project.worker} was started again since, not by fixer; it is left running",)
    assert project.look().startswith("running")


def test_a_container_that_was_replaced_is_found_by_name_and_one_that_is_gone_is_a_conflict(
    project: Project, target: Target
) -> None:
    docker("stop", "-t", "0", project.worker)
    kept(target, project.act("start", "exited"))
    project.compose("up", "-d", "--force-recreate", "worker")
    assert undo(target, None).conflicts == () and project.look(field="{{.State.Status}}") == "exited"
    kept(target, project.act("start", "exited"))
    docker("rm", "-f", project.worker)
    assert "No such container" in undo(target, None).conflicts[0]


@pytest.mark.parametrize(("verb", "before", "was"), [("start", "stop", "exited"), ("unpause", "pause", "paused")])
def test_a_container_of_somebody_elses_that_took_the_name_is_left_as_it_is(
    project: Project, target: Target, verb: str, before: str, was: str
) -> None:
    docker(before, project.worker)
    kept(target, project.act(verb, was))
    docker("rm", "-f", project.worker)
    docker("run", "-d", "--label", "badgateway.test=compose", "--name", project.worker, "debian:trixie-slim", "sleep", "60")
    try:
        assert undo(target, None).conflicts == (f"Container {project.worker} was replaced by another one with the same name. It was left unchanged.",)
        assert project.look().startswith("running")
    finally:
        docker("rm", "-f", project.worker)


def test_waiting_in_a_container_that_is_not_there_or_stopped_only_ends(project: Project, target: Target) -> None:
    docker("stop", "-t", "0", project.worker)
    with pytest.raises(StepFailed, match="nothing listens on worker:80"):
        kept(target, WaitForListener("worker", "worker", 80, None, 0.3))
    with pytest.raises(StepFailed, match="ended before anything listened on worker:80"):
        kept(target, WaitForListener("worker", "worker", 80, None, 60, "", project.worker))


def test_a_service_is_that_of_the_targets_own_project(project: Project, target: Target, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = Project(tmp_path / "b", f"{project.name}b")
    try:
        beside = open_target(parse_target(f"docker://{project.name}-other-1"))
        found = Nodes(beside, beside.journal_location()[0], "engine").runner("worker")
        assert isinstance(found, ContainerRunner) and found.container == project.look(field="{{.Id}}")
        beside.close()
    finally:
        other.compose("down", "-t", "0")


def test_waiting_in_a_container_without_tools_looks_from_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = docker("images", "--format", "{{.Repository}}:{{.Tag}}", "badgateway/app").split()
    if not images:
        pytest.skip("the image with python is not built")
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    name = f"apply{uuid.uuid4().hex[:8]}"
    docker("run", "-d", "--user", "0", "--name", name, images[0], "sh", "-c",
           "rm /usr/bin/cat /usr/bin/sh /usr/bin/dash; exec python3 -m http.server 8000")
    try:
        target = open_target(parse_target(f"docker://{name}"))
        kept(target, WaitForListener(name, "127.0.0.1", 8000, None, 20, "", name))
        with pytest.raises(StepFailed, match="nothing listens"):
            kept(target, WaitForListener(name, "127.0.0.1", 8001, None, 0.2, "", name))
    finally:
        docker("rm", "-f", name)


def test_a_single_file_mount_is_written_in_place_and_nginx_in_its_container_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = docker("images", "--format", "{{.Repository}}:{{.Tag}}", "badgateway/web").split()
    if not images:
        pytest.skip("the image with nginx is not built")
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    old, new = (f"server {{ listen 8080; return 200 {word}; }}\n".encode() for word in ("old-answer", "new"))
    conf = tmp_path / "site.conf"
    conf.write_bytes(old)
    name, file = f"apply{uuid.uuid4().hex[:8]}", tmp_path / "compose.yaml"
    file.write_text(f"services:\n  web:\n    image: {images[0]}\n    volumes: ['{conf}:/etc/nginx/conf.d/site.conf:ro']\n")
    ask = ["exec", f"{name}-web-1", "bash", "-c",
           "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3"]
    compose = ("compose", "-p", name, "-f", str(file))
    docker(*compose, "up", "-d")
    target = open_target(parse_target(f"compose://{name}"))
    try:
        nginx = ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/etc/nginx")
        kept(target, WaitForListener("web", "0.0.0.0", 8080),
             WriteFile("engine", str(conf), old, new, "change it", in_place=True),
             CheckNginx("web", *nginx), ReloadNginx("web", 1, *nginx, "/var/log/nginx/error.log"))
        assert docker(*ask) == "new"
        result = undo(target, None)
        assert result.conflicts + result.notes == () and docker(*ask) == "old-answer" and conf.read_bytes() == old
    finally:
        target.close()
        docker(*compose, "down", "-t", "0")
