"""The manual pages: every command of both programs, its options and its examples, line by line."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fixer import cli, command_words
from lab import cli as lab_cli
from lab import command_table

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"fixer": (cli.app, command_words.EXAMPLES), "lab": (lab_cli.app, command_table.EXAMPLES)}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, ROOT / "script/make_man.py", folder], check=True, cwd=folder)
    return {path.name.removesuffix(".1.gz"): path for path in folder.iterdir()}


def test_every_command_has_a_page_with_its_options_and_examples(pages: dict[str, Path]) -> None:
    known = set()
    for program, (app, examples) in PROGRAMS.items():
        for name, epilog in examples.items():
            page = "-".join([program, *name.split()])
            known.add(page)
            text = gzip.decompress(pages[page].read_bytes()).decode()
            shown = text[text.index(".SH EXAMPLES\n.nf\n"):].partition(".fi")[0].replace("\\-", "-").replace("\\e", "\\")
            assert [line.strip() for line in shown.splitlines()[2:]] == [line.strip() for line in epilog.splitlines()[2:]]
            assert "\b" not in text
            command = typer.main.get_command(app)
            for word in name.split():      # `class up` is a command below a command
                command = command.commands[word]  # type: ignore[attr-defined]
            flags = {flag for one in command.params for flag in one.opts if flag.startswith("--")} | {"-h", "--help"}
            assert {flag for flag in flags if flag.replace("-", "\\-") not in text} == set(), page
    assert known == set(pages)


def test_man_shows_a_page_without_a_warning(pages: dict[str, Path]) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    for name in ("fixer", "fixer-repair", "lab-matrix"):
        shown = subprocess.run(["man", "--warnings", "-l", pages[name]], capture_output=True, text=True, check=True,
                               env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
        assert "warning" not in shown.stderr
        assert "EXAMPLES" in shown.stdout and "-h, --help" in shown.stdout
