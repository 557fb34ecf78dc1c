"""Two repairs at once, a repair beside an undo, and hand edits between a repair and its undo, on a machine from outside,
from inside, over ssh and on a compose project. The second begins at the same moment, or with BADGATEWAY_KILLS=all later
by more and more."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.scenario.scenario_file import Stack
from tests.contract import test_ssh_repair
from tests.crash.broken_targets import BrokenTarget, copy_fixer_into
from tests.crash.crash_draw import ALL
from tests.crash.test_sigkill import REPAIR, Killing, began, raised, told

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]
LATER = (0.0, 0.8, 2.0, 4.0) if ALL else (0.0,)      # seconds
OWN = "# somebody's own line\n"

box = test_ssh_repair.box


@contextmanager
def placed(request: pytest.FixtureRequest, words: tuple[str, Stack]) -> Iterator[BrokenTarget]:
    """A broken place of the kind that the fixture is asked for: over ssh the box of its own, else a lab of those words."""
    if request.param == "ssh":
        far = request.getfixturevalue("box")
        yield BrokenTarget(f"ssh://oncall@{far.address}", box=far, environment={"BADGATEWAY_SSH": f"ssh -F {far.folder}/config"})
        return
    with raised(*words) as found:
        assert found.lab is not None
        if request.param == "inside":
            yield BrokenTarget("local", found.lab, words=found.words, inside=copy_fixer_into(found.lab.container()))
        else:
            yield found


@pytest.fixture(params=["machine", "inside", "ssh", "project"])
def place(request: pytest.FixtureRequest) -> Iterator[BrokenTarget]:
    """A site that leads to the wrong port."""
    words = ("wrong-port/container-wrong-port", "containers") if request.param == "project" else ("wrong-port/wrong-port", "host")
    with placed(request, words) as found:
        yield found


def both_at_once(
    killing: Killing, commands: tuple[str, str], later: float, ways: Sequence[BrokenTarget] = (),
) -> tuple[list[int], list[dict[str, Any]]]:
    """Two commands, the second begun later by that; each by a way of its own where those are given."""
    both = []
    for number, (command, place) in enumerate(zip(commands, ways or (killing.place,) * 2, strict=True)):
        time.sleep(later * number)
        environment = {**os.environ, "BADGATEWAY_STATE": str(killing.folder / "state"), **place.environment}
        words = [*place.python(), "-m", "fixer", command, place.target, *((*REPAIR, *place.words) if command == "repair" else ()), "--json"]
        both.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, env=environment))
    said = [json.loads(one.communicate(timeout=200)[0]) for one in both]
    codes = [one.returncode for one in both]
    told(f"  {' '.join(way.target for way in ways) or killing.place.target} {commands} {later}: {codes} {[one.get('outcome') or one.get('error') or one.get('conflicts') for one in said]}")
    return codes, said


def two_repairs(killing: Killing, later: float, ways: Sequence[BrokenTarget] = ()) -> None:
    """One repairs; the other is refused, or finds it done."""
    codes, said = both_at_once(killing, ("repair", "repair"), later, ways)
    assert sorted(codes) in ([0, 0], [0, 1], [0, 3], [0, 4]), said
    assert [one.get("outcome") for one in said].count("repaired") == 1, said
    assert killing.place.wait_for_state(killing.new, well=True) == []


def repair_and_undo(killing: Killing, commands: tuple[str, str], later: float, ways: Sequence[BrokenTarget] = ()) -> None:
    """Of a repair that is kept: as it was or as repaired, whichever came last, and said so."""
    codes, said = both_at_once(killing, commands, later, ways)
    assert codes[commands.index("undo")] in (0, 1, 3, 4) and codes[commands.index("repair")] in (0, 1, 3, 4), said
    state = killing.last_state()
    assert state in ("committed", "undone", "rolled-back"), (state, said)
    is_new = state == "committed"
    assert killing.place.wait_for_state(killing.new if is_new else killing.old, well=is_new) == [], (state, said)


def edited(place: BrokenTarget, path: str) -> str:
    """A line of somebody's own behind what a repair wrote; what the file holds then."""
    if place.box is not None:
        return place.box.sh(f"printf %s {OWN!r} >>{path}; cat {path}")
    if place.lab is not None and place.lab.stack == "host":
        return place.run_script(f"printf '%s\\n' \"{OWN.strip()}\" >>{path}; cat {path}")
    file = Path(path)
    file.write_text(file.read_text() + OWN)
    return file.read_text()


def now(place: BrokenTarget, path: str) -> str:
    """What the file holds."""
    if place.box is not None:
        return place.box.sh(f"cat {path}")
    return place.run_script(f"cat {path}") if place.lab is not None and place.lab.stack == "host" else Path(path).read_text()


def test_two_at_once_and_a_hand_edit(place: BrokenTarget, tmp_path: Path) -> None:
    killing, _ = began(place, tmp_path)
    for later in LATER:
        killing.back()
        for commands in (("undo", "repair"), ("repair", "undo")) if ALL else ():
            killing.forward()
            repair_and_undo(killing, commands, later)
            killing.back()
        two_repairs(killing, later)
    [changed] = [key for key in killing.new if killing.new[key] != killing.old.get(key) and key.startswith("/")]
    mine = edited(place, changed)
    done = killing.fixer("undo", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and any(changed in line for line in told["conflicts"]), told
    assert now(place, changed) == mine
    assert killing.last_state() == "undone-with-conflicts"


@pytest.mark.parametrize("first", ["outside", "inside"])
def test_one_within_the_machine_and_one_from_outside(first: str, tmp_path: Path) -> None:
    """`local` there and `docker://` here: the lock lies within, and so do the runs that both know."""
    with raised("wrong-port/wrong-port", "host") as outside:
        assert outside.lab is not None
        inside = BrokenTarget("local", outside.lab, words=outside.words, inside=copy_fixer_into(outside.lab.container()))
        ways = (outside, inside) if first == "outside" else (inside, outside)
        killing, _ = began(outside, tmp_path)
        for later in LATER:
            killing.back()
            two_repairs(killing, later, ways)
            for commands in (("undo", "repair"), ("repair", "undo")):
                killing.back()
                killing.forward()
                repair_and_undo(killing, commands, later, ways)
