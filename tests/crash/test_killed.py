"""A real SIGKILL of fixer on real machines, compose projects and over ssh, at each journal record, file and command:
afterwards `undo` or `repair` ends as before or as repaired, never between, and says which.

BADGATEWAY_KILLS=all kills at every point of every place, =5 at every fifth; without it a few points of three places.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.fixing import input_words
from lab.raising import lab_down, lab_up
from lab.scenario import Stack
from tests.contract import test_ssh_repair
from tests.crash.places_killed import Place, State

KILLS = os.environ.get("BADGATEWAY_KILLS", "")
ALL, STEP = bool(KILLS), int(KILLS) if KILLS.isdecimal() else 1
pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 300)]
MOST = 200

# The word of a lab, its stack, and where fixer is killed when not everywhere: number or beginning of a point's name.
SHORT: tuple[tuple[str, Stack, tuple[str, ...]], ...] = (
    ("wrong-port/wrong-port", "host", ("shell move", "record intent reload")),
    ("crash-missing-env/start-env-var-missing", "containers", ("file rename", "command docker compose")),
)
LONG: tuple[tuple[str, Stack], ...] = (
    ("backend-down/backend-not-running", "host"), ("backend-down/unit-disabled-after-reboot", "host"),
    ("backend-hung/backend-sigstop", "host"), ("firewall-drop/firewall-drop", "host"),
    ("crash-missing-env/start-env-var-missing", "host"), ("nginx-down/nginx-unmanaged-master", "host"),
    ("unit-misconfigured/start-200-chdir", "host"), ("crash-loop-gave-up/supervisor-fatal", "host"),
    ("wrong-port/container-wrong-port", "containers"), ("backend-down/container-stopped", "containers"),
    ("backend-hung/container-paused", "containers"), ("network-detached/docker-network-detached", "containers"),
    ("route-broken/route-blackhole", "containers"),
)
CASES = [(word, stack, points) for word, stack, points in SHORT] + ([(word, stack, ()) for word, stack in LONG] if ALL else [])
REPAIR = ("--yes", "--max-risk", "disruptive")


@dataclass(slots=True)
class Killing:
    """A place as it was, and as a whole repair leaves it."""

    place: Place
    folder: Path
    old: State
    new: State
    kills: int = 0
    again: int = 0

    def fixer(self, *words: str, module: Sequence[str] = ("fixer",)) -> subprocess.CompletedProcess[str]:
        command, *more = words
        return subprocess.run(
            [sys.executable, "-m", *module, command, self.place.target, *more], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=200,
            env={**os.environ, "BADGATEWAY_STATE": str(self.folder / "state"), **self.place.environment})

    def killed(self, at: str, command: str) -> bool:
        """Kill it there; False where it came to its end before."""
        words = (*REPAIR, *self.place.words) if command == "repair" else ()
        done = self.fixer(command, *words, module=("tests.crash.killed", at, str(self.folder)))
        assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
        self.kills += done.returncode != 0
        return done.returncode != 0

    def point(self) -> str:
        """Where it was killed."""
        return (self.folder / "points").read_text().splitlines()[-1]

    def last_state(self) -> str:
        """What fixer says of the last run."""
        done = self.fixer("history", "--json")
        runs = json.loads(done.stdout)["runs"]
        return runs[0]["state"] if runs else "none"

    def is_told(self) -> None:
        """An unfinished run is said by the next look, and nothing else is."""
        said = self.last_state() == "unfinished"
        notes = json.loads(self.fixer("diagnose", "--json").stdout)["notes"]
        assert any("was cut off before its end" in note for note in notes) is said, notes

    def back(self) -> None:
        """`undo`: as before, to the byte, and nothing is called kept."""
        done = self.fixer("undo", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["conflicts"] == []
        assert self.last_state() in ("none", "nothing", "undone", "rolled-back")
        assert self.place.becomes(self.old, well=False) == []

    def forward(self) -> None:
        """`repair`: as repaired, and called kept. Once it may be taken back: a unit that had failed, of which systemd
        forgot why when it was started and stopped again, is only told apart after the next try."""
        done = self.fixer("repair", *REPAIR, *self.place.words, "--json")
        if done.returncode == 1:
            assert json.loads(done.stdout)["outcome"] == "rolled-back"
            assert self.place.becomes(self.old, well=False) == []
            self.again += 1
            done = self.fixer("repair", *REPAIR, *self.place.words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.last_state() == "committed"
        assert self.place.becomes(self.new, well=True) == []

    def every(self, command: str, points: Sequence[str]) -> list[str]:
        """Kill at all these points, after each recover by `undo`, or by `repair` and then `undo`; where it was killed."""
        struck = []
        for number, at in enumerate(points):
            if command == "undo":
                self.forward()
            if not self.killed(at, command):
                self.back()
                return struck
            struck.append(f"{at} {self.point()}")
            if number % 3 == 0:
                self.is_told()
            if number % 3 == 1:
                self.forward()
            self.back()
        return struck


def began(place: Place, folder: Path) -> Killing:
    """Learn what a whole repair makes of the place, and that a whole undo takes it all back."""
    folder.mkdir(exist_ok=True)
    killing = Killing(place, folder, place.state(), {})
    done = killing.fixer("repair", *REPAIR, *place.words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    killing.new = place.state()
    killing.back()
    return killing


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} {case[1]}")
def lab_place(request: pytest.FixtureRequest) -> Iterator[tuple[Place, tuple[str, ...]]]:
    """A lab, broken."""
    word, stack, points = request.param
    lab = lab_up(word, stack, 1, lambda _: None).lab
    try:
        yield Place(lab.target, lab, words=input_words(lab)), points
    finally:
        lab_down(lab.id)


def report(killing: Killing, command: str, struck: Sequence[str]) -> None:
    """The figures of a whole run."""
    if ALL:
        with Path(os.environ.get("BADGATEWAY_KILLS_LOG", os.devnull)).open("a") as log:
            log.write(f"{killing.place.target} {command}: {len(struck)} kills, {killing.again} second tries\n" + "".join(f"  {name}\n" for name in struck))


def strike(killing: Killing, short: tuple[str, ...]) -> None:
    """Kill repair and undo, there or everywhere."""
    for command in ("repair", "undo") if ALL else ("repair",):
        struck = killing.every(command, [str(n) for n in range(STEP // 2, MOST, STEP)] if ALL else short)
        report(killing, command, struck)
        assert len(struck) == len(short) or (ALL and struck)


def test_killed_anywhere_on_a_lab(lab_place: tuple[Place, tuple[str, ...]], tmp_path: Path) -> None:
    place, points = lab_place
    strike(began(place, tmp_path), points)


box = test_ssh_repair.box


@pytest.mark.parametrize("fault", ["wrong-port", *(["stopped"] if ALL else [])])
def test_killed_anywhere_over_ssh(box: test_ssh_repair.Box, tmp_path: Path, fault: str) -> None:
    if fault == "stopped":
        box.sh("sed -i s/9402/9401/ /etc/nginx/sites-enabled/desk; systemctl reload nginx; systemctl stop desk")
    place = Place(f"ssh://oncall@{box.address}", box=box, environment={"BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    strike(began(place, tmp_path), ("shell move", "record intent reload"))
