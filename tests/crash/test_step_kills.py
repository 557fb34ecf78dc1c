"""Each kind of step is killed at its points: in a machine as `local` at all of them; through `docker://`, `ssh://` and on
containers at a few, or with BADGATEWAY_KILLS=all at all. Which kinds a run of all tests tries is drawn (drawing.py)."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.apply import rollback
from fixer.model.plan import (
    ABSENT,
    ComposeUp,
    NetworkAction,
    RemoveRoute,
    Step,
    WriteFile,
)
from tests.apply.steps import test_container_step
from tests.contract import sshd_machines
from tests.contract.sshd_machines import SshdMachine, docker
from tests.crash import step_kills
from tests.crash.broken_targets import copy_fixer_into
from tests.crash.crash_draw import ALL, STEP, draw_point_numbers
from tests.crash.step_kills import StepTarget
from tests.crash.test_sigkill import told

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdMachine]:
    folder = tmp_path_factory.mktemp("box")
    sshd_machines.make_key(folder)
    made = SshdMachine(sshd_machines.unique_name("each"), folder, "--cap-add", "NET_ADMIN")     # rules and routes are steps too
    try:
        (folder / "known").write_text(f"{made.address} {made.host_key}\n")
        (folder / "config").write_text(
            f"Host *\n  IdentityFile {folder}/key\n  UserKnownHostsFile {folder}/known\n  GlobalKnownHostsFile /dev/null\n")
        made.sh(step_kills.SETUP)
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def carried(box: SshdMachine) -> str:
    return copy_fixer_into(box.name)


@pytest.mark.parametrize("kind", step_kills.STATES)
def test_each_kind_of_step_inside(box: SshdMachine, carried: str, kind: str) -> None:
    words = ["/usr/bin/python3.13", "-m", "tests.crash.step_kills", "/tmp/points", kind, str(STEP)]
    done = subprocess.run(["docker", "exec", "-e", f"PYTHONPATH={carried}", "-w", "/", box.name, *words], capture_output=True, text=True, check=False)
    told(f"inside {kind}: {done.stdout.strip()} kills")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > 0


@pytest.mark.parametrize("kind", step_kills.STATES)
@pytest.mark.parametrize("way", ["docker", "ssh"])
def test_each_kind_of_step_from_outside(box: SshdMachine, way: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 3.0)
    monkeypatch.setenv("BADGATEWAY_SSH", f"ssh -F {box.folder}/config")
    word = f"docker://{box.name}" if way == "docker" else f"ssh://oncall@{box.address}"
    place = StepTarget(word, box.sh, str(tmp_path), draw_point_numbers, looking=step_kills.STATES[kind])
    step_kills.kill_at_each_point(place, kind, step_kills.steps_by_kind(place)[kind])
    told(f"{way} {kind}: {place.kills} kills")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[test_container_step.Project]:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 3.0)
    made = test_container_step.Project(tmp_path, f"each{uuid.uuid4().hex[:8]}")
    subnet = f"10.{200 + int(made.name[4:6], 16) % 50}.{int(made.name[6:8], 16)}.0/28"      # whose addresses may be chosen
    docker("network", "create", "--label", "badgateway.test=each", "--subnet", subnet, f"{made.name}-more")
    try:
        yield made
    finally:
        made.file.write_text(test_container_step.OLD)
        made.compose("down", "-t", "0")
        docker("network", "rm", f"{made.name}-more")


def steps_of(project: test_container_step.Project, kind: str) -> tuple[Step, ...]:
    """The steps of containers; the container is made ready for them."""
    if kind == "absent":
        project.compose("rm", "-s", "-f", "worker")
        return (ComposeUp(project.name, "worker", str(project.file.parent), (str(project.file),), (), "", ABSENT),)
    ident = project.look(field="{{.Id}}")
    match kind:
        case "compose":
            return (project.edit(), project.up())
        case "start":
            docker("stop", "-t", "0", project.worker)
            return (project.act("start", "exited"),)
        case "unpause":
            docker("pause", project.worker)
            return (project.act("unpause", "paused"),)
        case "stopped service":
            docker("stop", "-t", "0", project.worker)
            return (project.edit(), project.up("exited"))
        case "stop":
            return (project.act("stop", "running"),)
        case "restart":
            return restart_with_a_file(project)
        case "lent network":
            return join_anew(project)
        case "other names":
            more = f"{project.name}-more"
            chosen = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", more).replace(".0/28", ".9")
            docker("network", "connect", "--alias", "old", "--ip", chosen, more, project.worker)
            return (NetworkAction(ident, project.worker, more, "disconnect", ("old",), (chosen,)),
                    NetworkAction(ident, project.worker, more, "connect", ("new",), (chosen,)))
        case "network":
            return (NetworkAction(ident, project.worker, f"{project.name}-more", "connect", ("w",)),)
        case _:
            pid = docker("inspect", "-f", "{{.State.Pid}}", project.worker)
            subprocess.run(["nsenter", "-t", pid, "-n", "ip", "route", "add", "blackhole", "203.0.113.9/32"], check=True)
            return (RemoveRoute("engine", "blackhole", "203.0.113.9/32", project.worker),)


def join_anew(project: test_container_step.Project) -> tuple[Step, ...]:
    """A container that stayed in the network of another one, which was made anew since, is made anew too, with another
    command: no undo brings that network back, but that."""
    lent = test_container_step.OLD.replace("networks: [n]", 'network_mode: "service:other"', 1)
    project.file.write_text(lent)
    project.compose("up", "-d")
    project.compose("up", "-d", "--force-recreate", "--no-deps", "other")
    depends = project.look(field='{{index .Config.Labels "com.docker.compose.depends_on"}}')
    up = replace(project.up(), network=project.look(field="{{.HostConfig.NetworkMode}}"), depends=depends)
    changed = lent.replace("sleep 1000", "sleep 2000").encode()
    return WriteFile("engine", str(project.file), lent.encode(), changed, "change it"), up


def restart_with_a_file(project: test_container_step.Project) -> tuple[Step, ...]:
    """A container that reads a file of the host's when it starts."""
    sleeps = project.file.with_name("sleeps")
    sleeps.write_text("5000\n")
    mounted = test_container_step.OLD.replace("command: sleep 1000", 'command: sh -c "exec sleep $$(cat /in/sleeps)"\n    volumes: [".:/in:ro"]')
    project.file.write_text(mounted)
    project.compose("up", "-d")
    return (WriteFile("engine", str(sleeps), b"5000\n", b"6000\n", "change it"), project.act("restart", "running"))


@pytest.mark.parametrize("kind", [
    "compose", "start", "unpause", "network", "route", "absent", "stopped service", "stop", "restart", "other names",
    "lent network"])
def test_each_kind_of_step_of_containers(project: test_container_step.Project, kind: str, tmp_path: Path) -> None:
    steps = steps_of(project, kind)
    # a container that compose made anew and did not start is created, where the one before had exited
    script = (f"cat {project.file}; cat {project.file.with_name('sleeps')}; docker inspect -f '{{{{.State.Status}}}} {{{{json .Config.Cmd}}}} "
              f"{{{{range $k, $v := .NetworkSettings.Networks}}}}{{{{$k}}}} {{{{json $v.Aliases}}}} {{{{json $v.IPAMConfig}}}} {{{{end}}}}' {project.name}-worker-1 | sed s/created/exited/; "
              f"docker exec {project.name}-worker-1 sh -c 'tr \\\\0 _ </proc/1/cmdline' 2>/dev/null; "
              f"p=$(docker inspect -f '{{{{.State.Pid}}}}' {project.name}-worker-1); test $p = 0 || nsenter -t $p -n ip route show type blackhole")
    place = StepTarget(f"compose://{project.name}", step_kills.run_here, str(tmp_path), draw_point_numbers, looking=script)
    step_kills.kill_at_each_point(place, kind, steps)
    told(f"containers {kind}: {place.kills} kills")
