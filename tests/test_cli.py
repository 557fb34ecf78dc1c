"""Tests of fixer/cli.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from fixer import cli
from fixer.render.json_schema import command_schemas
from fixer.start import main
from tests.command_tree import leaf_commands


@pytest.mark.parametrize(("words", "said"), [
    (["diagnos"], "did you mean: fixer diagnose"),
    (["diagnose", "--jsn"], "--json"),
    (["repair", "--max-risk", "all"], "'safe', 'disruptive'"),
    (["repair", "--set", "hunter2"], "KEY=VALUE"),
    (["repair", "--set", "=hunter2"], "no key"),
    (["repair", "--set", "A=hunter2\nB=c"], "one line"),
    (["repair", "--set", "A=hunter2", "--set", "A=other"], "two different values"),
    (["diagnose", "--wait", "-1"], "--wait"),
    (["diagnose", "--url", "ftp://x"], "http"),
    (["diagnose", "--url", "http://user:hunter2@x"], "no user"),
    (["diagnose", "--url", "http://x:port/"], "is not an address"),
    (["diagnose", "nonsense://x"], "nonsense"),
    (["diagnose", "a", "b"], "unexpected"),
    (["repair", "wrong-port"], "to read about it: fixer explain wrong-port"),
    (["diagnose", "start-203-exec-missing"], "fixer explain start-203-exec-missing"),
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
    assert capsys.readouterr().out.startswith("start-env-var-missing is a variant of crash-missing-env")
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


def test_help_needs_no_use_case() -> None:
    code = "import sys, fixer.start; fixer.start.main(['--help']); print([m for m in sys.modules if m.startswith('fixer.app')])"
    assert fresh(code).endswith("[]")


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


def test_undo_accepts_yes_as_scripts_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    for option in ("--yes", "-y"):
        assert main(["undo", option]) == main(["undo"]) == 0


MACHINE = f"bundle:{Path(__file__).parent / 'observe/data/machine.tgz'}"


@pytest.mark.parametrize(("words", "code", "keys"), [
    (["diagnose", MACHINE], 0, {"findings"}), (["verify", MACHINE], 0, {"proof"}),
    (["repair", MACHINE, "--dry-run"], 0, {"plan", "outcome"}), (["history", "bundle:/nowhere.tgz"], 0, {"error"}),
    (["explain", "wrong-port"], 0, {"topic", "text"}), (["explain", "wrong-prt"], 0, {"error"}), (["causes"], 0, {"causes"}),
    (["diagnose", "nonsense://x"], 0, {"error"}), (["diagnose", "--no-such-option"], 0, {"error"}),
])
def test_agents_get_one_object_and_0(words: list[str], code: int, keys: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--agent"]) == code
    said = capsys.readouterr()
    assert keys <= json.loads(said.out).keys(), said


def test_every_command_with_an_object_has_it_for_agents_too() -> None:
    commands = leaf_commands(typer.main.get_command(cli.app))
    options = {name: {word for one in command.params for word in one.opts} for name, command in commands.items()}
    assert {name for name, words in options.items() if ("--json" in words) != ("--agent" in words)} == set()
    assert {name for name, words in options.items() if "--agent" not in words} == {"mcp"}


def test_collect_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "incident.tgz"
    assert main(["collect", MACHINE, "--output", str(file), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    Draft202012Validator(command_schemas()["collect"]).validate(value)
    assert value["file"] == str(file) and value["size"] == file.stat().st_size and value["nodes"]
    assert main(["collect", "--script", "--json"]) == 2
