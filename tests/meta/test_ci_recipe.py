"""The recipe of docs/lab.md for the CI of another project, run here as that project would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/lab.md").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(re.findall(r"(?s)```yaml\n(.*?)```", PAGE)[0])


def test_its_actions_are_those_of_our_own_workflows() -> None:
    ours = "".join(path.read_text(encoding="utf-8") for path in (ROOT / ".github/workflows").glob("*.yml"))
    used = re.findall(r"uses: (\S+ # \S+)", PAGE)
    assert used and [line for line in used if line not in ours] == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Another project: a solver, a runbook, two scenarios of its own, and the test of the page."""
    for name in ("solver.sh", "runbook.sh"):
        shutil.copy2(ROOT / "examples/six_steps.sh", tmp_path / name)
    for name in ("our-port", "our-start"):
        shutil.copytree(ROOT / "scenarios/wrong-port", tmp_path / "scenarios" / name)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_runbook.py").write_text(re.findall(r"(?s)```python\n(.*?)```", PAGE)[0])
    (tmp_path / "conftest.py").write_text(
        "def pytest_configure(config):\n    if not config.pluginmanager.has_plugin('badgateway'):\n"
        "        config.pluginmanager.import_plugin('lab.pytest_plugin')\n")
    return tmp_path


def run_step(project: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    (step,) = [step for step in WORKFLOW["jobs"]["fixer"]["steps"] if step.get("name") == name]
    command = step["run"].strip().replace("python3 ", f"{sys.executable} ")
    env = {**os.environ, "SHARD": "1/2", "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
           "BADGATEWAY_LAB_STATE": str(project / "lab")}
    return subprocess.run(["bash", "-ec", " ".join([command, *more])], cwd=project, env=env, capture_output=True, text=True,
                          check=False)


def test_the_matrix_takes_its_words(project: Path) -> None:
    done = run_step(project, "our scenarios", "--github")
    assert done.returncode == 0 and "our-port" in done.stdout + done.stderr, done.stderr


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
def test_the_bench_and_the_tests(project: Path) -> None:
    for name, report in (("our solver beside a yardstick", "bench.xml"), ("our tests", "tests.xml")):
        done = run_step(project, name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (project / report).exists()
