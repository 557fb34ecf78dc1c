"""Whose a lab is: `down --all` takes what this state folder made, whatever interrupted it, and nothing of others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.stack.docker_command import LABEL, STATE_LABEL, docker, labelled_ids
from lab.stack.docker_engine import engine, remove_labelled
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up
from tests.crash.crash_draw import draw_by_day
from tests.lab.stack.made_parts import is_made

LAB = str(Path(sys.executable).with_name("lab"))
CYCLES = int(os.environ.get("BADGATEWAY_CYCLES", "2"))
pytestmark = [pytest.mark.docker, pytest.mark.timeout(max(300, 100 * CYCLES))]


def left_of(lab_id: str) -> list[str]:
    return [f"{kind} {one}" for kind in ("container", "network", "volume") for one in labelled_ids(kind, lab_id)]


def lab(state: Path, *words: str) -> str:
    done = subprocess.run([LAB, *words], capture_output=True, text=True, check=False, env={**os.environ, "BADGATEWAY_LAB_STATE": str(state)})
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def wait_until_gone(*lab_ids: str) -> None:
    """Another test's `down --all` may be removing them too, and looks for their rules meanwhile."""
    deadline = time.monotonic() + 20
    while any(map(left_of, lab_ids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(left_of, lab_ids))


@pytest.mark.parametrize("moment", draw_by_day(["network", "container"], "killed up", 1))
def test_a_lab_killed_on_its_way_up_is_gone_after_down_all(tmp_path: Path, moment: str) -> None:
    """kill -9 in the middle of `up`, whose compose goes on without it."""
    up = subprocess.Popen([LAB, "up", "backend-down/container-stopped", "--seed", "3"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env={**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path)})
    made: list[str] = []
    deadline = time.monotonic() + 100
    while not (made and is_made(moment, made[0])):
        assert time.monotonic() < deadline and up.poll() is None
        made = [path.stem for path in tmp_path.glob("records/*.json")]
        time.sleep(0.02)
    up.send_signal(signal.SIGKILL)
    up.wait()
    assert made[0] in lab(tmp_path, "down", "--all")
    time.sleep(1.0)         # what its compose would still have made
    assert left_of(made[0]) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert made[0] not in lab(tmp_path, "down", "--all")


@pytest.fixture
def network() -> Iterator[str]:
    """The id of a lab that others seem to have: a network with its labels."""
    lab_id = f"others-{os.urandom(3).hex()}"
    yield lab_id
    remove_labelled(lab_id)


def test_what_others_have_up_stays_until_their_folder_is_gone(tmp_path: Path, network: str) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    (theirs / "records").mkdir(parents=True)
    (theirs / "records" / f"{network}.json").write_text("{}")
    docker("network", "create", "--internal", "--label", f"{LABEL}={network}", "--label", f"{STATE_LABEL}={theirs}", f"{network}_x")
    assert network not in lab(mine, "down", "--all") and network not in lab(mine, "status")
    assert left_of(network)
    shutil.rmtree(theirs)
    assert network in lab(mine, "down", "--all")
    wait_until_gone(network)


def test_several_are_named_and_a_word_that_names_none_removes_none(tmp_path: Path) -> None:
    names = [f"left-{os.urandom(3).hex()}" for _ in range(2)]
    try:
        for name in names:
            docker("network", "create", "--internal", "--label", f"{LABEL}={name}", "--label", f"{STATE_LABEL}={tmp_path / 'gone'}",
                   f"{name}_x")
        wrong = subprocess.run([LAB, "down", *names, "left-none"], capture_output=True, text=True, check=False,
                               env={**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path)})
        assert wrong.returncode == 2 and "left-none" in wrong.stderr and all(map(left_of, names))
        said = lab(tmp_path, "down", *names, names[0])
        assert [said.count(f"{name} removed") for name in names] == [1, 1]
        wait_until_gone(*names)
    finally:
        for name in names:
            remove_labelled(name)


def counts(state: Path, *labs: str) -> dict[str, int]:
    """What could grow: of the engine by the labels of this state and of these labs (another test's volume dangles until
    its container is made), of the disk, and of this process."""
    mine = f"label={STATE_LABEL}={state}"
    words = {"containers": ["ps", "-aq"], "networks": ["network", "ls", "-q"], "volumes": ["volume", "ls", "-q"]}
    found = {kind: len(docker(*ask, "--filter", mine).text.split()) for kind, ask in words.items()}
    dangling = ["volume", "ls", "-q", "--filter", "dangling=true", "--filter"]
    found["dangling volumes"] = sum(len(docker(*dangling, f"label={LABEL}={lab}").text.split()) for lab in labs)
    engine().close()      # idle connections of the pool are no leak
    return {**found, "files": sum(1 for _ in state.rglob("*")), "descriptors": len(os.listdir("/proc/self/fd"))}


def test_up_and_down_again_and_again_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    seen: list[dict[str, int]] = []
    labs: list[str] = []
    for turn in range(CYCLES):
        risen = lab_up("healthy", "host" if turn % 2 else "containers", turn + 1, lambda _: None)
        assert counts(tmp_path)["networks"] > 0
        lab_down(risen.lab.id)
        assert left_of(risen.lab.id) == []
        labs.append(risen.lab.id)
        seen.append(counts(tmp_path, *labs))
        print(f"after {turn + 1} of {CYCLES}: {seen[-1]}", flush=True)
    assert seen[0]["containers"] == seen[0]["networks"] == seen[0]["volumes"] == 0
    assert all(one == seen[0] for one in seen), seen


def test_the_journals_of_a_lab_go_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of them can be undone any more; those of another target stay."""
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path / "lab"))
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "fixer"))
    other = tmp_path / "fixer" / "targets" / "compose-shop"
    other.mkdir(parents=True)
    risen = lab_up("wrong-port/container-wrong-port", "containers", 4, lambda _: None)
    try:
        assert subprocess.run([LAB, "solve"], capture_output=True, check=False).returncode == 0
        assert (other.parent / f"compose-{risen.lab.id}").is_dir()
    finally:
        lab_down(risen.lab.id)
    assert list(other.parent.iterdir()) == [other]
