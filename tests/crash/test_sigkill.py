"""A real SIGKILL of fixer on real machines (from outside and inside), compose projects and over ssh, at each journal
record, file and command: afterwards `undo` or `repair` ends as before or as repaired, never between, and says which.

BADGATEWAY_KILLS=all kills at every point of every place, =5 at every fifth, and appends each to BADGATEWAY_KILLS_LOG;
without it a few points of a few places, which the commit draws (drawing.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.scenario.scenario_file import Stack
from lab.stack.fixer_command import input_options
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up
from tests.contract import test_ssh_repair
from tests.crash.broken_targets import BrokenTarget, State, copy_fixer_into
from tests.crash.crash_draw import ALL, choose_points
from tests.crash.step_kills import draw_number

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]

# The word of a lab and its stack: together they reach the kinds of step, but for an nginx that no manager owns (each_step).
CASES: tuple[tuple[str, Stack], ...] = (
    ("wrong-port/wrong-port", "host"), ("crash-missing-env/start-env-var-missing", "containers"),
    ("backend-down/backend-not-running", "host"), ("backend-down/unit-disabled-after-reboot", "host"),
    ("backend-hung/backend-sigstop", "host"), ("firewall-drop/firewall-drop", "host"),
    ("crash-missing-env/start-env-var-missing", "host"),
    ("unit-misconfigured/start-217-user-backup", "host"), ("crash-missing-env/start-envfile-missing-copy", "host"),
    ("unit-misconfigured/start-200-chdir", "host"), ("crash-loop-gave-up/supervisor-fatal", "host"),
    ("wrong-port/container-wrong-port", "containers"), ("backend-down/container-stopped", "containers"),
    ("backend-hung/container-paused", "containers"), ("network-detached/docker-network-detached", "containers"),
    ("route-broken/route-blackhole", "containers"), ("firewall-drop/firewall-drop-in-a-container", "containers"),
    ("backend-down/ended-under-an-init-script", "host"), ("crash-dependency-down/start-db-refused", "host"),
    ("crash-dependency-down/start-db-refused", "containers"),
)
INSIDE = ("wrong-port/wrong-port", "backend-down/unit-disabled-after-reboot", "firewall-drop/firewall-drop")
REPAIR = ("--yes", "--max-risk", "disruptive")


@dataclass(slots=True)
class Killing:
    """A place as it was, and as a whole repair leaves it."""

    place: BrokenTarget
    folder: Path
    old: State
    new: State
    kills: int = 0
    looping: frozenset[str] = frozenset()

    def fixer(self, *words: str, module: Sequence[str] = ("tests.crash.killed_fixer", "nowhere", "-")) -> subprocess.CompletedProcess[str]:
        command, *more = words
        return subprocess.run(
            [*self.place.python(), "-m", *module, command, self.place.target, *more], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=400, env={**os.environ, "BADGATEWAY_STATE": str(self.folder / "state"), **self.place.environment})

    def killed(self, at: str, command: str) -> bool:
        """Kill it there; False where it came to its end before."""
        words = (*REPAIR, *self.place.words) if command == "repair" else ()
        done = self.fixer(command, *words, module=("tests.crash.killed_fixer", at, self.place.inside or str(self.folder)))
        assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done.stdout + done.stderr
        self.kills += done.returncode != 0
        return done.returncode != 0

    def points(self) -> list[str]:
        """Those that the last one of `killed` came to."""
        if self.place.inside:
            return self.place.run_script(f"cat {self.place.inside}/points").splitlines()
        return (self.folder / "points").read_text().splitlines()

    def run_states(self) -> list[str]:
        """What fixer says of all runs, the last one first."""
        return [run["state"] for run in json.loads(self.fixer("history", "--json").stdout)["runs"]] or ["none"]

    def last_state(self) -> str:
        """What fixer says of the last run."""
        return self.run_states()[0]

    def is_told(self) -> None:
        """An unfinished run is said by the next look, and nothing else is."""
        said = self.last_state() == "unfinished"
        notes = json.loads(self.fixer("diagnose", "--json").stdout)["notes"]
        assert any("was interrupted" in note for note in notes) is said, notes

    def back(self, started: bool = False) -> None:
        """`undo`: as before, to the byte, and nothing is called kept, but what was `started` by hand since.
        A run that was killed between its rounds, and the repair after it, are two runs: the last one first."""
        done = self.fixer("undo", "--json")
        states = self.run_states()
        if "committed" in states and done.returncode == 0:      # one is still in force
            done = self.fixer("undo", "--json")
            states = self.run_states()
        kept = [line for line in json.loads(done.stdout)["conflicts"] if not started or "was started again since" not in line]
        assert kept == [], kept
        state = states[0]
        assert (done.returncode, state) == (1, "undone-with-conflicts") or (
            done.returncode == 0 and state in ("none", "nothing", "undone", "rolled-back")), done.stdout + done.stderr
        self.is_old()

    def is_old(self) -> None:
        """As before; what fails there again and again has failed once more: in its first second nobody knows why."""
        assert self.place.wait_for_state(self.old, well=False) == []
        until = time.monotonic() + 60
        while not self.looping <= self.place.looping() and time.monotonic() < until:
            time.sleep(0.2)

    def forward(self) -> None:
        """`repair`: as repaired, and called kept."""
        done = self.fixer("repair", *REPAIR, *self.place.words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.last_state() == "committed"
        assert self.place.wait_for_state(self.new, well=True) == []

    def every(self, command: str, points: Sequence[int]) -> None:
        """Kill at these points, after each recover by `undo`, or by `repair` and then `undo`."""
        for number, at in enumerate(points):
            if command == "undo":
                self.forward()
            if self.killed(str(at), command):
                told(f"  {command} {at} {self.points()[-1]}")
                if number % 3 == 0:
                    self.is_told()
                if number % 3 == 1:
                    self.forward()
                if number % 3 == 2:      # killed again on the way back
                    self.killed(str(draw_number(len(points), f"{command} {at}")), "undo")
            self.back()
            self.place.forget(self.folder / "state")


def told(line: str) -> None:
    """The figures of a whole run."""
    if ALL:
        with Path(os.environ.get("BADGATEWAY_KILLS_LOG", os.devnull)).open("a") as log:
            log.write(f"{line}\n")


def began(place: BrokenTarget, folder: Path) -> tuple[Killing, dict[str, list[str]]]:
    """Learn what a whole repair makes of the place, that a whole undo takes it all back, and the points of both."""
    folder.mkdir(exist_ok=True)
    killing, points = Killing(place, folder, place.wait_until_settled(), {}), {}
    killing.looping = frozenset(place.looping())
    assert not killing.killed("never", "repair")
    points["repair"] = killing.points()
    killing.new = place.wait_until_settled()
    assert place.wait_for_state(killing.new, well=True) == []
    assert not killing.killed("never", "undo")
    points["undo"] = killing.points()
    killing.back()
    return killing, points


@contextlib.contextmanager
def raised(word: str, stack: Stack, seed: int = 1) -> Iterator[BrokenTarget]:
    """A lab, broken."""
    lab = lab_up(word, stack, seed, lambda _: None).lab
    try:
        yield BrokenTarget(lab.target, lab, words=input_options(lab))
    finally:
        lab_down(lab.id)


def strike(place: BrokenTarget, folder: Path, name: str) -> None:
    """Kill repair and undo at the drawn points of theirs, or at all."""
    told(name)
    killing, points = began(place, folder)
    for command in ("repair", "undo") if ALL else ("repair",):
        killing.every(command, choose_points(points[command], f"{name} {command}"))
    if not killing.kills:       # both drawn points were the last of the first run, which also makes the journal's folder
        killing.every("repair", [draw_number(len(points["repair"]) // 2, f"{name} again")])
    assert killing.kills
    told(f"{name}: {killing.kills} kills of {len(points['repair'])} + {len(points['undo'])} points")


@pytest.mark.parametrize(("word", "stack"), CASES, ids=[f"{word}_{stack}" for word, stack in CASES])
def test_killed_anywhere_on_a_lab(word: str, stack: Stack, tmp_path: Path) -> None:
    with raised(word, stack) as place:
        strike(place, tmp_path, f"{word} {stack}")


@pytest.mark.parametrize("word", INSIDE)
def test_killed_anywhere_inside(word: str, tmp_path: Path) -> None:
    """fixer itself lies in the machine, and so do its journal and its lock: `local`."""
    with raised(word, "host") as place:
        assert place.lab is not None
        folder = copy_fixer_into(place.lab.container())
        strike(BrokenTarget("local", place.lab, words=place.words, inside=folder), tmp_path, f"{word} inside")


box = test_ssh_repair.box


@pytest.mark.parametrize("fault", ["wrong-port", "stopped"])
def test_killed_anywhere_over_ssh(box: test_ssh_repair.SshdMachine, tmp_path: Path, fault: str) -> None:
    if fault == "stopped":
        box.sh("sed -i s/9402/9401/ /etc/nginx/sites-enabled/desk; systemctl reload nginx; systemctl stop desk")
    place = BrokenTarget(f"ssh://oncall@{box.address}", box=box, environment={"BADGATEWAY_SSH": f"ssh -F {box.folder}/config"})
    strike(place, tmp_path, f"ssh {fault}")
