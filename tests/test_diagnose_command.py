"""Tests of fixer/diagnose_command.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixer.start import main

BROKEN = f"bundle:{Path(__file__).parent / 'observe/data/machine.tgz'}"


def test_a_whole_plain_look_does_without_the_parser() -> None:
    code = f"import sys; from fixer.start import main; print(main(['diagnose', {BROKEN!r}]), 'typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("\n1 False\n")


def test_what_reads_containers_and_programs_is_not_loaded_for_a_machine_without_any() -> None:
    spared = ("observe.generated_files", "observe.docker.compose_service", "observe.supervisord.supervisord_programs", "nginx.lexer")
    code = (f"import sys; from fixer.start import main; main(['diagnose', {BROKEN!r}]); "
            f"print([name for name in {spared!r} if f'fixer.{{name}}' in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("\n['nginx.lexer']\n")       # what is needed shows that the names are right


def test_its_mistakes_end_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "nowhere://x", "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["kind"] == "usage"
    assert said.err.startswith("fixer: ")


def test_a_page_is_as_wide_as_asked_and_an_address_stays_one_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = []
    for columns in ("60", "160"):
        monkeypatch.setenv("COLUMNS", columns)
        main(["diagnose", BROKEN])
        pages.append(capsys.readouterr().out)
    narrow, wide = pages
    assert all(len(line) <= 60 or " " not in line.strip("+-| ") for line in narrow.splitlines())
    assert set(wide.split()) == set(narrow.split()) - {"|", "\\"} and "..." not in wide
