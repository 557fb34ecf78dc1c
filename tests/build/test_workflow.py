"""scenarios.yml, step by step as a runner takes them: the plan, one of its jobs, the table in the summary."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOW = yaml.safe_load((Path(__file__).parents[2] / ".github" / "workflows" / "scenarios.yml").read_text())
JOBS: Mapping[str, Any] = WORKFLOW["jobs"]
HERE = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def filled(text: object, known: Mapping[str, str]) -> str:
    """With GitHub's expressions replaced; a KeyError for one that nobody gives."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], str(text))


def run_job(name: str, known: Mapping[str, str], place: Path) -> dict[str, str]:
    """Every step with a command that is due where nothing failed, in the runner's shell; the job's outputs."""
    job = JOBS[name]
    told = {word: place / word for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in told.values():
        path.touch()
    given = {key: filled(value, known) for key, value in {**WORKFLOW["env"], **job.get("env", {})}.items()}
    env = {**HERE, **given, **{word: str(path) for word, path in told.items()}}
    for step in job["steps"]:
        if "run" in step and "pip install" not in step["run"] and step.get("if") != "failure()":
            done = subprocess.run(["bash", "-e", "-c", filled(step["run"], known)], cwd=place, env=env, capture_output=True,
                                  text=True, check=False)
            assert done.returncode == 0, f"{step['run']}\n{done.stdout}{done.stderr}"
    lines = told["GITHUB_OUTPUT"].read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    return {key: filled(value, {f"steps.plan.outputs.{word}": said for word, said in outputs.items()})
            for key, value in job.get("outputs", {}).items()}


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_the_plan_and_one_of_its_jobs(tmp_path: Path) -> None:
    known = {"inputs.seeds || '1'": "1", "github.workspace": str(tmp_path)}
    plan = json.loads(run_job("plan", known, tmp_path)["matrix"])["include"]
    job = min(plan, key=lambda one: (one["cases"], one["scenario"]))
    run_job("scenario", {**known, **{f"matrix.{key}": str(value) for key, value in job.items()}}, tmp_path)
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert summary == (tmp_path / "results.md").read_text()
    assert job["scenario"] in summary
    assert len(json.loads((tmp_path / "results.json").read_text())["cases"]) == job["cases"]


def test_what_is_kept_of_a_failure_is_uploaded_whole() -> None:
    """The action leaves out what begins with a dot where it is not told otherwise, and the lab's folder does."""
    (upload,) = [step["with"] for step in JOBS["scenario"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert ".lab/matrix" in upload["path"].split()
    assert upload["include-hidden-files"]
