"""A service that fails and is started again and again takes the files of a round up before the round tells it to, and so
does what somebody else reloads or restarts: where the round was cut off, it does not run on with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixer.apply import rollback
from fixer.apply.repair_run import RepairRun, undo
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.plan import ContainerAction, Plan, ReloadNginx, Step, UnitAction, WriteFile
from fixer.model.report import UndoResult
from tests.apply.folder_target import KilledError
from tests.apply.steps.test_container_step import Project
from tests.contract.sshd_machines import docker, unique_name
from tests.contract.test_learned_backend import Machine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

PROGRAM = "grep -q good {0} || exit 1; exec sleep 900"
TEXT = """services:
  worker:
    image: debian:trixie-slim
    command: ["sh", "-c", "grep -q good /srv/mode || exit 1; exec sleep 900"]
    restart: always
    init: true
    stop_grace_period: 0s
    volumes: ["./mode:/srv/mode"]
    labels: ["badgateway.test=contract"]
"""


def wait(so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 40
    while not so():
        assert time.monotonic() < until, what
        time.sleep(0.2)


def cut_off(word: str, *steps: Step) -> None:
    """Killed when the first step is done, before the service is told."""
    def killed(*_: object) -> str:
        raise KilledError

    target = open_target(parse_target(word))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr("fixer.apply.repair_run._apply_step", _until_killed(killed))
        with RepairRun.open(target, cause="crash-code-error", now=time.time()) as run:
            run.round(Plan("crash-code-error", "r", "safe", "mend it", steps))
    target.close()


def _until_killed(killed: Callable[..., str]) -> Callable[..., object]:
    from fixer.apply.repair_run import _apply_step

    done: list[Step] = []

    def first_only(step: Step, *more: Any) -> object:
        done.append(step)
        return _apply_step(step, *more) if len(done) == 1 else killed()

    return first_only


def taken_back(word: str) -> UndoResult:
    target = open_target(parse_target(word))
    try:
        return undo(target, None)
    finally:
        target.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 1.0)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        made.wait("systemctl is-active nginx")
        yield made
    finally:
        docker("rm", "-f", "-v", made.name)


def test_a_unit_that_systemd_starts_again_and_again(machine: Machine) -> None:
    unit = ("[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nRestart=always\\nRestartSec=1\\n"
            f"ExecStart=/bin/sh -c \"{PROGRAM.format('/srv/mode')}\"\\n")
    machine.sh(f"echo bad >/srv/mode; printf '{unit}' >/etc/systemd/system/loop.service; systemctl daemon-reload; systemctl start loop || true")
    machine.wait("test $(systemctl show -p NRestarts --value loop) -gt 1")
    word = f"docker://{machine.name}"
    cut_off(word, WriteFile(machine.name, "/srv/mode", b"bad\n", b"good\n", "mend it"),
            UnitAction(machine.name, "loop.service", "restart", "activating", "disabled"))
    machine.wait("systemctl is-active loop")
    result = taken_back(word)
    assert result.conflicts == () and machine.sh("cat /srv/mode").strip() == "bad"
    assert "restarted loop.service" in result.restored
    wait(lambda: machine.sh("systemctl is-active loop || true").strip() == "activating", "it runs on with what was taken back")


SITE = "server {{ listen 127.0.0.1:8098; location / {{ return 200 {0}; }} }}\n"


@pytest.mark.parametrize("how", ["reload", "restart", "nothing"])
def test_an_nginx_that_somebody_else_reloads(machine: Machine, how: str) -> None:
    """As a renewal of certificates does. Where nobody has, nginx is left alone."""
    path, old, new = "/etc/nginx/sites-enabled/each", SITE.format("old"), SITE.format("new")
    machine.sh(f"printf '%s' '{old}' >{path}; systemctl restart nginx")
    page = "curl -s -m 5 http://127.0.0.1:8098/"
    machine.wait(f"{page} | grep -q old")
    pids = lambda: machine.sh("pgrep -x nginx | sort")     # noqa: E731
    time.sleep(1.0)
    word, before = f"docker://{machine.name}", pids()
    cut_off(word, WriteFile(machine.name, path, old.encode(), new.encode(), "point it elsewhere"), reload_of(machine))
    if how != "nothing":
        machine.sh(f"systemctl {how} nginx")
        machine.wait(f"{page} | grep -q new")
    result = taken_back(word)
    assert result.conflicts == () and ("reloaded nginx" in result.restored) is (how != "nothing"), result
    machine.wait(f"{page} | grep -q old", 10)
    assert (pids() == before) is (how == "nothing")


def reload_of(machine: Machine) -> ReloadNginx:
    pid = int(machine.sh("cat /run/nginx.pid"))
    return ReloadNginx(machine.name, pid, "/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/usr/share/nginx", "/var/log/nginx/error.log")


def test_a_container_that_docker_starts_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    (tmp_path / "mode").write_text("bad\n")
    project = Project(tmp_path, unique_name("loop"), TEXT)
    try:
        wait(lambda: project.look(field="{{.RestartCount}}") > "0", "no loop")
        status = lambda: project.look(field="{{.State.Status}}")     # noqa: E731
        word = f"compose://{project.name}"
        # in place: a file that is mounted by itself is another one in the container when it is replaced
        cut_off(word, WriteFile("engine", str(tmp_path / "mode"), b"bad\n", b"good\n", "mend it", in_place=True),
                project.act("restart", "restarting"))
        wait(lambda: status() == "running", "it never came up")
        time.sleep(1.0)
        result = taken_back(word)
        assert result.conflicts == () and (tmp_path / "mode").read_text() == "bad\n"
        assert f"restarted container {project.worker}" in result.restored
        wait(lambda: status() == "restarting", "it runs on with what was taken back")
    finally:
        project.compose("down", "-t", "0")


def test_a_container_that_somebody_started_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but a person starts one that has no policy."""
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    (tmp_path / "mode").write_text("bad\n")
    project = Project(tmp_path, unique_name("hand"), TEXT.replace("restart: always", 'restart: "no"'))
    try:
        wait(lambda: project.look(field="{{.State.Status}}") == "exited", "it runs")
        word = f"compose://{project.name}"
        cut_off(word, WriteFile("engine", str(tmp_path / "mode"), b"bad\n", b"good\n", "mend it", in_place=True),
                ContainerAction(project.look(field="{{.Id}}"), project.worker, "start", "exited"))
        docker("start", project.worker)
        began = project.look(field="{{.State.StartedAt}}")
        assert taken_back(word).conflicts == ()
        assert project.look(field="{{.State.Status}} {{.State.StartedAt}}") == f"running {began}"
    finally:
        project.compose("down", "-t", "0")


NEEDS = """services:
  store:
    image: debian:trixie-slim
    command: sleep 900
    init: true
    stop_grace_period: 0s
    labels: ["badgateway.test=contract"]
  worker:
    image: debian:trixie-slim
    command: ["sh", "-c", "getent hosts store || exit 1; exec sleep 900"]
    restart: always
    init: true
    stop_grace_period: 0s
    labels: ["badgateway.test=contract"]
"""


def test_a_container_that_came_up_because_what_it_needs_was_there_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file was written: Docker started it again by itself, between the start of its store and the kill."""
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    project = Project(tmp_path, unique_name("needs"), NEEDS)
    try:
        store, status = f"{project.name}-store-1", lambda: project.look(field="{{.State.Status}}")
        docker("stop", store)
        docker("restart", project.worker)
        wait(lambda: status() == "restarting", "no loop")
        cut_off(f"compose://{project.name}", ContainerAction(project.look("store", "{{.Id}}"), store, "start", "exited"),
                project.act("restart", "restarting"))
        wait(lambda: status() == "running", "it never came up")
        time.sleep(1.0)
        result = taken_back(f"compose://{project.name}")
        assert result.conflicts == () and project.look("store", "{{.State.Status}}") == "exited"
        assert f"restarted container {project.worker}" in result.restored
        wait(lambda: status() == "restarting", "it runs on without its store")
    finally:
        project.compose("down", "-t", "0")
