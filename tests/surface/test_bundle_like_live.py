"""A bundle tells what a live look tells, field by field: only what differs between any two looks may differ."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize(("word", "stack", "seed"), CASES, ids=[word for word, _, _ in CASES])
def test_a_bundle_tells_the_same_field_by_field(word: str, stack: str, seed: int, tmp_path: Path) -> None:
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab")}
    lab = [str(Path(sys.executable).parent / "lab")]
    up = subprocess.run([*lab, "up", word, "--stack", stack, "--seed", str(seed)], capture_output=True, text=True,
                        check=True, env=env)
    found = re.search(r"(?:docker|compose)://(\S+)", up.stdout + up.stderr)
    assert found is not None
    target, bundle = found[0], tmp_path / "incident.tgz"
    try:
        before = diagnosed(target)
        subprocess.run([*FIXER, "collect", target, "-o", str(bundle)], capture_output=True, check=True)
        replayed, after = diagnosed(f"bundle:{bundle}"), diagnosed(target)
    finally:
        subprocess.run([*lab, "down", found[1].removesuffix("-host")], capture_output=True, check=True, env=env)
    steady = {path for path, value in before.items() if after.get(path) == value}
    assert len(steady) > 200 and any(path.endswith(".cause") for path in steady)
    assert {path: replayed.get(path) for path in steady} == {path: after[path] for path in steady}
    assert set(replayed) - set(before) - set(after) == set()
