"""collect: a redacted bundle of evidence from a host, as a file on the controller; changes nothing there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.badgateway.fixer.plugins.plugin_utils.fixer_action import (
    LOOK_SPEC,
    CannotLook,
    FixerAction,
    NoPython,
    Spec,
)
from ansible_collections.badgateway.fixer.plugins.plugin_utils.reasons import Reason


class ActionModule(FixerAction):
    """Run `fixer collect` there, or the collect script if there is no Python 3.11, and keep the bundle here."""

    spec: ClassVar[Spec] = {**LOOK_SPEC, "dest": {"type": "path", "required": True}}

    def work(self) -> dict[str, Any]:
        """Return the result of the task."""
        path = self._path()
        result: dict[str, Any] = {"changed": False, "bundle": str(path)}
        if self._task.check_mode:
            return {**result, "skipped": True, "msg": "check mode: nothing is collected"}
        via = "fixer"
        try:
            bundle = self.collect_with_fixer(["collect", *self.look_words()])
        except NoPython:
            if self.options["target"] != "local":
                raise
            bundle, via = self.collect_with_script(), "collect-script"
        self._write(path, bundle)
        return {**result, "via": via, "size": len(bundle), "exit_code": 0,
                "msg": f"read it: fixer diagnose bundle:{path}"}

    def _path(self) -> Path:
        """Return the file: `dest`, or a file named after the host in that folder."""
        given = self.options["dest"]
        host = str(self._vars.get("inventory_hostname") or "host").replace("/", "_").lstrip(".")
        return Path(given, f"{host}.bundle") if given.endswith("/") or Path(given).is_dir() else Path(given)

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        """Write the file, readable by its owner only, in one step."""
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            new.replace(path)
        except OSError as error:
            raise CannotLook(Reason("usage", f"{path} cannot be written on the controller: {error.strerror}",
                                    "name another dest")) from None
