"""docs/tutorial-class.md, typed command by command: a trainer runs a class of three."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.build.test_tutorials import FENCE, INSIDE, ROOT, commands, programs, typed

__all__ = ["programs"]      # the fixture


def insides() -> list[str]:
    """In whose machine each command is typed; empty for the trainer's own shell."""
    found = []
    for block in FENCE.finditer((ROOT / "docs" / "tutorial-class.md").read_text("utf-8")):
        words = dict(word.partition("=")[::2] for word in block["words"].split())
        found += [words.get("inside", "")] * sum(line.startswith("$ ") for line in block["body"].splitlines())
    return found


def machine_of(person: str, environment: dict[str, str]) -> list[str]:
    """The command that types in a person's machine."""
    (record,) = Path(environment["BADGATEWAY_LAB_STATE"], "classes").glob("class-*.json")
    labs = {one["name"]: one["lab_id"] for one in json.loads(record.read_text())["people"]}
    return ["docker", "exec", "-w", "/root", f"{labs[person]}-host", "bash", "-c", INSIDE, "bash"]


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_the_first_class(programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        for command, person in zip(commands("tutorial-class.md"), insides(), strict=True):
            typed(machine_of(person, programs) if person else ["bash", "-c"], command, programs)
        assert os.listdir(Path(programs["BADGATEWAY_LAB_STATE"], "classes")) == []
    finally:
        subprocess.run(["lab", "class", "down", "--all"], env=programs, check=False, capture_output=True)
