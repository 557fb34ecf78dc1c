"""A start that was cut off, on a real machine: what somebody started long after it is left running, else it is stopped."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from fixer.apply import rollback
from fixer.apply.repair_run import RepairRun, undo
from fixer.apply.steps import start_marks
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.plan import ContainerAction, Plan, StartNginx, Step, UnitAction
from fixer.model.report import UndoResult
from tests.apply.folder_target import KilledError
from tests.contract.container_shell import succeeds_inside
from tests.contract.sshd_machines import docker
from tests.contract.test_learned_backend import Machine
from tests.crash.crash_draw import draw_by_day

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

CONF = "/srv/own.conf"
OWN = "pid /run/own.pid;\nerror_log /var/log/own.log;\nevents {}\nhttp { access_log off; server { listen 127.0.0.1:8097; } }\n"
IMAGE = "debian:trixie-slim"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    try:
        made.wait("systemctl is-active nginx")
        made.sh("printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/sleeper.service; systemctl daemon-reload;"
                f" systemctl stop nginx; printf '%s' '{OWN}' >{CONF}")
        docker("create", "--init", "--label", "badgateway.test=contract", "--name", f"{made.name}-other", IMAGE, "sleep", "900")
        yield made
    finally:
        docker("rm", "-f", "-v", made.name)
        subprocess.run(["docker", "rm", "-f", "-v", f"{made.name}-other"], capture_output=True, check=False)


def killed_before(machine: Machine, step: Step) -> None:
    """The step was announced, and no more: the run ends as a kill ends it."""
    target = open_target(parse_target(f"docker://{machine.name}"))

    def killed(*_: object) -> str:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fixer.apply.repair_run.perform_step", killed)
        try:
            with RepairRun.open(target, cause="backend-down", now=time.time()) as run:
                run.round(Plan("backend-down", "r", "safe", "start it", (step,)))
        except KilledError:
            pass
        finally:
            target.close()


def taken_back(machine: Machine) -> UndoResult:
    target = open_target(parse_target(f"docker://{machine.name}"))
    try:
        return undo(target, None)
    finally:
        target.close()


def kinds(machine: Machine) -> dict[str, tuple[Step, str, str]]:
    """The step, how a person starts the same, and how that is seen; both run in the machine, or where Docker is."""
    other = f"{machine.name}-other"
    return {
        "unit": (UnitAction(machine.name, "sleeper.service", "start", "inactive", "disabled"), "systemctl start sleeper", "systemctl is-active sleeper"),
        "nginx": (StartNginx(machine.name, "/usr/sbin/nginx", CONF, "/usr/share/nginx", explicit=True), f"nginx -c {CONF}",
                  "test -s /run/own.pid && kill -0 $(cat /run/own.pid)"),
        "container": (ContainerAction(docker("inspect", "-f", "{{.Id}}", other).strip(), other, "start", "created"), f"docker start {other}",
                      f"docker inspect -f '{{{{.State.Running}}}}' {other} | grep true"),
    }


def runs(machine: Machine, kind: str, script: str) -> bool:
    if kind != "container":
        return succeeds_inside(machine.name, script)
    return subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("later", "kind"), draw_by_day(
    [(later, kind) for later in (6.0, 0.0) for kind in ("unit", "nginx", "container")], "starts by hand", 3))
def test_a_start_by_hand_after_a_repair_died(monkeypatch: pytest.MonkeyPatch, machine: Machine, kind: str, later: float) -> None:
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    monkeypatch.setattr(start_marks, "_WORK_SECONDS", 3.0)
    step, start, seen = kinds(machine)[kind]
    killed_before(machine, step)
    time.sleep(later)
    assert runs(machine, kind, start) and runs(machine, kind, seen)
    result = taken_back(machine)
    if later:
        assert len(result.conflicts) == 1 and "was started again since, not by fixer; it is left running" in result.conflicts[0]
        assert runs(machine, kind, seen)
        machine.sh("systemctl stop sleeper; test ! -s /run/own.pid || kill -QUIT $(cat /run/own.pid)")
        docker("kill", f"{machine.name}-other") if kind == "container" else None
    else:
        assert result.conflicts == ()
    time.sleep(1.0)
    assert not runs(machine, kind, seen)
    machine.sh("rm -rf /var/lib/badgateway/targets/*/runs/*")
