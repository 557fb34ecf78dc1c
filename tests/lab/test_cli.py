"""The lab's command line without Docker: lists, wrong words, no engine, records and hints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cli
from tests.lab.cli_builders import lab


def test_an_engine_that_we_may_not_use_is_not_called_absent(tmp_path: Path) -> None:
    said = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    ended = lab("status", PATH=f"{tmp_path}:{os.environ['PATH']}", BADGATEWAY_LAB_STATE=str(tmp_path))
    assert (ended.returncode, ended.stderr.splitlines()) == (3, [
        "lab: this user may not use Docker", "  run it as root, or as a member of the group docker"])


@pytest.mark.parametrize(("words", "said"), [
    (("up", "wrng-port"), "did you mean wrong-port?"),
    (("up", "wrong-port", "--stack", "vm"), "'vm' is not one of"),
    (("up", "wrong-port", "--seed", "x"), "'x' is not a valid"),
    (("up", "wrong-port", "--seed"), "see: lab up --help"),
    (("show", "nope"), "no scenario is called 'nope'"),
    (("show", "crash"), "is an alias of crash-killed, "),
    (("down", "x", "--all"), "name labs, or --all"),
    (("fly",), "No such command 'fly'"),
])
def test_wrong_words_end_with_2(words: tuple[str, ...], said: str) -> None:
    ended = lab(*words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.startswith("lab: ") and len(ended.stderr.splitlines()) <= 2


def test_without_a_word_the_commands_are_shown() -> None:
    shown = lab()
    assert shown.returncode == 0 and "Usage: lab" in shown.stdout and not shown.stderr


@pytest.mark.parametrize("words", [("up", "healthy"), ("status",), ("down", "--all"), ("shell", "x")])
def test_no_engine_ends_with_3_and_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    for environment in ({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, {"PATH": str(tmp_path)}):
        ended = lab(*words, BADGATEWAY_LAB_STATE=str(tmp_path), **environment)
        assert ended.returncode == 3, ended.stderr
        assert ended.stderr.startswith("lab: no ")
        assert len(ended.stderr.splitlines()) <= 2
        assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_ends_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "late-start").write_text("a file")
    ended = lab("--scenarios", str(tmp_path), "new", "late-start")
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (1, f"lab: {tmp_path}/late-start: File exists")
    shown = lab("--scenarios", str(tmp_path), "new", "late-start", BADGATEWAY_DEBUG="1").stderr
    assert "Traceback" in shown and "Traceback" not in ended.stderr
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    cli._print_file_error(NotADirectoryError(20, "Not a directory", str(tmp_path / "records")))
    assert capsys.readouterr().err.splitlines()[1].strip().startswith(f"the lab keeps its state in {tmp_path};")


def test_scenarios_of_ones_own_stand_beside_the_others(tmp_path: Path) -> None:
    assert lab("--scenarios", str(tmp_path), "new", "late-start").stdout.strip() == str(tmp_path / "late-start" / "scenario.toml")
    listed = lab("--scenarios", str(tmp_path), "list").stdout
    assert "late-start" in listed and "wrong-port" in listed and "late-start" not in lab("list").stdout
    assert lab("--scenarios", str(tmp_path), "show", "late-start").returncode == 0
    (tmp_path / "wrong-port").mkdir()
    (tmp_path / "wrong-port" / "scenario.toml").write_text('title = "x"\n')
    twice = lab("--scenarios", str(tmp_path), "list")
    assert twice.returncode == 2 and "a scenario with that name already exists" in twice.stderr
    gone = lab("--scenarios", str(tmp_path / "nowhere"), "list")
    assert gone.returncode == 2 and "does not exist" in gone.stderr


@pytest.mark.parametrize("call", ["", "lab.verbs.show.list_text()"])
def test_help_and_list_start_without_what_is_slow(call: str) -> None:
    slow = "[m for m in ('rich', 'httpx', 'jsonschema', 'docker') if m in sys.modules]"
    code = f"import sys, lab.cli, lab.verbs.show; {call}; print({slow})" if call else f"import sys, lab.cli; print({slow})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_one_of_fixer() -> None:
    from fixer import __version__

    shown = lab("--version")
    assert (shown.returncode, shown.stdout) == (0, f"lab {__version__} (badgateway)\n")


def test_any_is_completed_and_refused_with_what_fits() -> None:
    ended = lab("up", "wrong-port", "--difficulty", "2")
    assert ended.returncode == 2 and "lab up any --difficulty" in ended.stderr
    assert "any: a fault that is not named" in lab("list").stdout


def test_a_second_interrupt_does_not_cut_the_line_off() -> None:
    text = ("import os, signal; from lab import cli; told = cli._print_error\n"
            "def again(*words): os.kill(os.getpid(), signal.SIGINT); return told(*words)\n"
            "cli._print_error = again; cli.exit_interrupted()")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "lab: interrupted; unfinished work is removed\n")


@pytest.mark.parametrize(("number", "ignored", "code"), [
    ("SIGTERM", False, 130), ("SIGHUP", False, 130), ("SIGHUP", True, 0)])
def test_a_terminal_that_closes_ends_it_as_an_interrupt_does(number: str, ignored: bool, code: int) -> None:
    text = (f"import os, signal; signal.signal(signal.{number}, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})\n"
            f"from lab import cli; cli.app = lambda *words, **more: os.kill(os.getpid(), signal.{number})\n"
            "cli.main()")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, "interrupted" in done.stderr) == (code, code == 130)
