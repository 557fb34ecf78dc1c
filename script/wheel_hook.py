"""Hook of the wheel's build: it puts the compiled patterns for the Python versions of this machine beside
fixer/lazy/regex.py. pip compiles modules where it installs; nothing compiles patterns there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from interpreters import find_interpreters


class PatternsHook(BuildHookInterface[Any]):
    """Add `fixer/lazy/patterns-cp313.bin` and the like to a wheel; an editable one is the sources as they are."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile for each version."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        program = Path(__file__).with_name("compiled_patterns.py")
        for tag, python in sorted(find_interpreters().items()):
            made = Path(self._folder.name) / f"patterns-{tag}.bin"
            # who builds a wheel may have a Python that cannot even start: fixer runs there without the file, too
            if subprocess.run([python, str(program), self.root, str(made)], check=False).returncode == 0:
                build_data["force_include"][str(made)] = f"fixer/lazy/{made.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the files that the wheel now holds."""
        if version != "editable":
            self._folder.cleanup()
