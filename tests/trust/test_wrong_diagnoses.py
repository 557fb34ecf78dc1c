"""Never in hope: a diagnosis that is blind to what is wrong, or wrong, ends in a refusal or is taken back, never repaired.

BADGATEWAY_BLIND=all tries every proven case of the matrix, =7 every seventh; without it one by day, drawn from
the commit, and two at night.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab.scenario.scenario_file import Stack
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up
from tests.crash.broken_targets import BrokenTarget, State
from tests.crash.crash_draw import SHARE, draw_by_day
from tests.scenarios.proven_cases import PROVEN_FILE

BLIND = os.environ.get("BADGATEWAY_BLIND", "")
SHORT: list[tuple[str, Stack]] = [("wrong-port/wrong-port", "host"), ("crash-missing-env/start-env-var-missing", "containers")]


def proven() -> list[tuple[str, Stack]]:
    """The cases that the matrix has proven, each variant once a stack."""
    found = dict.fromkeys(tuple(line.split()[:2]) for line in PROVEN_FILE.read_text().splitlines() if not line.startswith("healthy/"))
    return list(found)[:: int(BLIND) if BLIND.isdecimal() else 1]  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_sample_is_repaired_by_a_blind_or_wrong_diagnosis(tmp_path: Path) -> None:
    """The samples of all causes once more, under the plugin, by day a share of them; the figures are counted, so it cannot
    pass by doing nothing."""
    told = tmp_path / "told"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.trust.wrong_diagnoses", "-p", "no:cacheprovider", "-m", "not docker and not slow",
         *(str(Path(__file__).parents[1] / name) for name in ("analysis", "causes", "diagnose", "findings", "repairs"))], capture_output=True, text=True, check=False, env={**os.environ, "BADGATEWAY_BLINDED": str(told)})
    assert done.returncode == 0, done.stdout[-4000:]
    lines = told.read_text().splitlines()
    ends = Counter(re.sub(r"^(\w+) .*: (\S+ \d).*", r"\1 \2", line) for line in lines)
    assert len(lines) > 1500 // SHARE and not [end for end in ends if "repaired" in end], ends
    least = {"blind needs-input 4": 500, "wrong rolled-back 1": 1500, "blind rolled-back 1": 50}
    assert all(ends[end] > number // SHARE for end, number in least.items()), ends


def _answers_well(report: dict[str, Any]) -> bool:
    """Whether every route answered when fixer looked; of one that did not it is said that the application itself refused,
    or that an answer was only late."""
    bad = [route for route in report["routes"]
           if not (route["probe"] and route["probe"]["status"] and route["probe"]["status"] < 500)]
    return all(any(note.startswith(f"{route['location']} on {route['listen']}") and
                   ("sent by the application itself" in note or "run again with --wait 60 to see if the page is only slow" in note)
                   for note in report["notes"]) for route in bad)


def _shaky(place: BrokenTarget) -> set[str]:
    """The units that end by themselves: whether one runs at a moment says nothing."""
    if place.lab is None or place.lab.stack != "host":
        return set()
    told = subprocess.run(["docker", "exec", place.lab.container(), "systemctl", "show", "*", "--type=service", "--all", "--property=Id,NRestarts,Result"],
                          capture_output=True, text=True, check=True).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in told.split("\n\n")]
    return {block["Id"] for block in blocks if "Id" in block and (block.get("NRestarts") != "0" or block.get("Result") != "success")}


def _tried(*states: State) -> set[str]:
    """What supervisord was still trying at one of these moments: by the other one it may have given up."""
    names = {line.removesuffix(" tried") for state in states for line in state.get("running", ())
             if line.startswith("program ") and line.endswith(" tried")}
    return {f"{name} {word}" for name in names for word in ("tried", "down", "RUNNING")}


def _only(lines: object, others: object) -> str:
    """What is in the one and not in the other."""
    both = isinstance(lines, list) and isinstance(others, list)
    return f"{[line for line in lines if line not in others] if both else lines!r:.300}"      # type: ignore[union-attr, operator]


def _left(place: BrokenTarget, before: State, shaky: set[str]) -> list[str]:
    """What is different from before, when it had its time."""
    until = time.monotonic() + 30
    while True:
        now = place.state()
        falling = {line for unit in shaky | _shaky(place) for line in (f"up {unit}", f"unit {unit} tried")} | _tried(before, now)
        pairs = {key: (before.get(key), now.get(key)) for key in {*before, *now}}
        if "running" in pairs:
            pairs["running"] = tuple([line for line in lines or () if line not in falling] for lines in pairs["running"])  # type: ignore[assignment]
        wrong = [f"{key}: {_only(old, new)} now {_only(new, old)}" for key, (old, new) in sorted(pairs.items()) if old != new]
        if not wrong or time.monotonic() > until:
            return wrong
        time.sleep(0.5)


@pytest.mark.docker
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("word", "stack"), proven() if BLIND else draw_by_day(SHORT, "blind", 1))
def test_a_lab_is_left_as_it_was_by_a_blind_repair(word: str, stack: Stack, tmp_path: Path) -> None:
    risen = lab_up(word, stack, 1, lambda _: None)
    try:
        place = BrokenTarget(risen.lab.target, risen.lab)
        before, shaky = place.state(), _shaky(place)
        environment = {**os.environ, "BADGATEWAY_STATE": str(tmp_path)}
        seen = subprocess.run([sys.executable, "-m", "fixer", "diagnose", place.target, "--json"], capture_output=True, text=True,
                              check=False, env=environment)
        told, expected = json.loads(seen.stdout), risen.variant.expect.cause
        assert "error" not in told, seen.stdout
        causes = {finding["cause"] for finding in told["findings"] if finding["role"] != "advice" or finding["cause"] == expected}
        assert expected in causes
        done = subprocess.run(
            [sys.executable, "-m", "tests.trust.without_causes", ",".join(sorted(causes)), "repair", place.target, "--yes", "--max-risk", "disruptive",
             "--json"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=environment)
        said = json.loads(done.stdout)
        # what no answer shows (a page cut short, one that fails now and then) and nobody looks for is not known: nothing is done
        calm = said["journal"] is None and _answers_well(said["after"])
        ends = [(4, "needs-input"), (1, "rolled-back"), (3, "failed"), *([(0, "nothing-to-do")] if calm else [])]
        assert (done.returncode, said["outcome"]) in ends, done.stdout
        if BLIND:
            with Path(os.environ.get("BADGATEWAY_BLIND_LOG", os.devnull)).open("a") as log:
                log.write(f"{word} {stack}: blind to {'+'.join(sorted(causes))}: exit {done.returncode} {said['outcome']} {said['applied']}\n")
        assert said["applied"] == []
        if not risen.variant.expect.repair.heals_by_waiting:
            assert _left(place, before, shaky) == []
    finally:
        lab_down(risen.lab.id)
