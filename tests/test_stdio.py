"""Output that ends before the work does: a reader that left, a full disk, streams that were closed from the start."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.stdio_builders import FULL, with_output


@pytest.mark.parametrize("output", ["reader left", "reader of both left", "2>&-", ">&- 2>&- <&-", f"2>{FULL}"])
@pytest.mark.parametrize(("words", "code"), [
    ("fixer causes", 0), ("fixer --help", 0), ("fixer explain nothing-known", 2), ("fixer diagnose bundle:/nowhere --json", 3),
])
def test_who_does_not_listen_changes_no_exit_code(words: str, code: int, output: str) -> None:
    told_code, told = with_output(words, output)
    assert told_code == code
    assert "Traceback" not in told and "bug" not in told


@pytest.mark.parametrize(("words", "code"), [("fixer causes", 3), ("fixer --help", 3)])
def test_a_product_that_is_lost_is_said_in_one_line(words: str, code: int) -> None:
    name = words.partition(" ")[0]
    assert with_output(words, f">{FULL}") == (code, f"{name}: the output could not be written: No space left on device\n")


def test_a_strange_name_is_no_error_in_a_plain_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fixer", "diagnose", "bundle:/nö\udcff", "--json"], capture_output=True, check=False,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert done.returncode == 3 and json.loads(done.stdout)["error"]["kind"] == "no-such-target"


def test_a_reader_that_went_away_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "fixer", "causes"], stdout=write, stderr=subprocess.PIPE, check=False,
    )
    os.close(write)
    assert done.returncode == 0
    assert done.stderr == b""
