"""Tests of lab/random_hosts/running_machine.py that need no Docker; test_judged_host.py runs a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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


@pytest.mark.parametrize(("by_hand", "scripts"), [("", 0), ("start {{word}}", 1)])
def test_after_a_boot_an_operator_starts_what_nothing_starts(
    by_hand: str, scripts: int, monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def execute(container: str, argv: Sequence[str], *, user: str, stdin: bytes, check: bool) -> FinishedCommand:
        done.append(stdin.decode())
        return FinishedCommand(tuple(argv), 0, b"", b"")

    monkeypatch.setattr(running_machine.docker_engine, "execute", execute)
    monkeypatch.setattr(running_machine.docker_engine, "restart", lambda *_, **__: done.append("restart"))
    monkeypatch.setattr(running_machine, "wait_until_booted", lambda _: done.append("booted"))
    spec = host_of_kind("machine")
    host = RunningMachine(replace(spec, values={**spec.values, "after_boot": by_hand}), "depot-1")
    host.reboot()
    assert done[:2] == ["restart", "booted"] and len(done) == 2 + scripts
    assert not scripts or done[2] == f"set -e\nstart {spec.values['word']}\n"
