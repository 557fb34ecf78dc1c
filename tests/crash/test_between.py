"""Two repairs at once, and hand edits between a repair and its undo, on a machine from outside, from inside, over ssh
and on a compose project."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import test_ssh_repair
from tests.crash.places_killed import Place, carry_fixer_in
from tests.crash.test_killed import REPAIR, Killing, began, raised

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWN = "# somebody's own line\n"

box = test_ssh_repair.box


@pytest.fixture(params=["machine", "inside", "ssh", "project"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A site that leads to the wrong port."""
    if request.param == "ssh":
        far = request.getfixturevalue("box")
        yield Place(f"ssh://oncall@{far.address}", box=far, environment={"BADGATEWAY_SSH": f"ssh -F {far.folder}/config"})
        return
    word, stack = ("wrong-port/container-wrong-port", "containers") if request.param == "project" else ("wrong-port/wrong-port", "host")
    with raised(word, stack) as found:  # type: ignore[arg-type]
        assert found.lab is not None
        if request.param == "inside":
            yield Place("local", found.lab, words=found.words, inside=carry_fixer_in(found.lab.container()))
        else:
            yield found


def both_at_once(killing: Killing) -> None:
    """One repairs; the other is refused, or finds it done."""
    place = killing.place
    words = [*place.python(), "-m", "fixer", "repair", place.target, *REPAIR, *place.words, "--json"]
    environment = {**os.environ, "BADGATEWAY_STATE": str(killing.folder / "state"), **place.environment}
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, env=environment) for _ in range(2)]
    said = [json.loads(one.communicate(timeout=200)[0]) for one in both]
    codes = sorted(one.returncode for one in both)
    assert codes in ([0, 0], [0, 1], [0, 3], [0, 4]), said
    assert [one.get("outcome") for one in said].count("repaired") == 1, said
    assert place.becomes(killing.new, well=True) == []


def edited(place: Place, path: str) -> str:
    """A line of somebody's own behind what a repair wrote; what the file holds then."""
    if place.box is not None:
        return place.box.sh(f"printf %s {OWN!r} >>{path}; cat {path}")
    if place.lab is not None and place.lab.stack == "host":
        return place.told(f"printf '%s\\n' \"{OWN.strip()}\" >>{path}; cat {path}")
    file = Path(path)
    file.write_text(file.read_text() + OWN)
    return file.read_text()


def now(place: Place, path: str) -> str:
    """What the file holds."""
    if place.box is not None:
        return place.box.sh(f"cat {path}")
    return place.told(f"cat {path}") if place.lab is not None and place.lab.stack == "host" else Path(path).read_text()


def test_two_at_once_and_a_hand_edit(place: Place, tmp_path: Path) -> None:
    killing, _ = began(place, tmp_path)
    both_at_once(killing)
    [changed] = [key for key in killing.new if killing.new[key] != killing.old.get(key) and key.startswith("/")]
    mine = edited(place, changed)
    done = killing.fixer("undo", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and any(changed in line for line in told["conflicts"]), told
    assert now(place, changed) == mine
    assert killing.last_state() == "undone-with-conflicts"
