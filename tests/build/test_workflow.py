"""GitHub's workflows, step by step as a runner takes them: every command that can run here does, in the runner's shell.

Left out are what only GitHub can do (actions, `gh release`), and the installation of what this environment has."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixer import __version__
from lab.matrix.run_matrix import MatrixRequest
from lab.stack.images import tags
from tests.built_files import copy_built, newest_source
from tests.crash.crash_draw import draw_by_day

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yml"))
HERE = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
MINUTES = {"nightly": 350}       # of a job; of the other workflows an hour at most
# Within script/test, by day: the stages before these tests have run some of the steps, and fewer runs must do.
BY_DAY = "BADGATEWAY_STAGE" in os.environ and "BADGATEWAY_NIGHTLY" not in os.environ
# By day the images and a shard of one of the two workflows, drawn from the commit: their steps are nearly the same.
SHARDED = draw_by_day(["scenarios", "random-hosts"], "workflows", 1)
RELEASED = ("badgateway-*.whl", "fixer.pyz", "badgateway_*_all.deb", "badgateway-fixer-*.tar.gz")


def workflow(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text())


def filled(text: object, known: Mapping[str, str]) -> str:
    """With GitHub's expressions replaced; a KeyError for one that nobody gives."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], str(text))


def run_job(name: str, job: str, known: Mapping[str, str], place: Path, done: Container[str] = (), **more: str) -> None:
    """Every step with a command that is due where nothing failed and no cache was found; `done` ran already."""
    whole = workflow(name)
    spec = whole["jobs"][job]
    told = {word: place / word for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in told.values():
        path.touch()
    env = {**HERE, **{word: str(path) for word, path in told.items()}}
    for level in (whole, spec):
        env |= {key: filled(value, known) for key, value in level.get("env", {}).items()}
    for step in spec["steps"]:
        if "run" in step and not step["run"].startswith("python -m pip install") and step.get("if") != "failure()" \
                and step["run"] not in done:
            own = {key: filled(value, known) for key, value in step.get("env", {}).items()}
            ended = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", filled(step["run"], known)], cwd=place,
                                   env={**env, **own, **more}, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, f"{step['run']}\n{ended.stdout}{ended.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_pinned_by_digest_and_the_comment_says_which_version(name: str) -> None:
    """A tag can be moved to other code; Dependabot renews digest and comment together."""
    used = re.findall(r"(?m)^\s*(?:- )?uses: (.+)$", (FOLDER / f"{name}.yml").read_text())
    assert used
    wrong = [line for line in used if not line.startswith("./") and not re.fullmatch(r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)]
    assert wrong == []


def test_one_version_of_each_action_is_used() -> None:
    pins: dict[str, set[str]] = {}
    for name in NAMES:
        for action, digest in re.findall(r"uses: (actions/[\w-]+)\S*@(\w+)", (FOLDER / f"{name}.yml").read_text()):
            pins.setdefault(action, set()).add(digest)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_may_only_read_and_every_job_has_an_end(name: str) -> None:
    whole = workflow(name)
    assert whole["permissions"] == {"contents": "read"}
    assert all(0 < job["timeout-minutes"] <= MINUTES.get(name, 60) for job in whole["jobs"].values() if "steps" in job)
    writing = {job for job, spec in whole["jobs"].items() if spec.get("permissions", {}) != {}}
    assert writing == ({"release"} if name == "release" else set())


def commands_of_stage(name: str) -> set[str]:
    """What a stage of script/test runs, as the workflow writes it."""
    script = runpy.run_path(str(ROOT / "script/run_tests.py"))
    (stage,) = [stage for stage in script["plan_stages"](nightly=False) if stage.name == script[name]]
    tools = {sys.executable: "python"} | {str(script["BIN"] / name): name for name in os.listdir(script["BIN"])}
    return {" ".join([tools.get(words[0], words[0]), *words[1:]]) for words in stage.commands}


def test_the_workflow_has_every_check_of_script_test() -> None:
    assert commands_of_stage("LINT") <= {step.get("run") for step in workflow("ci")["jobs"]["lint"]["steps"]}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("job", "known"), [("lint", {}), ("fast", {"matrix.python": "3.13"})])
def test_lint_and_fast_tests(job: str, known: Mapping[str, str]) -> None:
    """Of the fast tests one folder is collected: this is one of the slow ones beside them all. Within script/test the
    same checks have a stage of their own."""
    done = commands_of_stage("LINT") if "BADGATEWAY_STAGE" in os.environ else ()
    for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        assert not (ROOT / word).exists()
    try:
        run_job("ci", job, known, ROOT, done, PYTEST_ADDOPTS="--collect-only tests/meta")
    finally:
        for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            (ROOT / word).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tree, with what script/build has made, as ci.yml's jobs take it over; its `.venv` is this environment."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    subprocess.run("cat pyproject.toml script/setup.sh | cksum | tr ' ' - | tr -d '\\n' > .venv/.badgateway-stamp", shell=True,
                   cwd=folder, check=True)
    copy_built(folder / "dist")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_files_of_a_release_are_built(checkout: Path) -> None:
    """By day the first stage of script/test has run the same command in this tree; at night it runs in a copy too."""
    made = [list((ROOT / "dist").glob(name)) for name in RELEASED]
    if BY_DAY and all(len(files) == 1 and files[0].stat().st_mtime > newest_source() for files in made):
        assert {step["run"] for step in workflow("ci")["jobs"]["build"]["steps"] if "run" in step} == commands_of_stage("BUILD")
        return
    before = (checkout / "dist").rename(checkout / "before")
    try:
        run_job("ci", "build", {}, checkout, SOURCE_DATE_EPOCH="1700000000")
        assert all(len(list((checkout / "dist").glob(name))) == 1 for name in RELEASED)
    finally:
        shutil.rmtree(checkout / "dist", ignore_errors=True)
        before.rename(checkout / "dist")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(BY_DAY, reason="at night: pip installs all of the extra; by day test_wheel.py has the wheel, test_pyz.py the file")
def test_the_wheel_and_the_single_file_on_a_fresh_python(checkout: Path) -> None:
    run_job("ci", "wheel", {"matrix.python": "3.13"}, checkout, PIP_NO_COMPILE="1")     # most of it is never imported


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_the_package_on_a_fresh_machine(checkout: Path) -> None:
    run_job("ci", "deb", {"matrix.image": tags()["app"]}, checkout)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tag_releases_what_was_tried_with_checksums(checkout: Path, tmp_path: Path) -> None:
    """`gh` is the one command that only GitHub can run: what it would upload exists, and is what ci.yml has built."""
    said = tmp_path / "said"
    (tmp_path / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\n')
    (tmp_path / "gh").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{HERE['PATH']}"
    run_job("release", "release", {"github.token": "x"}, checkout, GITHUB_REF_NAME=f"v{__version__}", PATH=path)
    words = said.read_text().splitlines()
    assert words[:3] == ["release", "create", f"v{__version__}"]
    files = [word for word in words if word.startswith("dist/")]
    assert [next(checkout.glob(f"dist/{name}")).name for name in (*RELEASED, "SHA256SUMS")] == [Path(word).name for word in files]
    assert len((checkout / "dist/SHA256SUMS").read_text().splitlines()) == len(RELEASED)
    with pytest.raises(AssertionError, match="__version__"):
        run_job("release", "release", {"github.token": "x"}, checkout, GITHUB_REF_NAME="v99.0.0", PATH=path)
    assert workflow("release")["jobs"]["ci"]["uses"] == "./.github/workflows/ci.yml"


IF_SEEDS = "inputs.seeds && format('--seeds={0}', inputs.seeds) || '--all'"


def test_ten_shards_run_every_variant_on_every_stack() -> None:
    job = workflow("scenarios")["jobs"]["shard"]
    shards = job["strategy"]["matrix"]["shard"]
    assert any('"$SHARD/10"' in step.get("run", "") for step in job["steps"]) and shards == list(range(1, 11))
    parts = [MatrixRequest(all=True, shard=f"{number}/10").chosen() for number in shards]
    assert sorted(case.name for part in parts for case in part) == sorted(case.name for case in MatrixRequest(all=True).chosen())


def test_the_shards_load_the_images_that_one_job_has_built() -> None:
    jobs = workflow("scenarios")["jobs"]
    def keys(job: str) -> list[str]:
        return [step["with"]["key"] for step in jobs[job]["steps"] if "actions/cache" in step.get("uses", "")]
    assert keys("images") == keys("shard") == keys("examples") and len(keys("images")) == 1
    assert keys("images") == [step["with"]["key"] for step in workflow("nightly")["jobs"]["nightly"]["steps"]
                              if "actions/cache" in step.get("uses", "")]
    for job in ("shard", "examples"):
        assert jobs[job]["needs"] == "images"
        assert not any("lab.stack.images" in step.get("run", "") for step in jobs[job]["steps"])


def docker_that_saves_one(folder: Path) -> str:
    """PATH with a docker that by day saves one of the images that it is asked to save, if all are there: the others go
    the same way, and are gigabytes."""
    program = folder / "bin" / "docker"
    program.parent.mkdir(exist_ok=True)
    real = shutil.which("docker")
    program.write_text(f'''#!/bin/sh
set -e
if [ "$1 $2" = "save --output" ]; then
    file=$3
    shift 3
    {real} image inspect "$@" >/dev/null
    set -- save --output "$file" "$1"
fi
exec {real} "$@"
''' if BY_DAY else f'#!/bin/sh\nexec {real} "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{HERE['PATH']}"


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("scenarios" not in SHARDED, reason="by day this commit draws the other workflow")
def test_the_images_and_one_shard(tmp_path: Path) -> None:
    """The last shard of one scenario, which is a short one; what the runner's cache hands over is a file here."""
    path = docker_that_saves_one(tmp_path)
    known = {IF_SEEDS: "--only=backend-down", "github.workspace": str(tmp_path), "matrix.shard": "10"}
    run_job("scenarios", "images", known, tmp_path, PATH=path)
    run_job("scenarios", "shard", known, tmp_path, PATH=path)
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert summary == (tmp_path / "results.md").read_text() and "backend-down" in summary
    chosen = MatrixRequest(only=["backend-down"], shard="10/10").chosen()
    assert len(json.loads((tmp_path / "results.json").read_text())["cases"]) == len(chosen)


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_every_night_all_tests_run(checkout: Path, tmp_path: Path) -> None:
    """From the step through script/test and its set-up: the stages themselves are put off, since they take hours."""
    assert workflow("nightly")[True]["schedule"]
    said = tmp_path / "said"
    stages = checkout / "script/run_tests.py"
    text = stages.read_text()
    (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    stages.write_text(f"import sys; open({str(said)!r}, 'w').write(' '.join(sys.argv[1:]))\n")
    try:
        run_job("nightly", "nightly", {}, checkout, PATH=f"{tmp_path}{os.pathsep}{HERE['PATH']}")
    finally:
        stages.write_text(text)
    assert said.read_text() == "--nightly"


def test_what_is_kept_of_a_failure_is_uploaded_whole() -> None:
    """The action leaves out what begins with a dot where it is not told otherwise, and the lab's folder does."""
    (upload,) = [step["with"] for step in workflow("scenarios")["jobs"]["shard"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert ".lab/matrix" in upload["path"].split()
    assert upload["include-hidden-files"]


def test_no_two_shards_and_no_two_nights_draw_the_same_hosts() -> None:
    """The seeds are what the shell makes of the run's number, the shard's and the number of hosts."""
    job = workflow("random-hosts")["jobs"]["shard"]
    (command,) = [step["run"] for step in job["steps"] if "lab bench" in step.get("run", "")]
    (sum_of,) = re.findall(r'--seed "(\$\(\(.+?\)\))"', command)
    drawn: list[int] = []
    for run in (1, 2, 999):
        for shard in job["strategy"]["matrix"]["shard"]:
            told = subprocess.run(["bash", "-c", f"echo {sum_of}"], env={"RUN": str(run), "SHARD": str(shard), "HOSTS": "8"},
                                  capture_output=True, text=True, check=True)
            drawn += range(int(told.stdout), int(told.stdout) + 8)
    assert len(drawn) == len(set(drawn)) == 3 * 8 * 8
    assert min(drawn) > 1_000_000


def test_the_shards_of_random_hosts_load_what_one_job_has_built() -> None:
    jobs = workflow("random-hosts")["jobs"]
    keys = {job: [step["with"]["key"] for step in jobs[job]["steps"] if "actions/cache" in step.get("uses", "")]
            for job in ("images", "shard")}
    assert keys["images"] == keys["shard"] and len(keys["images"]) == 1
    assert jobs["shard"]["needs"] == "images"
    named = re.findall(r"'([^']+)'", keys["images"][0])
    assert [path for path in named if not (ROOT / path.removesuffix("/**")).exists()] == []


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif("random-hosts" not in SHARDED, reason="by day this commit draws the other workflow")
def test_the_images_and_one_shard_of_random_hosts(tmp_path: Path) -> None:
    """With the yardstick that does nothing: whether fixer passes is the night's question, not this test's."""
    known = {"inputs.hosts || '8'": "1", "github.run_number": "1", "github.workspace": str(tmp_path), "matrix.shard": "1"}
    path = docker_that_saves_one(tmp_path)
    run_job("random-hosts", "images", known, tmp_path, PATH=path)
    solver = tmp_path / "bin" / "lab"
    solver.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).with_name("lab")}" "$@" --solver nothing\n')
    solver.chmod(0o755)
    run_job("random-hosts", "shard", known, tmp_path, PATH=path)
    assert json.loads((tmp_path / "results.json").read_text())["seeds"] == {"first": 1_001_000, "count": 1}
    assert "pairs of choices covered" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_every_path_that_a_filter_names_exists() -> None:
    triggers = workflow("scenarios")[True]      # YAML 1.1 reads `on` as true
    assert triggers["push"]["paths"] == triggers["pull_request"]["paths"]
    missing = [path for path in triggers["push"]["paths"] if not (ROOT / path.removesuffix("/**")).exists()]
    assert missing == []
