"""setsebool turned and turned back: small programs stand where the policy's tools would, and keep a value."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from fixer.apply.steps.selinux_step import set_boolean, undo_boolean
from fixer.errors import Conflict
from fixer.hosts.machine import run_process
from fixer.model.host import CommandResult
from fixer.model.plan import SetBoolean

STEP = SetBoolean("local", "httpd_can_network_connect", value=True, was=False)


class Tools:
    """A machine whose getsebool and setsebool keep one value in a file, as no kernel here has a policy to keep it."""

    def __init__(self, folder: Path) -> None:
        self.value = folder / "value"
        self.value.write_text("off\n")
        for name, text in (("getsebool", f'echo "$1 --> $(cat {self.value})"'),
                           ("setsebool", f'test "$1" = -P && if [ "$3" = 1 ]; then echo on; else echo off; fi >{self.value}')):
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)
        self._path = f"PATH={folder}:{os.environ['PATH']}"

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return run_process.run(("env", self._path, *argv), stdin=stdin, timeout=timeout)


def test_on_and_back(tmp_path: Path) -> None:
    tools = Tools(tmp_path)
    set_boolean(STEP, tools)
    assert tools.value.read_text() == "on\n"
    with pytest.raises(Conflict):
        set_boolean(STEP, tools)
    assert "off" in undo_boolean(STEP, tools) and tools.value.read_text() == "off\n"
    assert undo_boolean(STEP, tools) == ""
