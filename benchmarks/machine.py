"""A lab's machine with fixer in it, twice: as an installed package and as fixer.pyz."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from benchmarks.alternate import Use

ROOT = Path(__file__).resolve().parent.parent
LAB = Path(sys.executable).parent / "lab"


def run(*argv: str | Path, stdin: bytes = b"") -> bytes:
    """Return the command's output; raise CalledProcessError with its errors on the terminal if it fails."""
    return subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, check=True).stdout


def lab_ids() -> set[str]:
    """Return the labs that are up and ours: others on the same engine are listed by id alone."""
    labs = json.loads(run(LAB, "status", "--json"))["labs"]
    return {entry["id"] for entry in labs if "asked" in entry}


@contextmanager
def running_lab(scenario: str, stack: str) -> Iterator[str]:
    """Yield the id of a new lab, and remove the lab afterwards."""
    before = lab_ids()
    run(LAB, "up", scenario, "--stack", stack, "--seed", "11")
    (lab,) = lab_ids() - before
    try:
        yield lab
    finally:
        run(LAB, "down", lab)


@contextmanager
def running_machine(scenario: str) -> Iterator[str]:
    """Yield the container of a new machine with that scenario and fixer in /opt; remove it afterwards."""
    with running_lab(scenario, "host") as lab:
        install_fixer(container := f"{lab}-host")
        yield container


def install_fixer(container: str) -> None:
    """Install the wheel and typer there, and copy fixer.pyz and the benchmark's own programs; bytecode is compiled
    inside, as by pip."""
    with tempfile.TemporaryDirectory() as temporary:
        site = Path(temporary) / "badgateway"
        wheels = [f"{name}=={version(name)}" for name in ("typer", "annotated-doc", "shellingham")]
        (own,) = (ROOT / "dist").glob("badgateway-*.whl")
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", site, own, *wheels)
        run("docker", "cp", site, f"{container}:/opt/badgateway")
    run("docker", "cp", ROOT / "dist" / "fixer.pyz", f"{container}:/opt/fixer.pyz")
    for name in ("six_steps.sh", "alternate.py"):
        run("docker", "cp", ROOT / "benchmarks" / name, f"{container}:/opt/{name}")
    run("docker", "exec", container, "python3", "-m", "compileall", "-q", "/opt/badgateway")


def use_inside(container: str, commands: dict[str, list[str]], runs: int) -> dict[str, list[Use]]:
    """Return what each run of each command takes, measured inside the machine by one program."""
    for argv in commands.values():
        code = subprocess.run(["docker", "exec", container, *argv], capture_output=True, check=False).returncode
        if code not in (0, 1, 3):  # well, broken, or what --no-probe leaves open
            raise SystemExit(f"{' '.join(argv)} ended with {code}: nothing to measure")
    job = json.dumps({"runs": runs, "commands": commands}).encode()
    output = run("docker", "exec", "-i", container, "python3", "/opt/alternate.py", stdin=job)
    return {name: [Use(*one) for one in used] for name, used in json.loads(output).items()}


def times_inside(container: str, commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Return the wall times alone, in milliseconds."""
    return {name: [one.ms for one in used] for name, used in use_inside(container, commands, runs).items()}
