"""Tests of lab/random_hosts/running_machine.py that need no Docker; test_judged_host.py runs a host."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lab.errors import LabError
from lab.random_hosts import running_machine
from lab.random_hosts.running_machine import RunningMachine
from lab.stack.docker_command import FinishedCommand
from tests.lab.random_hosts.builders import host_of_kind


def test_a_script_is_not_on_the_command_line_where_its_own_pkill_would_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Sequence[str], bytes]] = []

    def execute(container: str, argv: Sequence[str], *, user: str, stdin: bytes, check: bool) -> FinishedCommand:
        asked.append((argv, stdin))
        return FinishedCommand(tuple(argv), 1, b"", b"first\nno such process\n")

    monkeypatch.setattr(running_machine.docker_engine, "execute", execute)
    host = RunningMachine(host_of_kind("machine"), "depot-1")
    with pytest.raises(LabError, match=r"pkill -f .* failed: no such process"):
        host.shell("pkill -f '{{module_pattern}}'\n")
    argv, stdin = asked[0]
    assert host.spec.values["module"][1:] not in " ".join(argv)
    assert stdin.decode() == f"set -e\npkill -f '{host.spec.values['module_pattern']}'\n"
