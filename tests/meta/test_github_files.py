"""GitHub's forms and templates: they parse, and what they tell people to type exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

import fixer.cli
import lab.cli

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github"
FORMS = sorted(path for path in (FOLDER / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
APPS = {"fixer": typer.main.get_command(fixer.cli.app), "lab": typer.main.get_command(lab.cli.app)}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_demands(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"] and form["body"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) and all(part["attributes"].get("label") or part["type"] == "markdown" for part in form["body"])


def test_every_command_that_they_name_exists() -> None:
    text = "\n".join(path.read_text() for path in (*FORMS, FOLDER / "pull_request_template.md"))
    commands = [shlex.split(one) for one in re.findall(r"`((?:sudo )?(?:fixer|lab|script/)[^`]+)`", text)]
    assert len(commands) > 5
    for words in commands:
        program, *rest = [word for word in words if word != "sudo"]
        if program in APPS and not rest[0].startswith("-"):
            assert rest[0] in APPS[program].commands, words  # type: ignore[attr-defined]
        elif program not in APPS:
            assert (ROOT / program).exists(), words


def test_dependabot_renews_packages_and_actions() -> None:
    updates = yaml.safe_load((FOLDER / "dependabot.yml").read_text())["updates"]
    assert [(update["package-ecosystem"], update["directory"]) for update in updates] == [("pip", "/"), ("github-actions", "/")]
