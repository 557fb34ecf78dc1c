"""Solvers for the bench: our fixer, two trivial ones, and any command that takes a target."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.stack.docker_engine import execute
from lab.stack.fixer_command import COMMAND_TIMEOUT, fixer_inside, fixer_outside, input_options
from lab.stack.running_lab import Lab
from lab.trial.reference_solvers import SOLVERS
from lab.verbs.solve import REPAIR_OPTIONS

FIXER = "fixer"
BUILT_IN = (FIXER, *SOLVERS)
PLACEHOLDERS = ("target", "project", "container", "url")
NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)
INPUT_VARIABLE = "SOLVER_INPUT"  # KEY=VALUE lines: what an operator would give when asked


@dataclass(frozen=True, slots=True)
class SolverRun:
    """Result of a solver: exit code (None without one), named cause (None: none named), duration in seconds."""

    code: int | None
    cause: str | None
    seconds: float
    output: str = ""


@dataclass(frozen=True, slots=True)
class Solver:
    """A solver, by its name in the table."""

    name: str
    word: str  # as the command line gives it
    within: bool  # whether it runs inside the machine
    solve: Callable[[Lab, Path], SolverRun]

    @property
    def is_yardstick(self) -> bool:
        """Return whether it only shows what guesswork achieves: it names no cause, and nobody expects it to win."""
        return self.name in SOLVERS


def resolve_solver(word: str, *, within: bool) -> Solver:
    """Return a built-in solver by name, else a command or NAME=COMMAND; raise UsageError if it is neither."""
    if word == FIXER:
        return Solver(word, word, within, lambda lab, folder: _run_fixer(lab, folder, within=within))
    if word in SOLVERS:
        return Solver(word, word, within, lambda lab, _: _run_built_in(lab, SOLVERS[word]))
    named = NAMED.fullmatch(word)
    name, command = (named[1], named[2]) if named else (word, word)
    if name in BUILT_IN:
        raise UsageError(f"--solver: {name} is the name of a built-in solver", "choose another name for the command")
    argv = _argv_of(command, within=within)
    if within:
        return Solver(name, word, within, lambda lab, _: _run_inside(lab, Path(argv[0]), argv[1:]))
    return Solver(name, word, within, lambda lab, folder: _run_command(lab, argv, folder))


def _argv_of(command: str, *, within: bool) -> list[str]:
    """Return the words of a command, its program as an absolute path: it runs in a folder of its own."""
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--solver {command!r}: {error}") from error
    for name in re.findall(r"\{(\w*)\}", command):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{place}}}" for place in PLACEHOLDERS)
            raise UsageError(f"--solver: {{{name}}} is not a placeholder", f"the placeholders are {known}")
    if not argv:
        raise UsageError("--solver: no command", f"the built-in solvers are {', '.join(BUILT_IN)}")
    if within and not Path(argv[0]).is_file():
        raise UsageError(f"--inside: {argv[0]} is not a file that could be copied into the machine")
    if not within and shutil.which(argv[0]) is None:
        raise UsageError(f"--solver: {argv[0]} is no program", "give its path, and make the file executable")
    return [str(Path(argv[0]).absolute()), *argv[1:]] if "/" in argv[0] else argv


def _run_fixer(lab: Lab, folder: Path, *, within: bool) -> SolverRun:
    """Run diagnose for the cause, then repair; the seconds are the sum."""
    fixer = fixer_inside(lab) if within else fixer_outside(lab, folder / "fixer-state")
    told = fixer.ask("diagnose", "--json")
    made = fixer.ask("repair", *REPAIR_OPTIONS, *input_options(lab), "--json")
    return SolverRun(made.code, cause_in(told.out), told.seconds + made.seconds, made.output)


def _run_built_in(lab: Lab, act: Callable[[Lab], None]) -> SolverRun:
    start = time.monotonic()
    try:
        act(lab)
    except LabError as error:
        return SolverRun(1, None, time.monotonic() - start, error.message)
    return SolverRun(0, None, time.monotonic() - start)


def _fill_placeholders(lab: Lab, argv: Sequence[str]) -> list[str]:
    values = {"target": lab.target, "project": lab.id, "container": lab.container("web"), "url": lab.url}
    return [re.sub(r"\{(\w+)\}", lambda match: values[match[1]], word) for word in argv]


def _input_lines(lab: Lab) -> str:
    return "".join(f"{word}\n" for word in input_options(lab) if word != "--set")


def _run_command(lab: Lab, argv: Sequence[str], folder: Path) -> SolverRun:
    """Run in a separate folder and process group, without variables that reveal the lab's state folder."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BADGATEWAY")}
    kept |= {INPUT_VARIABLE: _input_lines(lab)}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="solver-") as home:
        return _run_argv(_fill_placeholders(lab, argv), kept, home)


def _run_argv(argv: Sequence[str], environment: Mapping[str, str], home: str) -> SolverRun:
    start = time.monotonic()
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=home,
            env=dict(environment), start_new_session=True, text=True, errors="replace",
        )
    except OSError as error:
        raise UsageError(f"--solver: {argv[0]} cannot be run: {error.strerror}") from error
    try:
        out, err = child.communicate(timeout=COMMAND_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        why = f"did not end within {COMMAND_TIMEOUT:.0f} s"
        return SolverRun(None, cause_in(out), COMMAND_TIMEOUT, f"{out}\n{err}\n{why}")
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    return SolverRun(child.returncode, cause_in(out), time.monotonic() - start, f"{out}\n{err}")


def _run_inside(lab: Lab, file: Path, words: Sequence[str]) -> SolverRun:
    """Copy the file into the machine and run it there as root."""
    if lab.stack != "host":
        raise UsageError("--inside needs a machine, and the containers stack has none")
    place = f"/root/{file.name}"
    execute(lab.container(), ["sh", "-c", 'cat > "$1" && chmod 0755 "$1"', "sh", place], stdin=file.read_bytes())
    argv = ["docker", "exec", "-u", "0", "-w", "/root", "-e", f"{INPUT_VARIABLE}={_input_lines(lab)}", lab.container(),
            place]
    with tempfile.TemporaryDirectory(prefix="solver-") as home:
        return _run_argv([*argv, *_fill_placeholders(lab, words)], os.environ, home)


def cause_in(out: str) -> str | None:
    """Return the cause in an output: `cause: ID` on a line, or JSON with `cause`, `findings` or `before`."""
    try:
        document = json.loads(out)
    except ValueError:
        named = re.findall(r"(?m)^[^\S\n]*cause:\s*([a-z0-9-]+)\s*$", out)
        return named[0] if named else None
    if isinstance(document, dict) and isinstance(document.get("before"), dict):
        document = document["before"]
    if not isinstance(document, dict):
        return None
    findings = document.get("findings")
    first = findings[0] if isinstance(findings, list) and findings else document
    if isinstance(first, dict) and first.get("role") not in (None, "root", "contributing"):
        return None
    cause = first.get("cause") if isinstance(first, dict) else None
    return cause if isinstance(cause, str) else None
