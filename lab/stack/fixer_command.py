"""fixer as a command, like any other solver: outside with the lab's target, or inside its machine as one file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from lab.errors import LabError, UsageError
from lab.paths import data_root
from lab.scenario.catalog import scenario_named
from lab.scenario.templates import fill_deep
from lab.stack.command_result import CommandResult, fixer_path, run_to_end
from lab.stack.docker_engine import execute
from lab.stack.running_lab import Lab

PYZ_IN_MACHINE = "/root/fixer.pyz"
COMMAND_TIMEOUT = 240.0  # seconds per command of fixer on a lab


@dataclass(frozen=True, slots=True)
class Fixer:
    """How to call fixer for one lab: the start of the command, and the target argument."""

    prefix: tuple[str, ...]
    target: str
    environment: Mapping[str, str]

    def argv(self, command: str, *words: str) -> tuple[str, ...]:
        """Return the complete command."""
        return (*self.prefix, command, self.target, *words)

    def ask(self, command: str, *words: str) -> CommandResult:
        """Run it to its end and return its output."""
        return run_to_end(self.argv(command, *words), {**os.environ, **self.environment}, COMMAND_TIMEOUT)

    def show(self, command: str, *words: str) -> int:
        """Run it on the terminal, as a person would."""
        done = subprocess.run(self.argv(command, *words), check=False, env={**os.environ, **self.environment})
        return done.returncode


def fixer_outside(lab: Lab, state: Path | None = None) -> Fixer:
    """Return fixer on this machine; `state` separates its journals from those of real repairs."""
    return Fixer((fixer_path(),), lab.target, {"BADGATEWAY_STATE": str(state)} if state else {})


def cause_catalogue() -> Mapping[str, Mapping[str, Any]]:
    """Return the causes that fixer can find, by id, as `fixer causes --json` lists them."""
    done = subprocess.run([fixer_path(), "causes", "--json"], capture_output=True, text=True, check=False,
                          timeout=COMMAND_TIMEOUT, stdin=subprocess.DEVNULL)
    try:
        return {cause["id"]: cause for cause in json.loads(done.stdout)["causes"]}
    except (ValueError, KeyError) as error:
        raise LabError("fixer does not list its causes", done.stderr.strip()[:200]) from error


def journal_folders(lab_id: str) -> tuple[Path, ...]:
    """Return fixer's folders about a lab's targets on this machine: journals, what it learned, what it ignores."""
    named = os.environ.get("BADGATEWAY_STATE")
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    root = Path(named) if named else Path("/var/lib/badgateway") if os.geteuid() == 0 else home / "badgateway"
    targets = root / "targets"
    return (*targets.glob(f"compose-{escape(lab_id)}"), *targets.glob(f"docker-{escape(lab_id)}-*"))


def pyz_path() -> Path:
    """Return the path of the one-file build; BADGATEWAY_PYZ names another."""
    return Path(os.environ.get("BADGATEWAY_PYZ") or data_root() / "dist" / "fixer.pyz")


def fixer_inside(lab: Lab) -> Fixer:
    """Return fixer.pyz, copied into the machine and run there as root."""
    if lab.stack != "host":
        raise UsageError("--inside needs a machine, and the containers stack has none", "use a lab of the host stack")
    pyz = pyz_path()
    if not pyz.is_file():
        raise UsageError(f"{pyz.name} does not exist", "build it: script/build")
    execute(lab.container(), ["sh", "-c", f"cat > {PYZ_IN_MACHINE}"], stdin=pyz.read_bytes())
    return Fixer(("docker", "exec", "-i", lab.container(), "python3", PYZ_IN_MACHINE), "local", {})


def input_options(lab: Lab) -> tuple[str, ...]:
    """Return the scenario's input as --set options; files of a project are absolute paths."""
    variant = scenario_named(lab.record.scenario).variant(lab.record.variant)
    where = f"{lab.record.scenario}/scenario.toml: input"
    filled = fill_deep(dict(variant.input), {**lab.params, "lab_folder": str(lab.folder)}, where)
    assert isinstance(filled, dict)
    return tuple(word for key, value in filled.items() for word in ("--set", f"{key}={value}"))
