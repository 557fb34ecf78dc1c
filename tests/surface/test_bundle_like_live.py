"""A bundle tells what a live look tells, field by field: only what differs between any two looks may differ.
By day of one of the labs, drawn from the commit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.pytest_plugin import StartLab
from lab.scenario.scenario_file import Stack
from tests.crash.crash_draw import draw_by_day

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
FIXER = [sys.executable, "-m", "fixer"]
TIMES = ("duration_ms", "ms", "target")
CASES = [("wrong-port/wrong-port", "host", 43), ("wrong-port/container-wrong-port", "containers", 43),
         ("network-detached/docker-network-detached", "containers", 3)]


def diagnosed(target: str) -> dict[str, Any]:
    done = subprocess.run([*FIXER, "diagnose", target, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return dict(fields(json.loads(done.stdout)))


def fields(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Each value under its path, and how long each list is."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in TIMES:
                yield from fields(inner, f"{path}.{key}")
    elif isinstance(value, list):
        yield f"{path} has", len(value)
        for number, inner in enumerate(value):
            yield from fields(inner, f"{path}[{number}]")
    else:
        yield path, value


@pytest.mark.parametrize(("word", "stack", "seed"), draw_by_day(CASES, "bundle", 1))
def test_a_bundle_tells_the_same_field_by_field(word: str, stack: Stack, seed: int, tmp_path: Path, badgateway_lab: StartLab) -> None:
    target, bundle = badgateway_lab(word, stack=stack, seed=seed).target, tmp_path / "incident.tgz"
    before = diagnosed(target)
    subprocess.run([*FIXER, "collect", target, "-o", str(bundle)], capture_output=True, check=True)
    replayed, after = diagnosed(f"bundle:{bundle}"), diagnosed(target)
    steady = {path for path, value in before.items() if after.get(path) == value}
    assert len(steady) > 200 and any(path.endswith(".cause") for path in steady)
    assert {path: replayed.get(path) for path in steady} == {path: after[path] for path in steady}
    assert set(replayed) - set(before) - set(after) == set()
