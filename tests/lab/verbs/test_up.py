"""Real stacks: they come up, break as promised, say no to a twin, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.http_get import get_status
from lab.scenario.scenario_file import Stack
from lab.stack import lab_records
from lab.stack.docker_command import docker, labelled_ids
from lab.verbs.down import lab_down
from lab.verbs.up import lab_up
from tests.crash.crash_draw import draw_by_day
from tests.lab.stack.made_parts import is_made

pytestmark = [pytest.mark.docker, pytest.mark.apart, pytest.mark.timeout(300)]
LAB = Path(sys.executable).with_name("lab")
STACKS: tuple[Stack, ...] = ("containers", "host", "all-in-one")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    yield tmp_path
    for kept in list(lab_records.all_records()):
        lab_down(kept.id)


def remains(lab_id: str) -> list[str]:
    return [found for kind in ("container", "network", "volume") for found in labelled_ids(kind, lab_id)]


def quiet(line: str) -> None:
    assert line


@pytest.mark.parametrize("stack", STACKS)
def test_a_healthy_stack_answers_and_goes_away(stack: Stack, state: Path) -> None:
    lab = lab_up("healthy", stack, 11, quiet).lab
    assert get_status(lab.url, "/login") == 200
    assert get_status(lab.url, "/health") == 200
    published = docker("port", lab.container()).text
    assert published.startswith("80/tcp -> 127.0.0.1:")
    assert remains(lab.id)
    lab_down(lab.id)
    assert remains(lab.id) == []
    assert [path for path in state.rglob("*") if lab.id in path.name] == []


def test_the_same_lab_twice_is_refused() -> None:
    first = lab_up("healthy", "host", 14, quiet).lab
    before = labelled_ids("container", first.id)      # other tests have labs of their own beside it
    with pytest.raises(UsageError, match=f"already up on the host stack: {first.id}"):
        lab_up("healthy", "host", 14, quiet)
    assert labelled_ids("container", first.id) == before and [kept.id for kept in lab_records.all_records()] == [first.id]


def test_the_same_lab_twice_at_the_same_moment_starts_once(state: Path) -> None:
    both = [subprocess.Popen([LAB, "up", "healthy", "--stack", "host", "--seed", "15"], env=os.environ, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = {command.communicate(timeout=120)[1]: command.returncode for command in both}
    assert sorted(said.values()) == [0, 2]
    refusal = next(text for text, code in said.items() if code == 2)
    assert "right now" in refusal or "already up on the host stack" in refusal
    assert len(list(lab_records.all_records())) == 1


@pytest.mark.parametrize(("stack", "number"), draw_by_day(
    [(stack, number) for stack in STACKS for number in (signal.SIGINT, signal.SIGTERM)], "interrupted up", 2))
def test_an_interrupted_up_leaves_nothing(stack: Stack, number: signal.Signals, state: Path) -> None:
    """By day two of six, drawn from the commit."""
    command = subprocess.Popen([LAB, "up", "healthy", "--stack", stack], env=os.environ, stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not any(is_made("network", kept.id) for kept in lab_records.all_records()):
        assert time.monotonic() < until
        time.sleep(0.05)
    lab_id = next(lab_records.all_records()).id
    command.send_signal(number)
    _, said = command.communicate(timeout=90)
    assert command.returncode == 130
    assert "Traceback" not in said
    assert remains(lab_id) == []
    assert list(lab_records.all_records()) == []
    assert not list((state / "labs").iterdir())


def test_a_demo_that_is_ended_politely_takes_its_lab_down(state: Path) -> None:
    script = Path(__file__).parents[3] / "script/demo.py"
    command = subprocess.Popen([sys.executable, script, "wrong-port", "containers"], env=os.environ, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + 90
    while not any(is_made("container", kept.id) for kept in lab_records.all_records()):
        assert time.monotonic() < until
        time.sleep(0.05)
    lab_id = next(lab_records.all_records()).id
    command.send_signal(signal.SIGTERM)
    said, _ = command.communicate(timeout=120)
    assert command.returncode == 130 and "Traceback" not in said, said
    assert remains(lab_id) == [] and list(lab_records.all_records()) == []


def test_down_finds_a_lab_whose_state_is_gone() -> None:
    lab = lab_up("healthy", "containers", 15, quiet).lab
    lab_records.delete_lab_files(lab.id)
    done = subprocess.run([LAB, "down", lab.id], capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    assert remains(lab.id) == []
