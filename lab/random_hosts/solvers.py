"""Solvers for random hosts: fixer as a command, two yardsticks, and any command that takes a target."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.random_hosts.running_host import RunningHost
from lab.stack.command_result import CommandResult, fixer_path, run_to_end

FIXER = "fixer"
YARDSTICKS = ("nothing", "restart-everything")
PLACEHOLDERS = ("target", "container", "url")
COMMAND_SECONDS = 240.0
LOOKS = 5
RESTARTS = "{{restart_everything}}"


def said_in(out: str) -> Mapping[str, Any]:
    """Return the diagnosis in a command's output: an object with findings (or `before`), or a line `cause: ID`."""
    try:
        document = json.loads(out)
    except ValueError:
        named = re.findall(r"(?m)^[^\S\n]*cause:\s*([a-z0-9-]+)\s*$", out)
        return {"findings": [{"cause": named[0], "role": "root", "confidence": "unstated"}]} if named else {}
    if isinstance(document, dict) and isinstance(document.get("before"), dict):
        document = document["before"]
    return document if isinstance(document, dict) and "findings" in document else {}


@dataclass(frozen=True, slots=True)
class Looks:
    """What a solver said before it acted. A solver without diagnosis has none.
    `bundle` is its answer from evidence that was collected at that time."""

    looks: tuple[CommandResult, ...] = ()
    verify: CommandResult | None = None
    bundle: CommandResult | None = None

    @property
    def results(self) -> tuple[CommandResult, ...]:
        """Return all commands, for the kept folder."""
        return (*self.looks, *(one for one in (self.verify, self.bundle) if one is not None))


@dataclass(frozen=True, slots=True)
class RandomSolver:
    """A solver by its name: `look` diagnoses without changing anything, `repair` acts, `undo` takes it back."""

    name: str
    repair: Callable[[RunningHost, Path], CommandResult]
    look: Callable[[RunningHost, Path], Looks] = field(default=lambda host, folder: Looks())
    undo: Callable[[RunningHost, Path], CommandResult] | None = None

    @property
    def is_yardstick(self) -> bool:
        """Return whether it only shows what guesswork achieves: nobody expects it to win."""
        return self.name in YARDSTICKS


def resolve_random_solver(word: str) -> RandomSolver:
    """Return fixer, a yardstick, or a command (NAME=COMMAND gives it a name); raise UsageError if it is none."""
    if word == FIXER:
        return RandomSolver(FIXER, _fixer("repair", "--yes", "--max-risk", "disruptive", "--json"), _look_with_fixer,
                            _fixer("undo", "--json"))
    if word in YARDSTICKS:
        script = RESTARTS if word == "restart-everything" else "true"
        return RandomSolver(word, lambda host, _: _shell(host, word, script))
    named = re.fullmatch(r"([A-Za-z0-9][\w.-]*)=(.+)", word, re.DOTALL)
    name, command = (named[1], named[2]) if named else (word, word)
    if name in (FIXER, *YARDSTICKS):
        raise UsageError(f"--solver: {name} is the name of a built-in solver", "choose another name for the command")
    argv = _argv_of(command)
    return RandomSolver(name, lambda host, _: _run_command(host, argv))


def _argv_of(command: str) -> list[str]:
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--solver {command!r}: {error}") from error
    if unknown := [name for name in re.findall(r"\{(\w*)\}", command) if name not in PLACEHOLDERS]:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise UsageError(f"--solver: {{{unknown[0]}}} is no placeholder of random hosts", f"they are {known}")
    if not argv or shutil.which(argv[0]) is None:
        raise UsageError(f"--solver: {command!r} is no program", f"give its path, or one of {FIXER}, "
                         f"{', '.join(YARDSTICKS)}")
    return [str(Path(argv[0]).absolute()), *argv[1:]] if "/" in argv[0] else argv


def _look_with_fixer(host: RunningHost, folder: Path) -> Looks:
    """Look five times, verify, and diagnose a bundle of the same moment, which stays in the folder."""
    diagnose, verify = _fixer("diagnose", "--json"), _fixer("verify", "--json")
    bundle = folder / "bundle.tgz"
    looks, verified = tuple(diagnose(host, folder) for _ in range(LOOKS)), verify(host, folder)
    collected = _fixer("collect", "-o", str(bundle))(host, folder)
    if collected.code != 0:
        return Looks(looks, verified, collected)
    replayed = _run((fixer_path(), "diagnose", f"bundle:{bundle}", "--json"), dict(os.environ))
    return Looks(looks, verified, replayed)


def _fixer(command: str, *words: str) -> Callable[[RunningHost, Path], CommandResult]:
    """Return fixer's command; its state on this machine lies in the host's folder."""
    def run_it(host: RunningHost, folder: Path) -> CommandResult:
        state = {"BADGATEWAY_STATE": str(folder / "fixer-state")}
        return _run((fixer_path(), command, host.target, *words), {**os.environ, **state})

    return run_it


def _run_command(host: RunningHost, argv: Sequence[str]) -> CommandResult:
    values = {"target": lambda: host.target, "container": lambda: host.container, "url": lambda: host.url}
    filled = tuple(re.sub(r"\{(\w+)\}", lambda found: values[found[1]](), word) for word in argv)
    with tempfile.TemporaryDirectory(prefix="solver-") as home:
        return _run(filled, {key: value for key, value in os.environ.items() if not key.startswith("BADGATEWAY")}, home)


def _run(argv: tuple[str, ...], environment: Mapping[str, str], folder: str | None = None) -> CommandResult:
    try:
        return run_to_end(argv, environment, COMMAND_SECONDS, folder)
    except OSError as error:
        raise UsageError(f"--solver: {argv[0]} cannot be run: {error.strerror}") from error


def _shell(host: RunningHost, name: str, script: str) -> CommandResult:
    start = time.monotonic()
    ran = host.shell(f"set +e\n{script}", check=False)
    return CommandResult((name,), ran.code, ran.text, ran.err.decode("utf-8", "replace"), time.monotonic() - start)
