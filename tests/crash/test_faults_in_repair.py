"""Trouble in the middle of a repair on real places: a disk that is full or read-only from now on, nginx that does not
take it, a service that does not start, Docker's socket cut, ssh lost. Afterwards all is as before or as repaired, and
fixer said which. BADGATEWAY_KILLS=all tries every trouble at every point of each; without it a few are drawn.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract import test_ssh_repair
from tests.crash.broken_targets import BrokenTarget, copy_fixer_into
from tests.crash.crash_draw import ALL, choose_points
from tests.crash.docker_proxy import run_proxy
from tests.crash.test_sigkill import REPAIR, Killing, began, raised, told

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]


def inside(name: str, script: str) -> str:
    """A command that runs a script in a machine with all rights: no profile of a container's forbids to mount."""
    pid = subprocess.run(["docker", "inspect", "-f", "{{.State.Pid}}", name], capture_output=True, text=True, check=True).stdout.strip()
    return f"nsenter -t {pid} -m -p -n bash -ec {shlex.quote(script)}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens, and how it passes."""

    name: str
    begin: str
    heal: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """A place whose repair is known, with the points of it."""

    killing: Killing
    points: Sequence[str]
    name: str


FILL = "cat /dev/zero >{0}/.filler 2>/dev/null || true"
MACHINE = (
    Trouble("disk full", FILL.format("/etc/nginx"), "rm -f /etc/nginx/.filler"),
    Trouble("journal's disk full", FILL.format("/var/lib/badgateway"), "rm -f /var/lib/badgateway/.filler"),
    Trouble("read-only", "mount -o remount,ro /etc/nginx", "mount -o remount,rw /etc/nginx"),
    Trouble("journal read-only", "mount -o remount,ro /var/lib/badgateway", "mount -o remount,rw /var/lib/badgateway"),
    Trouble("nginx refuses", "echo 'no_such_thing on;' >/etc/nginx/modules-enabled/99-x.conf", "rm -f /etc/nginx/modules-enabled/99-x.conf"),
    Trouble("nginx does not reload", "kill -STOP $(cat /run/nginx.pid)", "kill -CONT $(cat /run/nginx.pid)"),
    # It comes back by hand, and a person is slower than fixer: what it had started itself is somebody else's from then on.
    Trouble("nginx ends", "systemctl kill -s KILL nginx || true; while systemctl is-active -q nginx; do sleep 0.1; done", "sleep 5; systemctl reset-failed nginx; systemctl restart nginx"),
)


def tried(ready: Ready, trouble: Trouble, heal: Callable[[], object], environment: dict[str, str] | None = None) -> int:
    """The trouble at each point; what fixer said must be so, and the way back must be open. How often that was."""
    killing, missed = ready.killing, 0
    points = choose_points(ready.points, f"{ready.name} {trouble.name}")
    for number, at in enumerate(points):
        with killing.place.with_fault(trouble.begin, environment or {}):
            done = killing.fixer("repair", *REPAIR, *killing.place.words, "--json", module=("tests.crash.killed_fixer", str(at), killing.place.inside or str(killing.folder)))
        reached = len(killing.points()) > at
        missed += not reached
        heal()
        assert "Traceback" not in done.stderr and "a bug in fixer" not in done.stdout, done.stdout + done.stderr
        assert done.returncode in (0, 1, 3, 4), done.stdout + done.stderr
        said = json.loads(done.stdout)
        outcome = said.get("outcome", "error")
        state = killing.last_state()
        where = f"{ready.name}: {trouble.name} at {at} {ready.points[at]}: exit {done.returncode}, {outcome}, {state}: {said.get('error') or said.get('after', {}).get('notes')}"
        told(f"  {where}{'' if reached else ' (not reached)'}")
        if done.returncode == 0:
            assert killing.place.wait_for_state(killing.new, well=True) == [], where
        elif state != "unfinished":
            assert killing.place.wait_for_state(killing.old, well=False) == [], where
        else:
            killing.is_told()
        if number % 3 == 0 or state not in ("rolled-back", "nothing", "none"):      # else nothing is left to take back
            killing.back(started="nginx ends" in trouble.name)
        killing.place.forget(killing.folder / "state")
    assert missed <= max(1, len(points) // 4), f"{missed} of {len(points)} were never reached"      # how often a wait looks varies
    return len(points)


def small_disks(name: str) -> None:
    """/etc/nginx and the journals get disks of their own, small enough to be filled."""
    for folder, size in (("/etc/nginx", "1m"), ("/var/lib/badgateway", "256k")):
        subprocess.run(shlex.split(inside(name, f"mkdir -p {folder}; cp -a {folder} /root/kept; mount -t tmpfs -o size={size},mode=755 x {folder};"
                                          f" cp -a /root/kept/. {folder}; rm -r /root/kept")), check=True, capture_output=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """`docker://`: fixer outside, its journal inside."""
    with raised("wrong-port/wrong-port", "host") as place:
        assert place.lab is not None
        small_disks(place.lab.container())
        killing, points = began(place, tmp_path_factory.mktemp("machine"))
        yield Ready(killing, points["repair"], "machine")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """`local`: fixer and all that it changes are inside. A lab state of its own: that of `machine` may be up beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path_factory.mktemp("labs")))
        with raised("wrong-port/wrong-port", "host") as place:
            assert place.lab is not None
            small_disks(place.lab.container())
            within = BrokenTarget("local", place.lab, words=place.words, inside=copy_fixer_into(place.lab.container()))
            killing, points = began(within, tmp_path_factory.mktemp("local"))
            yield Ready(killing, points["repair"], "local")


box = test_ssh_repair.box


@pytest.fixture(scope="module")
def far(box: test_ssh_repair.SshdMachine, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """`ssh://`: fixer here, its journal there."""
    small_disks(box.name)
    place = BrokenTarget(f"ssh://oncall@{box.address}", box=box, environment={"BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    killing, points = began(place, tmp_path_factory.mktemp("far"))
    return Ready(killing, points["repair"], "ssh")


def happens(ready: Ready, trouble: Trouble) -> None:
    """A trouble within the machine, and its end."""
    place = ready.killing.place
    name = place.box.name if place.box is not None else place.lab.container() if place.lab is not None else ""

    def heal() -> None:
        subprocess.run(shlex.split(inside(name, trouble.heal)), check=True, capture_output=True)

    # Where fixer is inside already it needs nobody to enter for it.
    begin = trouble.begin if place.inside else inside(name, trouble.begin)
    assert tried(ready, Trouble(trouble.name, begin), heal)


@pytest.mark.parametrize("trouble", MACHINE, ids=lambda t: t.name)
def test_trouble_on_a_machine(machine: Ready, trouble: Trouble) -> None:
    happens(machine, trouble)


@pytest.mark.parametrize("trouble", MACHINE, ids=lambda t: t.name)
def test_trouble_over_ssh(far: Ready, trouble: Trouble) -> None:
    happens(far, trouble)


@pytest.mark.parametrize("trouble", [t for t in MACHINE if "only" not in t.name], ids=lambda t: t.name)
def test_trouble_inside(local: Ready, trouble: Trouble) -> None:
    """A container's profile forbids itself to mount: read-only is tried from outside."""
    happens(local, trouble)


@contextmanager
def on_small_disks(word: str, folder: Path) -> Iterator[Ready]:
    """`compose://`: its files and its journal, here, on disks of their own that are small enough to be filled."""
    disks = {folder / "labs": "3m", folder / "state": "256k"}
    for path, size in disks.items():
        path.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "x", str(path)], capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BADGATEWAY_LAB_STATE", str(folder / "labs"))
            with raised(word, "containers") as place:
                killing, points = began(place, folder)
                yield Ready(killing, points["repair"], word)
    finally:
        for path in disks:
            subprocess.run(["umount", str(path)], check=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """A project that lacks a variable."""
    with on_small_disks("crash-missing-env/start-env-var-missing", tmp_path_factory.mktemp("project")) as ready:
        yield ready


@pytest.mark.parametrize("part", ["labs", "state"])
@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_trouble_on_a_project(project: Ready, trouble: str, part: str) -> None:
    disk = project.killing.folder / part
    full = trouble == "full"
    # fixer's own lock is open for writing there, and no disk that is written to is made read-only: a cover is
    begin = FILL.format(disk) if full else f"mount --bind {disk} {disk} && mount -o remount,bind,ro {disk}"
    end = f"rm -f {disk}/.filler" if full else f"test $(grep -c ' {disk} ' /proc/mounts) -lt 2 || umount {disk}"
    assert tried(project, Trouble(f"{trouble} {part}", begin), lambda: subprocess.run(["sh", "-c", end], check=True))


def cut_short(ready: Ready, kinds: Sequence[str] = ("cut", "gone")) -> None:
    """Docker's socket: calls under way end, and new ones pass or not until it is healed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short, run_proxy(Path(short)) as made:
        for kind in kinds:
            begin = f"touch {short}/{kind}; while [ ! -e {short}/done ]; do sleep 0.01; done"
            assert tried(ready, Trouble(f"socket {kind}", begin), made.heal, {"DOCKER_HOST": f"unix://{made.path}"})


@pytest.mark.parametrize("kind", ["cut", "gone"])
def test_dockers_socket_cut_on_a_machine(machine: Ready, kind: str) -> None:
    cut_short(machine, (kind,))


@pytest.mark.parametrize("kind", ["cut", "gone"])
@pytest.mark.parametrize("word", ["wrong-port/container-wrong-port", "backend-down/container-stopped", "network-detached/docker-network-detached"])
def test_dockers_socket_cut_on_a_project(word: str, kind: str, tmp_path: Path) -> None:
    with raised(word, "containers") as place:
        killing, points = began(place, tmp_path)
        cut_short(Ready(killing, points["repair"], word), (kind,))


@pytest.mark.parametrize("word", ["backend-down/backend-not-running", "backend-down/unit-disabled-after-reboot"])
def test_a_service_that_does_not_start(word: str, tmp_path: Path) -> None:
    with raised(word, "host") as place:
        assert place.lab is not None
        name, unit = place.lab.container(), place.lab.unit("backend")
        drop = f"/run/systemd/system/{unit}.d"
        begin = f"mkdir -p {drop}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{drop}/x.conf; systemctl daemon-reload"

        def heal() -> None:
            # its log must not end with a failure: then nobody knows why it is down, and nothing is tried
            script = f"rm -rf {drop}; systemctl daemon-reload; systemctl reset-failed {unit} || true; systemctl is-active -q {unit} || {{ systemctl start {unit}; systemctl stop {unit}; }}"
            subprocess.run(shlex.split(inside(name, script)), check=True, capture_output=True)

        killing, points = began(place, tmp_path)
        assert tried(Ready(killing, points["repair"], word), Trouble("does not start", inside(name, begin)), heal)


def test_ssh_lost_in_the_middle(far: Ready) -> None:
    begin = "for p in $(ps -o pid=,comm= --ppid $PPID | sed -n 's/ ssh$//p'); do kill -9 $p; done"
    assert tried(far, Trouble("ssh lost", begin), lambda: None)


def test_network_lost_in_the_middle(far: Ready) -> None:
    """The machine does not see it, and holds what we had there: its sessions, and in one the lock."""
    assert far.killing.place.box is not None
    name = far.killing.place.box.name
    ports = "$(ss -Htn state established sport = :22 | while read -r a b c d; do echo ${d##*:}; done)"
    begin = inside(name, f"for p in {ports}; do iptables -A INPUT -p tcp --sport $p -j DROP; iptables -A OUTPUT -p tcp --dport $p -j DROP; done")

    def heal() -> None:
        """For those that come; what was lost stays so."""

    try:
        assert tried(far, Trouble("network lost", begin), heal)
    finally:
        subprocess.run(shlex.split(inside(name, "iptables -F")), check=True, capture_output=True)
