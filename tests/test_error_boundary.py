"""The command line's ends: exit codes, one clear line, one JSON object, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from fixer import cli, error_boundary
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
from fixer.start import main


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
    assert err.startswith("fixer: a bug of fixer: ZeroDivisionError: odd\\x1b[1m line at test_error_boundary.py:")
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


@pytest.mark.parametrize(("words", "said"), [
    (["diagnos"], "Did you mean 'diagnose'"),
    (["diagnose", "--jsn"], "--json"),
    (["repair", "--max-risk", "all"], "'safe', 'disruptive'"),
    (["repair", "--set", "hunter2"], "KEY=VALUE"),
    (["repair", "--set", "=hunter2"], "no key"),
    (["repair", "--set", "A=hunter2\nB=c"], "one line"),
    (["repair", "--set", "A=hunter2", "--set", "A=other"], "twice"),
    (["diagnose", "--wait", "-1"], "--wait"),
    (["diagnose", "--url", "ftp://x"], "http"),
    (["diagnose", "--url", "http://user:hunter2@x"], "no user"),
    (["diagnose", "--url", "http://x:port/"], "no address"),
    (["diagnose", "nonsense://x"], "nonsense"),
    (["diagnose", "a", "b"], "unexpected"),
    (["collect"], "--output"),
    (["explain", "wrong-prt"], "wrong-prt"),
    (["diagnose", "--json", "--format", "html"], "--format"),
])
def test_wrong_usage_is_one_line_and_a_hint(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.startswith("fixer: ") and err.count("\n") == 2
    assert "hunter2" not in err
    assert out == "" or json.loads(out)["error"]["kind"] == "usage"


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    for command in ("diagnose", "repair", "verify", "undo", "history", "collect", "explain", "causes"):
        assert f"  {command} " in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("fixer 0.")


def test_explain_takes_a_cause_and_a_variant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "wrong-port"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("wrong-port · ")
    assert main(["explain", "wrong_port"]) == 0
    assert capsys.readouterr().out == page
    assert main(["explain", "start-env-var-missing"]) == 0
    assert capsys.readouterr().out.startswith("crash-missing-env")
    assert main(["explain", "wrong-prt"]) == 2
    assert "did you mean wrong-port?" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "page"), [
    (["repair", "--set"], "fixer repair --help"), (["repair", "--max-risk", "none"], "fixer repair --help"),
    (["--color"], "fixer --help"),
])
def test_wrong_words_name_the_page_of_their_command(
    words: list[str], page: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words) == 2
    assert f"see: {page}\n" in capsys.readouterr().err


def test_causes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["causes"]) == 0
    assert "wrong-port" in capsys.readouterr().out
    assert main(["causes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"id", "family", "variants", "title"} == set(listed["causes"][0])


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_starting_imports_nothing_slow() -> None:
    code = "import sys, fixer.cli; print([m for m in ('rich', 'docker', 'httpx', 'asyncio', 'jsonschema') if m in sys.modules])"
    assert fresh(code) == "[]"


def test_help_needs_no_use_case() -> None:
    code = "import sys, fixer.start; fixer.start.main(['--help']); print([m for m in sys.modules if m.startswith('fixer.app')])"
    assert fresh(code).endswith("[]")


def test_a_reader_that_went_away_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "fixer", "causes"], stdout=write, stderr=subprocess.PIPE, check=False,
    )
    os.close(write)
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize(("words", "known"), [
    (["causes"], {"causes"}), (["causes", "--help"], {"causes"}), (["--help"], None), ([], None), (["cause"], None),
    (["--version", "causes"], None),
])
def test_only_the_called_command_is_built(words: list[str], known: set[str] | None) -> None:
    def names(app: typer.Typer) -> set[str]:
        return {c.callback.__name__ for c in app.registered_commands if c.callback is not None}

    everything = names(cli.app)
    assert names(cli._app_with_command(words)) == (known or everything)
    assert names(cli.app) == everything
    assert {"diagnose", "repair"} < everything
