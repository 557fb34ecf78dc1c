"""Tests of lab/stack/command_result.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.stack.command_result import CommandResult, fixer_path, run_to_end


@pytest.mark.parametrize(("out", "document"), [('{"a": 1}', {"a": 1}), ("[1]", {}), ("", {}), ("all well\n", {}), ("7", {})])
def test_the_document_is_an_object_or_empty(out: str, document: dict[str, int]) -> None:
    result = CommandResult((), 0, out, "note", 0.1)
    assert (result.document, result.output) == (document, f"{out}\nnote")


def test_a_command_runs_in_its_folder_and_environment_alone(tmp_path: Path) -> None:
    told = run_to_end(["sh", "-c", "pwd; echo $KEPT $HOME >&2; exit 4"], {"KEPT": "x"}, 30.0, str(tmp_path))
    assert (told.code, told.out, told.err) == (4, f"{tmp_path}\n", "x\n")


def test_one_without_an_end_is_ended_and_one_that_is_not_there_is_an_error() -> None:
    told = run_to_end([sys.executable, "-c", "import time; time.sleep(60)"], {}, 0.2)
    assert (told.code, told.err) == (-1, "did not end within 0 s")
    with pytest.raises(FileNotFoundError):
        run_to_end(["/no/such/program"], {}, 1.0)


def test_fixer_of_this_installation_comes_first() -> None:
    assert Path(fixer_path()).name == "fixer"


def test_the_module_loads_no_scenario() -> None:
    program = "import sys, lab.stack.command_result; print([name for name in sys.modules if 'scenario' in name])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
