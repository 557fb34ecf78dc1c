"""The same troubles in the middle of an undo: afterwards it is as before, or what is not is said and goes back with the
next undo. BADGATEWAY_KILLS=all tries every trouble at every point of each; without it a few are drawn."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable

import pytest

from tests.crash import test_faults_in_repair
from tests.crash.broken_targets import BrokenTarget
from tests.crash.crash_draw import ALL, choose_points
from tests.crash.test_faults_in_repair import MACHINE, Ready, Trouble, inside
from tests.crash.test_sigkill import Killing, told

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]

machine, local, box, far = test_faults_in_repair.machine, test_faults_in_repair.local, test_faults_in_repair.box, test_faults_in_repair.far


def tried(ready: Ready, trouble: Trouble, heal: Callable[[], object], environment: dict[str, str] | None = None) -> int:
    """The trouble at each point of an undo; how often that was."""
    killing = ready.killing
    killing.forward()
    assert not killing.killed("never", "undo")
    passed = killing.points()
    killing.back()
    points = choose_points(passed, f"undo {ready.name} {trouble.name}")
    for at in points:
        killing.place.forget(killing.folder / "state")
        killing.forward()
        with killing.place.with_fault(trouble.begin, environment or {}):
            done = killing.fixer("undo", "--json", module=("tests.crash.killed_fixer", str(at), killing.place.inside or str(killing.folder)))
        heal()
        said, state = json.loads(done.stdout), killing.last_state()
        words = said.get("error") or said["conflicts"] or said["notes"]
        where = f"undo {ready.name}: {trouble.name} at {at} {passed[at]}: exit {done.returncode}, {state}: {words}"
        told(f"  {where}")
        assert "Traceback" not in done.stderr and "a bug in fixer" not in done.stdout, where
        is_as_said(killing, done.returncode, state, said, where)
        again(killing, state, said)
        assert killing.place.wait_for_state(killing.old, well=False) == [], where
    return len(points)


def is_as_said(killing: Killing, code: int, state: str, said: dict[str, object], where: str) -> None:
    """What the undo and the history say is so."""
    if code == 0:
        # all is back; a journal that takes no more records is ended by the next, and that is said
        # (or that still holds what was torn in place, and cannot let go of it)
        open_ = any("the journal could not be closed" in str(note) or "continues from here" in str(note) for note in said["notes"])  # type: ignore[attr-defined]
        assert state == ("unfinished" if open_ else "undone") and not said["conflicts"], where
        assert killing.place.wait_for_state(killing.old, well=None if said["notes"] else False) == [], where
    elif code == 1:
        assert said["conflicts"] and state in ("unfinished", "undone-with-conflicts"), where
    else:
        assert code in (3, 4) and state in ("committed", "unfinished"), where
        if state == "committed":
            assert killing.place.wait_for_state(killing.new, well=True) == [], where


def again(killing: Killing, state: str, said: dict[str, object]) -> None:
    """Whatever was not taken back is by the next; only what it said was not reloaded has to be by hand."""
    if state == "undone":
        if any("not reloaded" in str(note) for note in said["notes"]):  # type: ignore[attr-defined]
            reload_by_hand(killing.place)
        return
    runs = json.loads(killing.fixer("history", "--json").stdout)["runs"]
    done = killing.fixer("undo", "--json", *(("--id", runs[0]["id"]) if state == "undone-with-conflicts" else ()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert killing.last_state() in ("undone", "rolled-back")


def reload_by_hand(place: BrokenTarget) -> None:
    if place.lab is not None and place.lab.stack == "containers":
        place.lab.run_in("web", ("nginx", "-s", "reload"), check=False)     # a name may lead nowhere again, as before
    else:
        root(place, "systemctl reload nginx")


def root(place: BrokenTarget, script: str) -> None:
    name = place.box.name if place.box is not None else place.lab.container() if place.lab is not None else ""
    subprocess.run(shlex.split(inside(name, script)), check=True, capture_output=True)


def happens(ready: Ready, trouble: Trouble) -> None:
    """A trouble within the machine, and its end."""
    place = ready.killing.place
    name = place.box.name if place.box is not None else place.lab.container() if place.lab is not None else ""
    begin = trouble.begin if place.inside else inside(name, trouble.begin)
    assert tried(ready, Trouble(trouble.name, begin), lambda: root(place, trouble.heal))


@pytest.mark.parametrize("trouble", MACHINE, ids=lambda t: t.name)
def test_trouble_in_an_undo(machine: Ready, trouble: Trouble) -> None:
    happens(machine, trouble)


@pytest.mark.parametrize("trouble", MACHINE, ids=lambda t: t.name)
def test_trouble_in_an_undo_over_ssh(far: Ready, trouble: Trouble) -> None:
    happens(far, trouble)


def test_ssh_lost_in_an_undo(far: Ready) -> None:
    begin = "for p in $(ps -o pid=,comm= --ppid $PPID | sed -n 's/ ssh$//p'); do kill -9 $p; done"
    assert tried(far, Trouble("ssh lost", begin), lambda: None)
