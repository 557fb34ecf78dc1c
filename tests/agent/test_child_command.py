"""A command as a child: its answer, and its end when nobody waits for it any more."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("mcp_types", reason="the extra mcp is not installed")

import anyio

from fixer.agent import child_command
from fixer.agent.child_command import TooLong, command_argv, run_fixer


def test_a_command_prints_what_the_command_line_prints() -> None:
    end = anyio.run(run_fixer, ("explain", "wrong-port", "--json"))
    assert end.code == 0 and json.loads(end.output)["topic"] == "wrong-port"
    end = anyio.run(run_fixer, ("diagnose", "nonsense://x", "--json"))
    assert end.code == 2 and json.loads(end.output)["error"]["kind"] == "usage" and end.errors.startswith("fixer: ")


def test_it_takes_no_folder_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fixer", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(77)")
    monkeypatch.chdir(tmp_path)
    assert anyio.run(run_fixer, ("--version",)).code == 0
    assert command_argv(("--version",))[1] in ("-P", "-I")


def test_an_answer_of_any_length_is_read_and_too_long_a_one_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_command, "MOST_BYTES", 1000)
    with pytest.raises(TooLong):
        anyio.run(run_fixer, ("causes", "--json"))


@pytest.fixture
def stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command that says its process id and ends by nothing but a kill."""
    code = ("import os, signal, time; from fixer.agent.child_command import hold_lifeline; hold_lifeline();"
            "signal.signal(signal.SIGINT, signal.SIG_IGN); open(os.environ['PID_FILE'], 'w').write(str(os.getpid())); time.sleep(600)")
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    monkeypatch.setattr(child_command, "_START", f"import sys; sys.path.insert(0, sys.argv[1]); {code}")
    monkeypatch.setattr(child_command, "END_SECONDS", 0.1)
    return tmp_path / "pid"


def test_a_look_that_does_not_end_is_killed(stubborn: Path) -> None:
    async def go() -> int:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_fixer, ())
            while not stubborn.exists() or not stubborn.read_text():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        return int(stubborn.read_text())

    pid = anyio.run(go)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.fixture
def deaf_to_interrupts() -> Iterator[None]:
    """Children ignore an interrupt from their first instruction, not only from the first line of their program."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("deaf_to_interrupts")
def test_a_look_has_its_time(stubborn: Path) -> None:
    async def go() -> int:
        return (await run_fixer((), seconds=0.1)).code

    assert anyio.run(go) == -signal.SIGKILL
