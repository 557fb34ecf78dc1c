"""The same troubles on a compose project, in its repair and in the undo of it: nginx in its container refuses, does not
reload, ends; the disks of its files and of the journal are full or read-only; Docker's socket is cut. And over ssh a
service that does not start. BADGATEWAY_KILLS=all tries each at every point; without it a few are drawn.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.sshd_machines import SshdMachine
from tests.crash import test_faults_in_repair, test_faults_in_undo
from tests.crash.broken_targets import BrokenTarget
from tests.crash.crash_draw import ALL
from tests.crash.docker_proxy import run_proxy
from tests.crash.test_faults_in_repair import FILL, Ready, Trouble, inside, on_small_disks
from tests.crash.test_sigkill import began, raised

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]

box, machine = test_faults_in_repair.box, test_faults_in_repair.machine
DISKS = [(trouble, part) for part in ("labs", "state") for trouble in ("full", "read-only")]
NGINX = ("refuses", "does not reload", "ends")
BOTH = pytest.mark.parametrize("tried", [test_faults_in_repair.tried, test_faults_in_undo.tried], ids=["repair", "undo"])
Tried = Callable[..., int]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """A site whose nginx leads to the wrong port."""
    with on_small_disks("wrong-port/container-wrong-port", tmp_path_factory.mktemp("site")) as ready:
        yield ready


@BOTH
@pytest.mark.parametrize("trouble", NGINX)
def test_nginx_of_a_project(project: Ready, trouble: str, tried: Tried) -> None:
    lab = project.killing.place.lab
    assert lab is not None
    web = lab.container("web")
    master = f"$(docker inspect -f '{{{{.State.Pid}}}}' {web})"      # from here: within, nobody stops process 1
    junk = "/etc/nginx/modules-enabled/99-x.conf"
    begin, end = {
        "refuses": (f"docker exec -u 0 {web} sh -c 'echo no_such_thing on\\; >{junk}'", f"docker exec -u 0 {web} rm -f {junk}"),
        "does not reload": (f"kill -STOP {master}", f"kill -CONT {master}"),
        # as on a machine a restart: fixer may have started it, and a start of what runs makes it nobody's
        "ends": (f"docker kill {web} >/dev/null", f"sleep 5; docker restart {web}"),
    }[trouble]
    assert tried(project, Trouble(f"nginx {trouble}", begin), lambda: subprocess.run(["sh", "-ec", end], check=True, capture_output=True))


@pytest.mark.parametrize(("trouble", "part"), DISKS, ids=[" ".join(one) for one in DISKS])
def test_trouble_in_an_undo_of_a_project(project: Ready, trouble: str, part: str) -> None:
    disk = project.killing.folder / part
    full = trouble == "full"
    begin = FILL.format(disk) if full else f"mount --bind {disk} {disk} && mount -o remount,bind,ro {disk}"
    end = f"rm -f {disk}/.filler" if full else f"test $(grep -c ' {disk} ' /proc/mounts) -lt 2 || umount {disk}"
    assert test_faults_in_undo.tried(project, Trouble(f"{trouble} {part}", begin), lambda: subprocess.run(["sh", "-c", end], check=True))


def cut_in_an_undo(ready: Ready, kind: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short, run_proxy(Path(short)) as made:
        begin = f"touch {short}/{kind}; while [ ! -e {short}/done ]; do sleep 0.01; done"
        assert test_faults_in_undo.tried(ready, Trouble(f"socket {kind}", begin), made.heal, {"DOCKER_HOST": f"unix://{made.path}"})


@pytest.mark.parametrize("kind", ["cut", "gone"])
def test_dockers_socket_cut_in_an_undo_on_a_machine(machine: Ready, kind: str) -> None:
    cut_in_an_undo(machine, kind)


@pytest.mark.parametrize("kind", ["cut", "gone"])
@pytest.mark.parametrize("word", ["wrong-port/container-wrong-port", "crash-missing-env/start-env-var-missing",
                                  "backend-down/container-stopped", "network-detached/docker-network-detached"])
def test_dockers_socket_cut_in_an_undo_on_a_project(word: str, kind: str, tmp_path: Path) -> None:
    with raised(word, "containers", seed=2) as place:      # beside the module's own
        killing, points = began(place, tmp_path)
        cut_in_an_undo(Ready(killing, points["repair"], word), kind)


def test_a_service_that_does_not_start_over_ssh(box: SshdMachine, tmp_path: Path) -> None:
    box.sh("sed -i s/9402/9401/ /etc/nginx/sites-enabled/desk; systemctl reload nginx; systemctl stop desk")
    place = BrokenTarget(f"ssh://oncall@{box.address}", box=box, environment={"BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    drop = "/run/systemd/system/desk.service.d"
    begin = f"mkdir -p {drop}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{drop}/x.conf; systemctl daemon-reload"

    def heal() -> None:
        script = f"rm -rf {drop}; systemctl daemon-reload; systemctl reset-failed desk || true; systemctl is-active -q desk || {{ systemctl start desk; systemctl stop desk; }}"
        subprocess.run(shlex.split(inside(box.name, script)), check=True, capture_output=True)

    killing, points = began(place, tmp_path)
    assert test_faults_in_repair.tried(Ready(killing, points["repair"], "ssh"), Trouble("does not start", inside(box.name, begin)), heal)
