"""Ctrl-C while the modules of a command are still imported: one line and 130, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Interrupts its own process at the first big import, as a quick hand would.
HASTE = """
import os, signal, sys
class Hand:
    def find_spec(self, name, path=None, target=None):
        if name in ("typer", "fixer.app"):     # fixer looks without a parser
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Hand())
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def hasty(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(HASTE)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("words", "line"), [
    (("fixer", "diagnose"), "fixer: interrupted\n"),
    (("lab", "list"), "lab: interrupted; unfinished work is removed\n"),
])
def test_a_quick_hand_sees_one_line(tmp_path: Path, words: tuple[str, ...], line: str) -> None:
    ended = hasty(tmp_path, *words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", line)


def test_with_json_it_is_an_object(tmp_path: Path) -> None:
    ended = hasty(tmp_path, "fixer", "diagnose", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["error"]["kind"]) == (130, "interrupted")
