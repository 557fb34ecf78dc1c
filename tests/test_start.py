"""A plain look begins without the parser, and means what the parser makes of the same words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fixer import cli, diagnose_command
from fixer.start import plain_diagnose

ROOT = str(Path(__file__).resolve().parents[1])


@pytest.mark.parametrize("words", [
    ["diagnose"], ["diagnose", "local"], ["diagnose", "docker://x"], ["diagnose", "--json"], ["diagnose", ""],
    ["diagnose", "-v", "bundle:a b"], ["diagnose", "--no-probe", "--json", "local", "--verbose"],
    ["diagnose", "--json", "--json"],
])
def test_plain_words_mean_what_the_parser_makes_of_them(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def look(target: str, form: str, *, url: str = "", verbose: bool = False, wait: float = 0.0,
             no_probe: bool = False) -> int:
        asked.append((target, form, url, verbose, wait, no_probe))
        return 3

    monkeypatch.setattr(diagnose_command, "run_diagnose", look)
    monkeypatch.setattr(cli, "run_diagnose", look)
    plain = plain_diagnose(words)
    assert plain is not None
    assert plain() == cli.run_command_line(words) == 3
    assert asked[0] == asked[1]


@pytest.mark.parametrize("words", [
    [], ["--help"], ["diagnose", "--help"], ["diagnose", "a", "b"], ["diagnose", "--"], ["diagnose", "-"],
    ["diagnose", "-vv"], ["diagnose", "--jso"], ["diagnose", "--json=1"], ["diagnose", "--format", "json"],
    ["diagnose", "--wait", "3"], ["diagnos"], ["repair"], ["--version", "diagnose"],
])
def test_anything_else_is_left_to_the_parser(words: list[str]) -> None:
    assert plain_diagnose(words) is None


def test_a_plain_look_imports_nothing_that_only_others_need() -> None:
    slow = "('typer', 'inspect', 'dataclasses', 'urllib.parse', 'ipaddress', 'calendar', 'traceback', 'rich', 'asyncio', 'difflib')"
    code = (
        "import sys; sys.modules.pop('traceback', 0); from fixer.start import main;"
        "from fixer.app import cause_catalogue, inspect_target; cause_catalogue.builtin_causes();"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({ROOT!r}); {code}"], check=True,
                          capture_output=True, text=True)
    assert done.stdout == "[]\n"


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_starting_imports_nothing_slow() -> None:
    code = "import sys, fixer.cli; print([m for m in ('rich', 'docker', 'httpx', 'asyncio', 'jsonschema') if m in sys.modules])"
    assert fresh(code) == "[]"
