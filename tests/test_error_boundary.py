"""The command line's ends: exit codes, one clear line, one JSON object, nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from fixer import error_boundary
from fixer.errors import (
    Conflict,
    FixerError,
    Interrupted,
    Locked,
    NeedsPerson,
    NoNginx,
    StepFailed,
    Unreachable,
    UsageError,
)


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(("error", "code", "kind"), [
    (UsageError("no", "do"), 2, "usage"), (NoNginx("no", "do"), 3, "no-nginx"), (Unreachable("no", "do"), 3, "unreachable"),
    (StepFailed("no", "do"), 1, "step-failed"), (Conflict("no", "do"), 1, "conflict"), (Locked("no", "do"), 4, "locked"),
    (NeedsPerson("no", "do"), 4, "needs-person"), (Interrupted("no", "do"), 130, "interrupted"), (FixerError("no", "do"), 3, "error"),
])
def test_each_error_has_its_code_and_kind(
    error: FixerError, code: int, kind: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert error_boundary.run(raising(error), ["repair", "docker://web", "--json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "schema_version": 1, "target": "docker://web", "verdict": "unknown", "error": {"kind": kind, "message": "no", "hint": "do"},
    }
    assert err == "fixer: no\n  do\n"


def test_without_json_nothing_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_boundary.run(raising(UsageError("no")), ["diagnose"]) == 2
    assert capsys.readouterr() == ("", "fixer: no\n")


def test_a_bug_is_one_line_that_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert error_boundary.run(raising(ZeroDivisionError("odd\x1b[1m\nline")), ["diagnose"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("fixer: a bug in fixer: ZeroDivisionError: odd\\x1b[1m line at test_error_boundary.py:")
    assert "BADGATEWAY_DEBUG=1" in err and err.count("\n") == 2
    monkeypatch.setenv("BADGATEWAY_DEBUG", "1")
    assert error_boundary.run(raising(ZeroDivisionError()), ["diagnose", "--json"]) == 3
    out, err = capsys.readouterr()
    assert "Traceback" in err and json.loads(out)["error"]["kind"] == "bug"


@pytest.mark.parametrize("command", [raising(KeyboardInterrupt()), raising(typer.Abort()), lambda: 130])
def test_an_interrupt_ends_with_130(command: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    assert error_boundary.run(command, ["diagnose", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "interrupted"


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (4, 4), (None, 0)])
def test_a_command_ends_with_its_own_code(code: int | None, expected: int) -> None:
    assert error_boundary.run(lambda: code, []) == expected


@pytest.mark.parametrize(("words", "target"), [
    ([], "local"), (["diagnose"], "local"), (["diagnose", "docker://x"], "docker://x"), (["explain", "wrong-port"], "local"),
    (["repair", "--set", "A=b", "-o", "f", "compose://p", "--json"], "compose://p"), (["history", "--forget", "r1"], "local"),
])
def test_the_target_of_a_wrong_line_is_named(words: list[str], target: str) -> None:
    assert error_boundary.target_argument(words) == target


@pytest.mark.parametrize("error", [UsageError("no", "do"), Unreachable("no", "do"), NeedsPerson("no", "do"), ZeroDivisionError("odd")])
def test_a_program_gets_0_with_the_object_of_an_error(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert error_boundary.run(raising(error), ["repair", "--agent"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["message"] and err.startswith("fixer: ")


def test_a_program_gets_0_for_whatever_was_found() -> None:
    assert [error_boundary.run(lambda code=code: code, ["diagnose", "--agent"]) for code in (0, 1, 3, 4)] == [0] * 4


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("interrupted")])
def test_a_second_interrupt_does_not_cut_the_line_off(
    error: BaseException, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C twice, as people press it: the second comes while the first is reported."""
    def again(message: str, hint: str) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return f"{message}\n"

    monkeypatch.setattr(error_boundary, "failure_text", again)
    before = signal.getsignal(signal.SIGINT)
    assert error_boundary.run(raising(error), ["diagnose", "--json"]) == 130
    out, err = capsys.readouterr()
    assert (json.loads(out)["error"]["kind"], err) == ("interrupted", "interrupted\n")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_before_the_line_is_the_same_interrupt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = error_boundary._print_failure
    left = [KeyboardInterrupt()]

    def again(*words: object) -> int:
        if left:
            raise left.pop()
        return told(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(error_boundary, "_print_failure", again)
    assert error_boundary.run(raising(KeyboardInterrupt()), ["diagnose"]) == 130
    assert capsys.readouterr() == ("", "fixer: interrupted\n")


def test_an_interrupt_at_the_very_end_shows_nothing_more() -> None:
    """Python still tidies up after the line."""
    text = ("import os, signal, sys; sys.argv = ['fixer', 'diagnose']; from fixer import start\n"
            "def stop(): raise KeyboardInterrupt\n"
            "code = start.main(instead=stop); os.kill(os.getpid(), signal.SIGINT); sys.exit(code)")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "fixer: interrupted\n")


def test_an_interrupt_is_no_answer_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_boundary.run(raising(KeyboardInterrupt()), ["diagnose", "--agent"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "interrupted"
