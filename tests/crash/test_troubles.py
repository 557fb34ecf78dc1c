"""Trouble in the middle of a repair on real places: a disk that is full or read-only from now on, nginx that does not
take it, a service that does not start, Docker's socket cut, ssh lost. Afterwards all is as before or as repaired, and
fixer said which. BADGATEWAY_KILLS=all tries every trouble at every point."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.raising import lab_down, lab_up
from lab.scenario import Stack
from tests.contract import test_ssh_repair
from tests.crash.places_killed import Place
from tests.crash.proxy import proxy
from tests.crash.test_killed import ALL, MOST, REPAIR, STEP, Killing, began

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 300)]


def inside(name: str, script: str) -> str:
    """A command that runs a script in a machine with all rights: no profile of a container's forbids to mount."""
    pid = subprocess.run(["docker", "inspect", "-f", "{{.State.Pid}}", name], capture_output=True, text=True, check=True).stdout.strip()
    return f"nsenter -t {pid} -m -p -n bash -ec {shlex.quote(script)}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens (`{folder}` is filled in), how it passes, and where it is tried when not everywhere."""

    name: str
    begin: str
    heal: str
    points: tuple[str, ...]


FILL = "cat /dev/zero >{0}/.filler 2>/dev/null || true"
MACHINE = (
    Trouble("disk full", FILL.format("/etc/nginx"), "rm -f /etc/nginx/.filler", ("record intent edit",)),
    Trouble("journal's disk full", FILL.format("/var/lib/badgateway"), "rm -f /var/lib/badgateway/.filler", ("record intent check",)),
    Trouble("read-only", "mount -o remount,ro /etc/nginx", "mount -o remount,rw /etc/nginx", ("record intent edit",)),
    Trouble("journal read-only", "mount -o remount,ro /var/lib/badgateway", "mount -o remount,rw /var/lib/badgateway", ("shell move",)),
    Trouble("nginx refuses", "echo 'no_such_thing on;' >/etc/nginx/modules-enabled/99-x.conf", "rm -f /etc/nginx/modules-enabled/99-x.conf", ("record intent check",)),
    Trouble("nginx does not reload", "kill -STOP $(cat /run/nginx.pid)", "kill -CONT $(cat /run/nginx.pid)", ()),
    Trouble("nginx ends", "systemctl kill -s KILL nginx || true", "systemctl reset-failed nginx; systemctl start nginx", ()),
)


@contextlib.contextmanager
def raised(word: str, stack: Stack) -> Iterator[Place]:
    lab = lab_up(word, stack, 1, lambda _: None).lab
    try:
        yield Place(lab.target, lab)
    finally:
        lab_down(lab.id)


def tried(killing: Killing, trouble: Trouble, heal: Callable[[], None], environment: dict[str, str]) -> list[str]:
    """The trouble at each point; what fixer said must be so, and the way back must be open."""
    struck = []
    for at in [str(n) for n in range(STEP // 2, MOST, STEP)] if ALL else trouble.points:
        done = subprocess.run(
            [sys.executable, "-m", "tests.crash.killed", at, str(killing.folder), "repair", killing.place.target, *REPAIR, "--json"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=250,
            env={**os.environ, "BADGATEWAY_STATE": str(killing.folder / "state"), "BADGATEWAY_AT_POINT": trouble.begin,
                 **killing.place.environment, **environment})
        points = (killing.folder / "points").read_text().splitlines()
        heal()
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1, 3, 4), done.stdout + done.stderr
        said = json.loads(done.stdout)
        outcome = said.get("outcome", "error")
        state = killing.last_state()
        where = f"{trouble.name} at {at}: exit {done.returncode}, {outcome}, {state}: {said.get('error') or said.get('notes')}"
        if done.returncode == 0:
            assert killing.place.becomes(killing.new, well=True) == [], where
        elif state != "unfinished":
            assert killing.place.becomes(killing.old, well=False) == [], where
        else:
            killing.is_told()
        killing.back()
        if ALL:
            if at.isdigit() and int(at) >= len(points):
                return struck
            with Path(os.environ.get("BADGATEWAY_KILLS_LOG", os.devnull)).open("a") as log:
                log.write(f"  {where} [{points[int(at)]}]\n")
        struck.append(where)
    return struck


def small_disks(name: str) -> None:
    """/etc/nginx and the journals get disks of their own, small enough to be filled."""
    for folder, size in (("/etc/nginx", "1m"), ("/var/lib/badgateway", "256k")):
        subprocess.run(shlex.split(inside(name, f"mkdir -p {folder}; cp -a {folder} /root/kept; mount -t tmpfs -o size={size},mode=755 x {folder};"
                                          f" cp -a /root/kept/. {folder}; rm -r /root/kept")), check=True, capture_output=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    with raised("wrong-port/wrong-port", "host") as place:
        assert place.lab is not None
        small_disks(place.lab.container())
        yield began(place, tmp_path_factory.mktemp("machine"))


@pytest.mark.parametrize("trouble", [t for t in MACHINE if t.points or ALL], ids=lambda t: t.name)
def test_trouble_on_a_machine(machine: Killing, trouble: Trouble) -> None:
    assert machine.place.lab is not None
    name = machine.place.lab.container()

    def heal() -> None:
        subprocess.run(shlex.split(inside(name, trouble.heal)), check=True, capture_output=True)

    told = Trouble(trouble.name, inside(name, trouble.begin), "", trouble.points)
    assert tried(machine, told, heal, {})


def cut_short(killing: Killing, points: Sequence[str], kinds: Sequence[str] = ("cut", "gone")) -> None:
    """Docker's socket: calls under way end, and new ones pass or not until it is healed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short, proxy(Path(short)) as made:
        for kind in kinds:
            begin = f"touch {short}/{kind}; while [ ! -e {short}/done ]; do sleep 0.01; done"
            trouble = Trouble(f"socket {kind}", begin, "", tuple(points))
            assert tried(killing, trouble, made.heal, {"DOCKER_HOST": f"unix://{made.path}"})


def test_dockers_socket_cut_on_a_machine(machine: Killing) -> None:
    cut_short(machine, ("record intent reload",), ("cut", "gone") if ALL else ("gone",))


@pytest.mark.parametrize("word", ["wrong-port/container-wrong-port", *(
    ["backend-down/container-stopped", "network-detached/docker-network-detached"] if ALL else [])])
def test_dockers_socket_cut_on_a_project(word: str, tmp_path: Path) -> None:
    with raised(word, "containers") as place:
        cut_short(began(place, tmp_path), ("command",), ("cut", "gone") if ALL else ("gone",))


@pytest.mark.skipif(not ALL, reason="BADGATEWAY_KILLS=all")
@pytest.mark.parametrize("word", ["backend-down/backend-not-running", "backend-down/unit-disabled-after-reboot"])
def test_a_service_that_does_not_start(word: str, tmp_path: Path) -> None:
    with raised(word, "host") as place:
        assert place.lab is not None
        name, unit = place.lab.container(), place.lab.unit("backend")
        drop = f"/run/systemd/system/{unit}.d"
        begin = f"mkdir -p {drop}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{drop}/x.conf; systemctl daemon-reload"

        def heal() -> None:
            script = f"rm -rf {drop}; systemctl daemon-reload; systemctl reset-failed {unit} || true"
            subprocess.run(shlex.split(inside(name, script)), check=True, capture_output=True)

        assert tried(began(place, tmp_path), Trouble("does not start", inside(name, begin), "", ()), heal, {})


box = test_ssh_repair.box


def test_ssh_lost_in_the_middle(box: test_ssh_repair.Box, tmp_path: Path) -> None:
    place = Place(f"ssh://oncall@{box.address}", box=box, environment={"BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    begin = "for p in $(ps -o pid=,comm= --ppid $PPID | sed -n 's/ ssh$//p'); do kill -9 $p; done"
    assert tried(began(place, tmp_path), Trouble("ssh lost", begin, "", ("record intent edit", "record intent reload")), lambda: None, {})


def test_two_repairs_at_once_on_a_machine(machine: Killing) -> None:
    """One repairs; the other is refused, or finds it done. One undo takes all back."""
    words = [sys.executable, "-m", "fixer", "repair", machine.place.target, *REPAIR, "--json"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True) for _ in range(2)]
    said = [json.loads(one.communicate(timeout=100)[0]) for one in both]
    codes = sorted(one.returncode for one in both)
    assert codes in ([0, 0], [0, 1], [0, 3], [0, 4]), said
    assert [one.get("outcome") for one in said].count("repaired") == 1, said
    assert machine.place.becomes(machine.new, well=True) == []
    machine.back()
